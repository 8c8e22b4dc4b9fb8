"""The schema: what each column of the rows learnt from is, and how every later row is read by it.

Here is the one place where cells get a type. The types, by the first rule that holds for every cell of a column that is
not missing:

    type      as text                                       as a value of its own
    text      a number with a leading zero (007), or beyond 64 bits
    integer   12, -3                                        whole number
    float     1.5, 1e-3; 1,5 where a source says so         number, decimal, duration or time of day (in seconds)
    boolean   true, false in any case                       true or false
    date      2024-12-31                                    date
    datetime  a format of `dates.FORMATS`                   date and time, with an offset in UTC
    text      anything else                                 anything else, nested values as JSON
    empty     nothing but gaps

and `timestamp`, the time column of series, which is read by `timestamps`.

Later rows are read by the type that was learnt, never by what they look like themselves. What cannot be read so is no
gap: it is a `Misfit`, counted and shown. Where formats differ, so that the same rows answer alike, these hold as well:
whole floats are integers; 0 and 1 are false and true, and the other way round where only they were learnt; a moment
without an offset is in UTC where offsets were learnt; of a date-time only the day counts where days were learnt.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

import polars as pl

from automl_assets.data.dates import FORMATS, ISO, ISO_ZONED, MOMENT, alike, date_format, read_dates
from automl_assets.errors import SettingError, listed
from automl_assets.stored import stored_as

Type = Literal["integer", "float", "boolean", "date", "datetime", "timestamp", "text", "empty"]

BLANK = ("",)
MISSING = ("", "na", "n/a", "nan", "null")  # in any case, where numbers, dates or truth values stand
TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
FEW_VALUES = 20
MOST_VALUES = 1_000  # different texts of a column that are remembered as they were written
SHOWN = 3  # cells that a message shows
MOST_DOUBTED = 0.2  # share of the cells that may be otherwise where a text column looks like numbers
DOUBTED_ROWS, DOUBTED_CELLS = 10, 10_000  # how many cells it takes, and how many are looked at
PROBED = 1_000  # cells that are tried before a whole column is
DTYPES: dict[str, Any] = {
    "integer": pl.Int64(),
    "float": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "datetime": MOMENT,
    "text": pl.String(),
    "empty": pl.String(),
    "timestamp": pl.String(),
}
IN_WORDS = {
    "integer": "whole numbers",
    "float": "numbers",
    "boolean": "true or false",
    "date": "dates",
    "datetime": "dates with time",
    "timestamp": "moments",
    "text": "texts",
    "empty": "nothing",
}

THOUSANDS = r"^-?[1-9]\d{0,2}(\.\d{3})+$"
SIGNS = r"[\s\u{a0}\u{202f}'’%$€£¥]"  # around and between the digits of numbers
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?$", re.ASCII)
LARGEST_EXACT = 2**53  # whole numbers up to here stay apart among fractions

DECIMAL_COMMA = "decimal comma"
FORMATS_IN_WORDS = {
    DECIMAL_COMMA: "with a decimal comma",
    ISO: "as 2024-12-31",
    ISO_ZONED: "as 2024-12-31T23:59:59+01:00",
}


@stored_as("data.ColumnSchema")
@dataclass(frozen=True)
class ColumnSchema:
    """One column as it was learnt."""

    name: str
    type: Type
    format: str = ""  # of texts that are dates, or of codes: `dates.FORMATS`, `decimal comma`, `5 digits`
    example: str = ""  # the first cell
    values: tuple[str, ...] = ()  # texts as they were written, where there are no more than MOST_VALUES
    least: str = ""  # the smallest number or date
    most: str = ""
    has_gaps: bool = False
    doubt: str = ""  # why it may be meant otherwise

    @property
    def dtype(self) -> Any:
        """The type of its values in a table."""
        return pl.Datetime("us", "UTC") if self.format == ISO_ZONED else DTYPES[self.type]

    @property
    def in_words(self) -> str:
        """What a cell may be, for a person.

        >>> ColumnSchema("day", "datetime", "%d/%m/%Y", "31/12/1999").in_words
        'dates with time as %d/%m/%Y, such as 31/12/1999'
        """
        written = FORMATS_IN_WORDS.get(self.format, f"as {self.format}" if "%" in self.format else "")
        such = f", such as {self.example}" if self.example else ""
        return f"{IN_WORDS[self.type]} {written}".rstrip() + such


@dataclass(frozen=True)
class Misfit:
    """Cells of a column that are not what was learnt."""

    column: str
    n_cells: int
    examples: tuple[str, ...]
    expected: str


@dataclass(frozen=True)
class ReadRows:
    """Rows as a schema reads them; what does not fit is missing in the table, and told here."""

    table: pl.DataFrame
    misfits: tuple[Misfit, ...] = ()
    unseen: tuple[Misfit, ...] = ()  # texts that were never learnt, which a model takes for other ones
    unreadable: tuple[str, ...] = ()  # of each row the columns that do not fit; empty where all do


@stored_as("data.Schema")
@dataclass(frozen=True)
class Schema:
    """All columns of the rows learnt from, and how the texts of their source are written."""

    columns: tuple[ColumnSchema, ...]
    source: dict[str, Any] = field(default_factory=dict)  # the options of its kind that say how texts are written
    kind: str = ""  # of the source

    @property
    def names(self) -> list[str]:
        """Of the columns, in their order."""
        return [column.name for column in self.columns]

    def only(self, names: Collection[str]) -> "Schema":
        """The same for some of the columns."""
        return replace(self, columns=tuple(column for column in self.columns if column.name in names))

    def format_of(self, name: str) -> str:
        """How a column is written; "" where that is not known."""
        return next((column.format for column in self.columns if column.name == name), "")

    @property
    def null_values(self) -> tuple[str, ...]:
        """Texts that mean missing, beside blank ones."""
        return tuple(self.source.get("null_values") or BLANK)

    @property
    def doubts(self) -> tuple[str, ...]:
        return tuple(f"{column.name}: {column.doubt}" for column in self.columns if column.doubt)

    def read(self, rows: pl.DataFrame, only: Collection[str] | None = None) -> ReadRows:
        """Rows of any source by the types that were learnt; columns that were not learnt, and those not in `only`, stay as
        they come. Where nothing was learnt, as in models of earlier versions, rows are read by what they look like."""
        if not self.columns:
            return learn_schema(rows).read(rows)
        columns = {column.name: column for column in self.columns if only is None or column.name in only}
        read = [self._read(cells, columns[cells.name]) for cells in rows if cells.name in columns]
        lost = {one.values.name: one.is_lost for one in read if one.misfits}
        return ReadRows(
            rows.with_columns(one.values for one in read),
            tuple(misfit for one in read for misfit in one.misfits),
            tuple(misfit for one in read for misfit in one.unseen),
            _per_row(lost),
        )

    def _read(self, cells: pl.Series, learnt: ColumnSchema) -> "_ReadColumn":
        values = read_column(cells, learnt, self.null_values)
        is_lost = values.is_null()
        if values.null_count() > cells.null_count():
            is_lost = is_lost & _present(cells, learnt, self.null_values).is_not_null()
        else:
            is_lost = is_lost & cells.is_not_null()
        unseen = _misfits(values, _is_unseen(values, learnt), learnt)
        return _ReadColumn(values, is_lost, _misfits(cells, is_lost, learnt), unseen)


def differences(before: Mapping[str, str], now: Schema) -> list[str]:
    """What is other than in an earlier schema, of which the types of the columns are known, a sentence each.

    >>> differences({"a": "integer", "b": "text"}, Schema((ColumnSchema("a", "text"), ColumnSchema("c", "float"))))
    ['"b" is gone', '"c" is new and holds numbers', '"a" held whole numbers and holds texts']
    """
    types = {column.name: column for column in now.columns}
    gone = [f'"{name}" is gone' for name in before if name not in types]
    new = [f'"{name}" is new and holds {IN_WORDS[one.type]}' for name, one in types.items() if name not in before]
    return (
        gone
        + new
        + [
            f'"{name}" held {IN_WORDS.get(before[name], before[name])} and holds {IN_WORDS[one.type]}'
            for name, one in types.items()
            if before.get(name, one.type) != one.type
        ]
    )


@dataclass(frozen=True)
class _ReadColumn:
    values: pl.Series
    is_lost: pl.Series  # of each cell, whether it does not fit
    misfits: list[Misfit]
    unseen: list[Misfit]


NO_SCHEMA = Schema(())  # of models of earlier versions


def told(misfit: Misfit) -> str:
    """A misfit in a sentence.

    >>> told(Misfit("rooms", 2, ("four", "6 rooms"), "whole numbers, such as 3"))
    'column "rooms" holds whole numbers, such as 3; 2 cells are others: \\'four\\', \\'6 rooms\\''
    """
    cells = "1 cell is another" if misfit.n_cells == 1 else f"{misfit.n_cells} cells are others"
    return f'column "{misfit.column}" holds {misfit.expected}; {cells}: {listed(map(repr, misfit.examples))}'


def _misfits(cells: pl.Series, which: pl.Series, learnt: ColumnSchema) -> list[Misfit]:
    if not which.any():
        return []
    examples = cells.filter(which).unique(maintain_order=True).head(SHOWN)
    return [Misfit(learnt.name, int(which.sum()), tuple(map(str, examples)), learnt.in_words)]


def _per_row(lost: Mapping[str, pl.Series]) -> tuple[str, ...]:
    if not lost:
        return ()
    names = [pl.when(which).then(pl.lit(name)) for name, which in lost.items()]
    return tuple(pl.select(pl.concat_str(names, separator=", ", ignore_nulls=True)).to_series().to_list())


# --- learning ----------------------------------------------------------------------------------------------------


def learn_schema(
    rows: pl.DataFrame,
    kind: str = "",
    source: Mapping[str, Any] | None = None,
    date_formats: Mapping[str, str] | None = None,
    time_formats: Mapping[str, str] | None = None,
) -> Schema:
    """The schema of rows as their source brings them. `date_formats`: column -> format, where a person says it;
    `time_formats`: the same of columns that `timestamps` reads.

    Raises SettingError for a format that does not fit its column.
    """
    options, formats = dict(source or {}), date_formats or {}
    nulls, comma = tuple(options.get("null_values") or BLANK), bool(options.get("decimal_comma"))
    times = {name: ColumnSchema(name, "timestamp", form) for name, form in (time_formats or {}).items()}
    found = (
        times.get(cells.name)
        or (_given_dates(cells, formats[cells.name]) if cells.name in formats else _natural(cells, nulls, comma))
        for cells in rows.iter_columns()
    )
    columns = tuple(_described(cells, one, nulls) for cells, one in zip(rows.iter_columns(), found, strict=True))
    return Schema(columns, options, kind)


def _described(cells: pl.Series, found: ColumnSchema, nulls: tuple[str, ...]) -> ColumnSchema:
    """The type of a column with what there is in it."""
    values = read_column(cells, found, nulls)
    known = values.drop_nulls()
    if known.is_empty():
        return ColumnSchema(cells.name, "empty", has_gaps=True)
    shown = cells.filter(values.is_not_null())[0]
    return ColumnSchema(
        found.name,
        found.type,
        found.format,
        example=str(shown),
        values=_few(known) if found.type == "text" else (),
        **_range(known),
        has_gaps=len(known) < len(values),
        doubt=found.doubt,
    )


def _natural(cells: pl.Series, nulls: tuple[str, ...], comma: bool) -> ColumnSchema:
    known = _known(cells, nulls)
    if known.is_empty():
        return ColumnSchema(cells.name, "empty")
    if known.dtype != pl.String:
        return _type_of_values(known)
    told = known.filter(~_is_blank(known, MISSING))
    found = _type_of_texts(told, comma) if len(told) else ColumnSchema(cells.name, "text")
    return found if len(told) == len(known) or found.type != "text" else _type_of_texts(known, comma)


def _type_of_values(known: pl.Series) -> ColumnSchema:
    """By the type that values have of their own."""
    dtype, name = known.dtype, known.name
    if dtype == pl.Boolean:
        return ColumnSchema(name, "boolean")
    if dtype.is_integer() or (dtype.is_decimal() and dtype.scale == 0):  # type: ignore[attr-defined]
        return ColumnSchema(name, "integer" if known.cast(pl.Int64, strict=False).null_count() == 0 else "text")
    if dtype.is_numeric() or dtype == pl.Time or isinstance(dtype, pl.Duration):
        return ColumnSchema(name, "float")
    if dtype == pl.Date:
        return ColumnSchema(name, "date")
    if isinstance(dtype, pl.Datetime):
        return ColumnSchema(name, "datetime", ISO_ZONED if dtype.time_zone else "")
    return ColumnSchema(name, "text")


def _type_of_texts(known: pl.Series, comma: bool) -> ColumnSchema:
    """What the first cells are not the whole column cannot be, so that most texts need not be tried as numbers and dates."""
    bare = known.str.strip_chars()
    found = _type_of_all(bare.head(PROBED), comma)
    if (found.type != "text" or found.doubt) and len(bare) > PROBED:
        found = _type_of_all(bare, comma)
    if found.type == "text" and not found.doubt:
        found = replace(found, format=_width(bare), doubt=_doubt(bare))
    return found


def _type_of_all(bare: pl.Series, comma: bool) -> ColumnSchema:
    name = bare.name
    if _is_name(bare).any() or _are_powers(bare):
        return ColumnSchema(name, "text")
    if number := _type_of_numbers(bare, comma):
        return number
    if bare.str.to_lowercase().is_in(["true", "false"]).all():
        return ColumnSchema(name, "boolean")
    form, doubt = date_format(bare)
    if form:
        return ColumnSchema(name, "datetime" if _has_time(bare, form) else "date", form)
    return ColumnSchema(name, "text", doubt=doubt)


def _type_of_numbers(bare: pl.Series, comma: bool) -> ColumnSchema | None:
    if bare.cast(pl.Int64, strict=False).null_count() == 0:
        return ColumnSchema(bare.name, "integer", DECIMAL_COMMA if comma else "")
    if comma and _numbers(bare, comma).null_count() == 0:
        return ColumnSchema(bare.name, "float", DECIMAL_COMMA)
    if _numbers(bare, comma=False).null_count() == 0 and not (comma and _are_thousands(bare)):
        return ColumnSchema(bare.name, "float", doubt=_doubt_of_points(bare))
    return None


def _are_thousands(bare: pl.Series) -> bool:
    """Whether every cell with a point may have it between thousands."""
    return bool((~bare.str.contains(".", literal=True) | bare.str.contains(THOUSANDS)).all())


def _are_powers(bare: pl.Series) -> bool:
    """Codes such as 12E3, which only look like numbers."""
    return bool(bare.str.contains(r"^\d+[eE]\d+$").all())


def _doubt_of_points(bare: pl.Series) -> str:
    has_point = bare.str.contains(".", literal=True)
    if not has_point.any() or has_point.all() or not _are_thousands(bare):
        return ""
    return (
        f"{str(bare.filter(has_point)[0])!r} may be a number with a point between thousands; it is read as a fraction"
    )


def _given_dates(cells: pl.Series, form: str) -> ColumnSchema:
    """A column whose format a person says."""
    texts = _known(cells, MISSING)
    if texts.dtype.is_integer():
        texts = texts.cast(pl.String)
    if texts.dtype != pl.String:
        return _natural(cells, MISSING, comma=False)
    lost = texts.filter(read_dates(texts, form).is_null())
    if len(lost):
        raise SettingError(
            f'date_formats: "{cells.name}" is not always {form!r}; {len(lost)} cells are others, such as {lost[0]!r}. '
            f"Possible: {listed(FORMATS, 5)}"
        )
    return ColumnSchema(cells.name, "datetime" if _has_time(texts, form) else "date", form)


def _has_time(texts: pl.Series, form: str) -> bool:
    if form == ISO:
        return bool(texts.str.len_chars().max() > len("2024-12-31"))  # type: ignore[operator]
    return any(part in form for part in ("%H", "%I", "offset"))


def _is_name(bare: pl.Series) -> pl.Series:
    """Digits that begin with a zero, or that no number of 64 bits can hold, stand for somebody and count nothing."""
    has_zero, is_no_number = bare.str.contains(r"^[+-]?0\d+$"), bare.cast(pl.Int64, strict=False).is_null()
    if is_no_number.sum() == bare.null_count():
        return has_zero
    return has_zero | (is_no_number & bare.str.contains(r"^[+-]?\d+$"))


def _width(bare: pl.Series) -> str:
    """Of codes some of which are digits with a leading zero: how many digits they have, or have at least."""
    digits = bare.filter(bare.str.contains(r"^\d+$"))
    if not digits.str.contains(r"^0\d").any():
        return ""
    widths = digits.str.len_chars()
    is_fixed = widths.n_unique() == 1 and len(digits) == len(bare)
    return f"{widths.to_numpy().min()} digits" + ("" if is_fixed else " or more")


def _doubt(bare: pl.Series) -> str:
    """Why a column of texts may be meant as numbers or dates: most of its cells are such."""
    if len(bare) < DOUBTED_ROWS or _is_name(bare.head(PROBED)).any():
        return ""
    bare = bare.head(DOUBTED_CELLS)
    plain = bare.str.replace_all(SIGNS, "").str.replace("\u2212", "-", literal=True)
    looks: dict[str, Callable[[], pl.Series]] = {
        "numbers": lambda: bare.cast(pl.Float64, strict=False).is_not_null(),
        "numbers with signs or blanks": lambda: plain.str.contains(r"^[+-]?\d+([.,]\d+)*$") & (plain != bare),
        "numbers with points between thousands": lambda: bare.str.contains(r"^-?\d{1,3}(\.\d{3})+(,\d+)?$"),
        "dates of years with two digits": lambda: bare.str.contains(r"^\d{1,2}[./-]\d{1,2}[./-]\d{2}$"),
        "numbers with a decimal comma (see the option decimal_comma)": lambda: bare.str.contains(r"^-?\d+(,\d+)?$"),
        "numbers with commas between thousands": lambda: bare.str.contains(r"^-?\d{1,3}(,\d{3})*(\.\d+)?$"),
        "dates": lambda: read_dates(bare, ISO).is_not_null(),
    }
    for what, look in looks.items():
        is_such = look()
        if is_such.sum() >= (1 - MOST_DOUBTED) * len(bare):
            others = bare.filter(~is_such)
            example = f", others such as {others[0]!r}" if len(others) else ""
            return f"{is_such.sum()} of {len(bare)} cells are {what}{example}; it is read as text"
    return ""


def _few(known: pl.Series) -> tuple[str, ...]:
    """All the texts of a column where they recur, sorted; none where most rows have one of their own."""
    different = known.unique().sort()
    is_few = len(different) <= MOST_VALUES and len(different) <= max(FEW_VALUES, len(known) // 2)
    return tuple(different.to_list()) if is_few else ()


def _range(known: pl.Series) -> dict[str, str]:
    if known.dtype in (pl.String, pl.Boolean):
        return {}
    return {"least": str(known.min()), "most": str(known.max())}


# --- reading -----------------------------------------------------------------------------------------------------


def read_column(cells: pl.Series, learnt: ColumnSchema, nulls: tuple[str, ...] = BLANK) -> pl.Series:
    """A column as the type that was learnt; null where a cell is missing or cannot be such.

    >>> read_column(pl.Series("code", [7.0, None]), ColumnSchema("code", "text", values=("7", "A1"))).to_list()
    ['7', None]
    """
    if cells.dtype == pl.String and (found := _plain_numbers(cells, learnt, nulls)) is not None:
        return found
    given = _present(cells, learnt, nulls)
    if given.null_count() == len(given):
        return pl.Series(cells.name, [None] * len(cells), learnt.dtype)
    return READERS[learnt.type](given, learnt).alias(cells.name)


def _plain_numbers(texts: pl.Series, learnt: ColumnSchema, nulls: Iterable[str]) -> pl.Series | None:
    """Texts that are nothing but numbers, the short way; None where there is more to be looked at."""
    if (
        learnt.type not in ("integer", "float")
        or learnt.format == DECIMAL_COMMA
        or any(_number(text) is not None for text in nulls)
    ):
        return None
    found = texts.cast(learnt.dtype, strict=False)
    is_whole = found.null_count() == texts.null_count() and not texts.str.contains(r"^[+-]?0\d").any()
    is_near = learnt.type == "integer" or bool((found.is_finite() & (found.abs() < 2.0**63)).all())
    return found if is_whole and is_near else None


def _plain(cells: pl.Series) -> pl.Series:
    """The values of a column in one of few types: text, number, truth value, date, moment."""
    dtype = cells.dtype
    if dtype == pl.Categorical or isinstance(dtype, pl.Enum) or dtype == pl.Null:
        return cells.cast(pl.String)
    if dtype.is_decimal():
        return cells.cast(pl.Int128 if dtype.scale == 0 else pl.Float64)  # type: ignore[attr-defined]
    if dtype == pl.Time:
        return cells.cast(pl.Int64) // 1000 / 1e6
    if isinstance(dtype, pl.Duration):
        return cells.dt.total_nanoseconds() / 1e9
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return pl.Series(
            cells.name, [None if value is None else _as_json(value) for value in cells.to_list()], pl.String
        )
    return cells.fill_nan(None) if dtype.is_float() else cells


def _as_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def _is_blank(texts: pl.Series, nulls: Iterable[str]) -> pl.Series:
    """Whether a text means missing; the usual words for that in any case."""
    bare = texts.str.strip_chars()
    found = bare.is_in(["", *nulls])
    return (found | bare.str.to_lowercase().is_in(MISSING) if set(MISSING) <= set(nulls) else found).fill_null(True)


def _known(cells: pl.Series, nulls: tuple[str, ...]) -> pl.Series:
    plain = _plain(cells)
    return plain.filter(~_is_blank(plain, nulls)) if plain.dtype == pl.String else plain.drop_nulls()


def _present(cells: pl.Series, learnt: ColumnSchema, nulls: tuple[str, ...]) -> pl.Series:
    """Plain values without those that mean missing."""
    given = _plain(cells)
    if given.dtype == pl.String:
        is_literal = learnt.type in ("text", "empty")
        return given.set(_is_blank(given, nulls if is_literal else (*MISSING, *nulls)), None)
    numbers = [float(number) for number in map(_number, nulls) if number is not None]
    if not given.dtype.is_numeric() or not numbers:
        return given
    return given.set(given.cast(pl.Float64).is_in(numbers).fill_null(False), None)


def _numbers(bare: pl.Series, comma: bool) -> pl.Series:
    """Texts as Float64; where commas separate decimals, points do not."""
    if not comma:
        return bare.cast(pl.Float64, strict=False).fill_nan(None)
    whole = bare.set(bare.str.contains(".", literal=True), None)
    return whole.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).fill_nan(None)


def _read_number(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    if given.dtype == pl.String:
        bare = given.str.strip_chars()
        numbers = _numbers(bare.set(_is_name(bare), None), learnt.format == DECIMAL_COMMA)
        return numbers.fill_null(_truth_as_number(bare, learnt))
    if given.dtype == pl.Boolean:
        return _truth_as_number(given.cast(pl.String), learnt)
    return given.cast(pl.Float64) if given.dtype.is_numeric() else _unreadable(given, pl.Float64())


def _truth_as_number(texts: pl.Series, learnt: ColumnSchema) -> pl.Series:
    """True and false are 1 and 0 where nothing else was learnt."""
    is_truth = learnt.least in ("0", "1", "0.0", "1.0") and learnt.most in ("0", "1", "0.0", "1.0")
    words = {"true": 1.0, "false": 0.0} if is_truth else {}
    return texts.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Float64)


def _read_integer(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    """Fractions are numbers all the same, and make the column one of numbers."""
    if given.dtype == pl.String:
        given = given.set(given.str.strip_chars().str.contains(THOUSANDS), None)  # 1.500 may be many
        bare = given.str.strip_chars()
        whole = bare.set(_is_name(bare), None).cast(pl.Int64, strict=False)
    else:
        whole = (
            given.cast(pl.Int64, strict=False)
            if given.dtype.is_integer()
            else pl.Series([None] * len(given), dtype=pl.Int64)
        )
    if whole.null_count() == given.null_count():
        return whole
    numbers = _read_number(given, learnt)
    as_whole = numbers.cast(pl.Int64, strict=False)
    is_whole = (numbers.round() == numbers).all() and as_whole.null_count() == numbers.null_count()
    if is_whole or _is_beyond_fractions(whole, learnt):
        return whole.fill_null(as_whole.set(numbers != numbers.round(), None))
    return numbers


def _is_beyond_fractions(whole: pl.Series, learnt: ColumnSchema) -> bool:
    """Whether numbers would fall together as fractions: then they are ids, of which there are no fractions."""
    ends = [abs(int(end)) for end in (learnt.least, learnt.most, whole.min(), whole.max()) if end not in ("", None)]  # type: ignore[arg-type]
    return max(ends, default=0) > LARGEST_EXACT


def _read_truth(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    if given.dtype == pl.Boolean:
        return given
    texts = given.str.strip_chars() if given.dtype == pl.String else given.cast(pl.String)
    return texts.str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)


def _read_moment(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    moments = _moments(given, learnt.format)
    if learnt.format == ISO_ZONED:
        return moments.dt.replace_time_zone("UTC")
    return moments


def _read_date(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    return _moments(given, learnt.format).dt.date()


def _moments(given: pl.Series, form: str) -> pl.Series:
    """Datetime[us] without a zone, in UTC where offsets were learnt."""
    if given.dtype == pl.Date:
        return given.cast(MOMENT)
    if isinstance(given.dtype, pl.Datetime):
        return _without_zone(given, form)
    if given.dtype.is_integer():
        given = given.cast(pl.String)  # 20241231, where a format says so
    if given.dtype != pl.String:
        return _unreadable(given, MOMENT)
    found = read_dates(given, form or ISO)
    for other in (*alike(form)[1:], ISO):
        if found.null_count() == given.null_count():
            return found
        found = found.fill_null(read_dates(given, other))
    is_offset_told = pl.Series([form == ISO_ZONED]) | given.str.contains(r"(Z|[+-]00:?00)$")
    return found.fill_null(read_dates(given.set(~is_offset_told, None), ISO_ZONED))


def _without_zone(given: pl.Series, form: str) -> pl.Series:
    zone = given.dtype.time_zone  # type: ignore[attr-defined]
    moments = given.dt.cast_time_unit("us")
    if zone is None:
        return moments
    if form != ISO_ZONED and zone != "UTC":
        return _unreadable(given, MOMENT)
    return moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _unreadable(given: pl.Series, dtype: Any) -> pl.Series:
    return pl.Series([None] * len(given), dtype=dtype)


def _read_text(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    """Texts as they come, and values as they were written when they were learnt. A number whose spelling differs from
    that of a learnt one has lost its zeros, and is none."""
    texts = given if given.dtype == pl.String else as_text(given)
    if " digits" in learnt.format and (not learnt.values or learnt.format.endswith("digits")):
        bare = texts.str.replace(r"^(\d+)\.0+$", "${1}")
        is_short = bare.str.contains(r"^\d+$") & (bare.str.len_chars() < int(learnt.format.split()[0]))
        return bare.set(is_short, None)
    unseen = texts.filter(_is_unseen(texts, learnt)).unique()
    if unseen.is_empty():
        return texts
    known = frozenset(learnt.values)
    numbers = frozenset(number for number in map(_number, learnt.values) if number is not None)
    spelt = [_spelt(text, known, numbers) for text in unseen]
    return texts.replace_strict(unseen, pl.Series(spelt, dtype=pl.String), default=texts, return_dtype=pl.String)


def as_id(values: pl.Series, schema: Schema) -> pl.Series:
    """What was read of a column as the names that it gave when it was learnt: a fraction among whole numbers changes no
    other's."""
    is_whole = any(one.name == values.name and one.type == "integer" for one in schema.columns)
    return as_text(values) if is_whole else values.cast(pl.String)


def as_text(given: pl.Series) -> pl.Series:
    """Values as texts, whole numbers among fractions without a point.

    >>> as_text(pl.Series([7.0, 1.5, None])).to_list()
    ['7', '1.5', None]
    """
    texts = given.cast(pl.String)
    if not given.dtype.is_float():
        return texts
    whole = given.cast(pl.Int64, strict=False)
    return whole.cast(pl.String).zip_with((whole == given).fill_null(False), texts)


def _spelt(text: str, known: frozenset[str], numbers: frozenset[Decimal]) -> str | None:
    """An unknown text as the known one that it stands for; None where it is a number of another spelling.

    >>> _spelt("7.0", frozenset({"7"}), frozenset()), _spelt("true", frozenset({"TRUE"}), frozenset())
    ('7', 'TRUE')
    >>> _spelt("7", frozenset({"007"}), frozenset({Decimal(7)}))
    """
    others = (text.removesuffix(".0"), f"{text}.0", *(word for word in known if word.lower() == text.lower() in TRUTH))
    same = next((other for other in others if other in known), None)
    if same is not None:
        return same
    number = _number(text)
    return text if number is None or number not in numbers else None


def _number(text: str) -> Decimal | None:
    """To the last digit, so that long ids stay apart; None for a text that is no number."""
    return Decimal(text) if PLAIN_NUMBER.match(text) else None


def _is_unseen(texts: pl.Series, learnt: ColumnSchema) -> pl.Series:
    if not learnt.values or texts.dtype != pl.String:
        return pl.Series([False]).new_from_index(0, len(texts))
    return ~texts.is_in(list(learnt.values)).fill_null(True)


def beyond(values: pl.Series, learnt: ColumnSchema) -> pl.Series:
    """The numbers and dates of a column that was read which lie outside of those learnt from.

    >>> beyond(pl.Series([1, 5, None, 9]), ColumnSchema("x", "integer", least="1", most="5")).to_list()
    [9]
    """
    if not learnt.least:
        return values.clear()
    written = replace(learnt, format=learnt.format if learnt.format == ISO_ZONED else ISO)  # as polars writes values
    least, most = READERS[learnt.type](pl.Series([learnt.least, learnt.most]), written)
    return values.filter((values < least) | (values > most))


READERS: dict[str, Callable[[pl.Series, ColumnSchema], pl.Series]] = {
    "integer": _read_integer,
    "float": _read_number,
    "boolean": _read_truth,
    "date": _read_date,
    "datetime": _read_moment,
    "text": _read_text,
    "empty": lambda given, learnt: as_text(given),
    "timestamp": lambda given, learnt: given,  # read by `timestamps`, by whoever knows grids
}
