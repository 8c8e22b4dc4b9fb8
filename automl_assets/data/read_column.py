"""How the cells of a column become values of the type that was learnt, and which of them cannot.

Later rows are read by the type that was learnt, never by what they look like themselves. Where formats differ, so that the
same rows answer alike, these hold as well: whole floats are integers; 0 and 1 are false and true, and the other way round
where only they were learnt; a moment without an offset is in UTC where offsets were learnt; of a date-time only the day
counts where days were learnt.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from automl_assets.data.column_schema import BLANK, DECIMAL_COMMA, MISSING, ColumnSchema
from automl_assets.data.dates import ISO, ISO_ZONED, MOMENT, alike, read_dates

TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
THOUSANDS = r"^-?[1-9]\d{0,2}(\.\d{3})+$"
PLAIN_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?$", re.ASCII)
LARGEST_EXACT = 2**53  # whole numbers up to here stay apart among fractions


def read_column(cells: pl.Series, learnt: ColumnSchema, nulls: tuple[str, ...] = BLANK) -> pl.Series:
    """A column as the type that was learnt; null where a cell is missing or cannot be such.

    >>> read_column(pl.Series("code", [7.0, None]), ColumnSchema("code", "text", values=("7", "A1"))).to_list()
    ['7', None]
    """
    if cells.dtype == pl.String and (found := _plain_numbers(cells, learnt, nulls)) is not None:
        return found
    given = present(cells, learnt, nulls)
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


def plain_values(cells: pl.Series) -> pl.Series:
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
    return cells.fill_nan(None) if dtype.is_float() and np.isnan(cells.to_numpy()).any() else cells


def _as_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def is_blank(texts: pl.Series, nulls: Iterable[str]) -> pl.Series:
    """Whether a text means missing; the usual words for that in any case."""
    bare = texts.str.strip_chars()
    found = bare.is_in(["", *nulls])
    return (found | bare.str.to_lowercase().is_in(MISSING) if set(MISSING) <= set(nulls) else found).fill_null(True)


def present(cells: pl.Series, learnt: ColumnSchema, nulls: tuple[str, ...]) -> pl.Series:
    """Plain values without those that mean missing."""
    given = plain_values(cells)
    if given.dtype == pl.String:
        is_literal = learnt.type in ("text", "empty")
        return given.set(is_blank(given, nulls if is_literal else (*MISSING, *nulls)), None)
    numbers = [float(number) for number in map(_number, nulls) if number is not None]
    if not given.dtype.is_numeric() or not numbers:
        return given
    return given.set(given.cast(pl.Float64).is_in(numbers).fill_null(False), None)


def is_name(bare: pl.Series) -> pl.Series:
    """Digits that begin with a zero, or that no number of 64 bits can hold, stand for somebody and count nothing."""
    has_zero, is_no_number = bare.str.contains(r"^[+-]?0\d+$"), bare.cast(pl.Int64, strict=False).is_null()
    if is_no_number.sum() == bare.null_count():
        return has_zero
    return has_zero | (is_no_number & bare.str.contains(r"^[+-]?\d+$"))


def read_numbers(bare: pl.Series, comma: bool) -> pl.Series:
    """Texts as Float64; where commas separate decimals, points do not."""
    if not comma:
        return bare.cast(pl.Float64, strict=False).fill_nan(None)
    whole = bare.set(bare.str.contains(".", literal=True), None)
    return whole.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).fill_nan(None)


def _read_number(given: pl.Series, learnt: ColumnSchema) -> pl.Series:
    if given.dtype == pl.String:
        bare = given.str.strip_chars()
        numbers = read_numbers(bare.set(is_name(bare), None), learnt.format == DECIMAL_COMMA)
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
        whole = bare.set(is_name(bare), None).cast(pl.Int64, strict=False)
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
    unseen = texts.filter(is_unseen(texts, learnt)).unique()
    if unseen.is_empty():
        return texts
    known = frozenset(learnt.values)
    numbers = frozenset(number for number in map(_number, learnt.values) if number is not None)
    spelt = [_spelt(text, known, numbers) for text in unseen]
    return texts.replace_strict(unseen, pl.Series(spelt, dtype=pl.String), default=texts, return_dtype=pl.String)


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


def is_unseen(texts: pl.Series, learnt: ColumnSchema) -> pl.Series:
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
