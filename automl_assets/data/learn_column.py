"""What a column is, found out once over all of its cells: by the values themselves, or as a person says.

A cell that may be meant otherwise makes a doubt, which a check shows.
"""

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from automl_assets.data.column_schema import DECIMAL_COMMA, MISSING, ColumnSchema
from automl_assets.data.dates import FORMATS, ISO, ISO_ZONED, read_dates
from automl_assets.data.dates import date_format as common_format
from automl_assets.data.read_column import THOUSANDS, is_blank, is_name, plain_values, read_column, read_numbers
from automl_assets.errors import SettingError, listed

FEW_VALUES = 20
MOST_VALUES = 1_000  # different texts of a column that are remembered as they were written
MOST_DOUBTED = 0.2  # share of the cells that may be otherwise where a text column looks like numbers
DOUBTED_ROWS, DOUBTED_CELLS = 10, 10_000  # how many cells it takes, and how many are looked at
PROBED = 1_000  # cells that are tried before a whole column is
SIGNS = r"[\s\u{a0}\u{202f}'’%$€£¥]"  # around and between the digits of numbers


def learn_column(
    cells: pl.Series, nulls: tuple[str, ...], comma: bool, date_format: str = "", time_format: str = ""
) -> ColumnSchema:
    """The schema of a column as its source brings it.

    `nulls` are texts that mean missing, and `comma` says whether commas separate decimals. `date_format` is how a person
    says that its dates are written; `time_format` makes it a column that `timestamps` reads. Raises SettingError for a
    `date_format` that does not fit.

    >>> learn_column(pl.Series("code", ["007", "7"]), ("",), comma=False).type
    'text'
    """
    if time_format:
        found = ColumnSchema(cells.name, "timestamp", time_format)
    else:
        found = _given_dates(cells, date_format) if date_format else _natural(cells, nulls, comma)
    return _described(cells, found, nulls)


def learn_text(cells: pl.Series, nulls: tuple[str, ...]) -> ColumnSchema:
    """The schema of a column whose cells are texts whatever they look like.

    >>> learn_text(pl.Series("label", ["1", "01", "true"]), ("",)).values
    ('01', '1', 'true')
    """
    return _described(cells, ColumnSchema(cells.name, "text"), nulls)


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
    told = known.filter(~is_blank(known, MISSING))
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
    if is_name(bare).any() or _are_powers(bare):
        return ColumnSchema(name, "text")
    if number := _type_of_numbers(bare, comma):
        return number
    if bare.str.to_lowercase().is_in(["true", "false"]).all():
        return ColumnSchema(name, "boolean")
    form, doubt = common_format(bare)
    if form:
        return ColumnSchema(name, "datetime" if _has_time(bare, form) else "date", form)
    return ColumnSchema(name, "text", doubt=doubt)


def _type_of_numbers(bare: pl.Series, comma: bool) -> ColumnSchema | None:
    if bare.cast(pl.Int64, strict=False).null_count() == 0:
        return ColumnSchema(bare.name, "integer", DECIMAL_COMMA if comma else "")
    if comma and read_numbers(bare, comma).null_count() == 0:
        return ColumnSchema(bare.name, "float", DECIMAL_COMMA)
    if read_numbers(bare, comma=False).null_count() == 0 and not (comma and _are_thousands(bare)):
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
    if len(bare) < DOUBTED_ROWS or is_name(bare.head(PROBED)).any():
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


def _known(cells: pl.Series, nulls: tuple[str, ...]) -> pl.Series:
    plain = plain_values(cells)
    return plain.filter(~is_blank(plain, nulls)) if plain.dtype == pl.String else plain.drop_nulls()
