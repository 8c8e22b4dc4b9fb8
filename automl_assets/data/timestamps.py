"""Columns that say when: how theirs are written is learnt once, from the rows learnt from, and read so ever after.

| written | format | rule |
|---|---|---|
| 2024-01-31, 2024-01-31 10:00, 2024-01-31T10:00:00.5Z | `iso 8601` | moments; with an offset they are kept in UTC |
| 2024-01-31T00:00:00+01:00, 2024-07-31T00:00:00+02:00 | `iso 8601, local days` | offsets, and always the same time of day: days (or weeks, months) of the clocks that are written |
| 2024-01, 2024/01, 01/2024, Jan 2024 | `%Y-%m`, … | the first of the month |
| 2024Q1, 2024-Q1 | `quarter` | the first of the quarter |
| 2024-W05, 2024-W05-1 | `iso week` | the Monday, or the day that is named |
| 31.01.2024, 31/01/2024, 01/31/2024, 31 Jan 2024, … with or without a time | `%d.%m.%Y`, `%d/%m/%Y`, `%m/%d/%Y`, … | day or month first by the whole column. Where every value can be read both ways, the reading whose stamps follow each other regularly; where neither or both do, nobody knows |
| 1959 | `year` | every number from 1000 to 9999 |
| 202401 | `YYYYMM` | every number such a month |
| 20240131, 2024013109, 202401310915, 20240131091500 | `YYYYMMDD`, … `YYYYMMDDHHMMSS` | every number such a date and time |
| 1706659200 | `unix seconds` | every number from 1e8 to 4.2e9: 1973 to 2103 |
| the same times a thousand, a million, a milliard | `unix milliseconds`, `unix microseconds`, `unix nanoseconds` | likewise |
| 44197, 44197.5 | `excel days` | every number from 25569 to 73050: 1970 to 2099 on Excel's calendar |
| 1, 2, 3 | `days` | smaller ones: days counted from 1970 |

A number means the same as a whole number, with `.0` behind, and as text. Dates and date-times of a file or database need no
format. A format that a person names is one of these, or any of strptime's. What no rule fits says no time.
"""

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from automl_assets.data.dates import DATES
from automl_assets.data.time_grid import found
from automl_assets.errors import DataError, listed

Zone = str | None

ISO, LOCAL_DAYS = "iso 8601", "iso 8601, local days"
DAY, SECOND = 86_400_000_000, 1_000_000  # microseconds
MOMENT = pl.Datetime("us")
OFFSET = r":\d{2}(?:[.,]\d+)?\s*(Z|[+-]\d{2}(?::?\d{2})?)$"
WALL_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
TIMES = ("", " %H:%M", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M", "T%H:%M:%S%.f")
MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%m.%Y", "%b %Y", "%b-%Y", "%B %Y", "%Y %b", "%Y-%b")
BASIC = ("%Y%m%dT%H%M%S", "%Y%m%dT%H%M")
OLDEST, NEWEST = 1000, 9999  # years
PROBED = 50  # values by which formats are left out before all values are read
SHOWN = 3  # values that a message shows

# Digits of numbers that name a date -> what strptime is told; a part that is lacking is added behind.
DIGITS = {
    "year": (4, "%Y", "0101"),
    "YYYYMM": (6, "%Y%m", "01"),
    "YYYYMMDD": (8, "%Y%m%d", ""),
    "YYYYMMDDHH": (10, "%Y%m%d%H", "00"),
    "YYYYMMDDHHMM": (12, "%Y%m%d%H%M", ""),
    "YYYYMMDDHHMMSS": (14, "%Y%m%d%H%M%S", ""),
}
UNIX_SECONDS = (1e8, 4.2e9)
UNITS = {"unix seconds": 1.0, "unix milliseconds": 1e3, "unix microseconds": 1e6, "unix nanoseconds": 1e9}  # a second
EXCEL_DAYS, EXCEL_1970 = (25_569, 73_050), 25_569
COUNTED_DAYS = (-719_000, 2_932_000)  # from the year 2 to 9997
REGULAR, MORE_REGULAR = 0.5, 2.0  # share of the stamps of a grid that are there, and how much more of them

ADVICE = (
    "write dates such as 2024-01-31 or 2024-01-31T10:00:00, with an offset such as +01:00 where a time zone matters, or "
    'say how they are written: date_formats: {{"{name}": "%d/%m/%Y"}}'
)


def learn_format(column: pl.Series, given: str | None = None) -> str:
    """The format of a column, by the rules above; `given` is what a person says that it is.

    Raises DataError for values that say no time, or may be day or month first.

    >>> learn_format(pl.Series(["2024-01-31"])), learn_format(pl.Series([20240131])), learn_format(pl.Series(["31/1/2024"]))
    ('iso 8601', 'YYYYMMDD', '%d/%m/%Y')
    """
    if given is not None:
        read_timestamps(column, given)
        return given
    if column.dtype.is_temporal() or column.null_count() == len(column):
        return ISO
    values = column.drop_nulls().unique(maintain_order=True)
    fitting = [name for name in _possible(values) if not _misfits(values, name).len()]
    if not fitting:
        raise _no_time(column, values)
    if fitting[0] == ISO:
        return LOCAL_DAYS if _are_local_days(values) else ISO
    return fitting[0] if len(fitting) == 1 else _more_regular(column.name, values, fitting)


def read_timestamps(column: pl.Series, format: str) -> pl.Series:
    """Moments as Datetime[us], in UTC where the values have an offset; null where a value is missing.

    Raises DataError with the number of values that do not fit the format, and some of them.

    >>> read_timestamps(pl.Series(["1/2/2024", None]), "%d/%m/%Y").dt.month().to_list()
    [2, None]
    >>> read_timestamps(pl.Series(["20240131"]), "YYYYMMDD").equals(read_timestamps(pl.Series([20240131.0]), "YYYYMMDD"))
    True
    """
    moments = _read(column, format)
    lost = column.filter(moments.is_null() & column.is_not_null())
    if len(lost):
        raise DataError(
            f'time_column "{column.name}": {_counted(lost, column)} no time of the form {format}; write all rows alike, or '
            f'say what they have in common: date_formats: {{"{column.name}": "%d/%m/%Y"}}'
        )
    return moments


def has_offset(text: str) -> bool:
    """Whether a moment says how far its clock is from UTC.

    >>> has_offset("2024-01-31 10:00+01:00"), has_offset("2024-01-31T10:00Z"), has_offset("2024-01-31")
    (True, True, False)
    """
    return re.search(OFFSET, text) is not None


def parse_timestamps(column: pl.Series) -> pl.Series:
    """The same where no format is known.

    >>> parse_timestamps(pl.Series(["2024Q1", "2024-Q2"])).dt.date().to_list()
    [datetime.date(2024, 1, 1), datetime.date(2024, 4, 1)]
    >>> parse_timestamps(pl.Series([1959, 1960])).dt.year().to_list(), parse_timestamps(pl.Series([1, 2])).dt.day().to_list()
    ([1959, 1960], [2, 3])
    """
    return read_timestamps(column, learn_format(column))


def _read(column: pl.Series, format: str) -> pl.Series:
    """Null where a value does not fit. Raises DataError for a format that nobody knows."""
    if isinstance(column.dtype, pl.Datetime):
        return column.cast(pl.Datetime("us", column.dtype.time_zone))
    if column.dtype == pl.Date:
        return column.cast(MOMENT)
    reader = READERS.get(format)
    if reader is None and "%" not in format:
        raise DataError(
            f"date_formats: got {format!r}; it is one of {listed(READERS)}, or as strptime has it: %d/%m/%Y"
        )
    return reader(column) if reader else _of_texts(column, format)


# --- which formats may be meant -----------------------------------------------------------------------------------


def _possible(values: pl.Series) -> list[str]:
    """Names of formats that read the first values, the most common ones first; of numbers the first that reads all."""
    if _are_numbers(values):
        return _number_formats(_numbers(values))
    texts = [ISO, "quarter", "iso week", *MONTHS, *(date + time for time in TIMES for date in DATES), *BASIC]
    head = values.head(PROBED)
    return [name for name in texts if not _misfits(head, name).len()]


def _number_formats(numbers: pl.Series) -> list[str]:
    """The one format of numbers, by their size; none where they say no time."""
    low, high = float(numbers.min() or 0), float(numbers.max() or 0)  # type: ignore[arg-type]
    is_whole = bool((numbers == numbers.round()).all())
    dated = [name for name in DIGITS if is_whole and not _of_digits(numbers, name).null_count()]
    unix = [name for name, unit in UNITS.items() if UNIX_SECONDS[0] * unit <= low and high <= UNIX_SECONDS[1] * unit]
    is_excel = EXCEL_DAYS[0] <= low and high <= EXCEL_DAYS[1]
    is_counted = is_whole and COUNTED_DAYS[0] <= low < EXCEL_DAYS[0] and high <= COUNTED_DAYS[1]
    return [*dated, *unix, *["excel days"] * is_excel, *["days"] * is_counted][:1]


def _misfits(values: pl.Series, format: str) -> pl.Series:
    return values.filter(_read(values, format).is_null())


def _are_local_days(values: pl.Series) -> bool:
    """Whether every value bears an offset, and the same time of day."""
    wall, offset = _iso_parts(values)
    return bool(offset.is_not_null().all()) and wall.dt.time().n_unique() == 1


def _more_regular(name: str, values: pl.Series, formats: list[str]) -> str:
    """Of several readings the one that gives regular stamps. Raises DataError where that tells nothing."""
    readings: dict[str, pl.Series] = {}
    for one in formats:
        moments = _read(values, one)
        if not any(moments.equals(other) for other in readings.values()):
            readings[one] = moments
    if len(readings) == 1:
        return formats[0]
    ranked = sorted(readings, key=lambda one: _regularity(readings[one]), reverse=True)
    best, second = (_regularity(readings[one]) for one in ranked[:2])
    if best >= REGULAR and best >= MORE_REGULAR * second:
        return ranked[0]
    raise _ambiguous(name, values, readings)


def _ambiguous(name: str, values: pl.Series, readings: dict[str, pl.Series]) -> DataError:
    (one, moments), (other, others) = list(readings.items())[:2]
    place = (moments != others).arg_max() or 0
    days = " or ".join(dict.fromkeys(found[place].strftime("%-d %B %Y") for found in (moments, others)))
    return DataError(
        f'time_column "{name}": {values[place]!r} may be {days}, and every value can be read both ways; say which it is '
        f'in the YAML: date_formats: {{"{name}": "{one}"}} or {{"{name}": "{other}"}}'
    )


def _regularity(moments: pl.Series) -> float:
    """The share of the stamps of their grid that are there."""
    stamps = np.unique(moments.to_numpy())
    one = found(stamps, np.zeros(len(stamps)))
    if one is None or not one.holds(stamps).all():
        return 0.0
    numbers = one.numbers(stamps)
    return len(stamps) / float(numbers[-1] - numbers[0] + 1)


def _no_time(column: pl.Series, values: pl.Series) -> DataError:
    """Tells what the format that reads most does not read."""
    are_numbers = _are_numbers(values)
    every = READERS if are_numbers else [*READERS, *MONTHS, *DATES]
    lost = [misfits for name in every if len(misfits := _misfits(values, name))]
    fewest = min(lost, key=len)
    lacking = column.filter(column.is_in(fewest.implode())) if len(fewest) < len(values) else column.drop_nulls()
    numbers = "numbers are years, YYYYMM, YYYYMMDD, seconds since 1970 or days; " if are_numbers else ""
    return DataError(
        f'time_column "{column.name}": {_counted(lacking, column)} no time; {numbers}{ADVICE.format(name=column.name)}'
    )


def _counted(lost: pl.Series, column: pl.Series) -> str:
    got = listed([repr(value) for value in lost.unique(maintain_order=True).head(SHOWN).to_list()])
    return f"{len(lost):,} of {len(column):,} values, such as {got}, {'is' if len(lost) == 1 else 'are'}"


# --- readers: null where a value does not fit ---------------------------------------------------------------------


def _of_texts(column: pl.Series, format: str) -> pl.Series:
    """By strptime. A day or month is added where a format names none, because a moment needs one."""
    if column.dtype.is_numeric():
        return _nothing(column)
    bare = column.cast(pl.String).str.strip_chars()
    has_day = any(part in format for part in ("%d", "%e", "%j", "%D", "%F", "%u", "%s", "%x", "%c"))
    has_month = has_day or any(part in format for part in ("%m", "%b", "%B", "%h"))
    added = ([] if has_month else ["%m"]) + ([] if has_day else ["%d"])
    for part in added:
        bare, format = bare + " 01", f"{format} {part}"
    try:
        return _plausible(bare.str.to_datetime(format, time_unit="us", strict=False))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"date_formats: {format!r} reads no dates: {str(error).splitlines()[0]}") from None


def _plausible(moments: pl.Series) -> pl.Series:
    """Without years of two digits, which strptime takes for those of the first century."""
    return moments.set(~moments.dt.year().is_between(OLDEST, NEWEST), None)


def _iso(column: pl.Series) -> pl.Series:
    """In UTC where every value has an offset; one without among others with one does not fit."""
    wall, offset = _iso_parts(column)
    if offset.null_count() == len(offset):
        return wall
    return (wall - offset).dt.replace_time_zone("UTC")


def _local_days(column: pl.Series) -> pl.Series:
    return _iso_parts(column)[0]


def _iso_parts(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """What clocks show, and how far they are ahead of UTC; null where no offset is written."""
    if column.dtype.is_numeric():
        return _nothing(column), pl.Series(column.name, [None] * len(column), pl.Duration("us"))
    bare = column.cast(pl.String).str.strip_chars()
    offset = bare.str.extract(OFFSET)
    wall = bare if offset.null_count() == len(offset) else bare.str.replace(r"\s*(?:Z|[+-]\d{2}(?::?\d{2})?)$", "")
    wall = pl.select(pl.when(offset.is_null()).then(bare).otherwise(wall)).to_series()
    wall = wall.str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})\s+", "${1}T")
    moments = _nothing(wall)
    for form in WALL_FORMATS:
        if moments.null_count() > wall.null_count():
            reading = wall.str.to_datetime(form, time_unit="us", strict=False)
            moments = moments.zip_with(moments.is_not_null(), reading)
    return moments.set(~wall.str.contains(r"^\d{4}-"), None).alias(column.name), _ahead(offset)


def _ahead(offset: pl.Series) -> pl.Series:
    digits = offset.str.replace("Z", "+0000", literal=True).str.replace(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False)
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    sign = digits.str.starts_with("-").cast(pl.Int64) * -2 + 1
    return (sign * (hours * 60 + minutes) * 60 * SECOND).cast(pl.Duration("us"))


def _quarters(column: pl.Series) -> pl.Series:
    bare = column.cast(pl.String).str.strip_chars()
    year, number = bare.str.extract(r"^(\d{4})[- ]?[Qq][1-4]$"), bare.str.extract(r"[Qq]([1-4])$")
    month = number.cast(pl.Int64, strict=False) * 3 - 2
    return _of_texts(year + "-" + month.cast(pl.String).str.zfill(2), "%Y-%m").alias(column.name)


def _weeks(column: pl.Series) -> pl.Series:
    bare = column.cast(pl.String).str.strip_chars().str.to_uppercase()
    parts = [bare.str.extract(r"^(\d{4})-?W(\d{2})(?:-?([1-7]))?$", place) for place in (1, 2, 3)]
    text = parts[0] + "-W" + parts[1] + "-" + parts[2].fill_null("1")
    return text.str.to_datetime("%G-W%V-%u", time_unit="us", strict=False).alias(column.name)


def _of_digits(column: pl.Series, name: str) -> pl.Series:
    n_digits, form, behind = DIGITS[name]
    texts = _whole(column).cast(pl.String)
    texts = texts.set(texts.str.len_chars() != n_digits, None) + behind
    form += {"year": "%m%d", "YYYYMM": "%d", "YYYYMMDDHH": "%M"}.get(name, "")
    return _plausible(texts.str.to_datetime(form, time_unit="us", strict=False))


def _unix(column: pl.Series, name: str) -> pl.Series:
    low, high = (bound * UNITS[name] for bound in UNIX_SECONDS)
    values = _numbers(column)
    values = values.set(~values.is_between(low, high), None)
    per_unit = SECOND / UNITS[name]
    if values.dtype.is_integer():
        return _moments(values * int(per_unit) if per_unit >= 1 else values // round(1 / per_unit))
    return _moments((values * per_unit).round())


def _excel_days(column: pl.Series) -> pl.Series:
    """Days since the end of 1899, rounded to seconds, because fractions of days have no exact ones."""
    values = _numbers(column).cast(pl.Float64)
    seconds = ((values.set(~values.is_between(*EXCEL_DAYS), None) - EXCEL_1970) * 86_400).round()
    return _moments(seconds * SECOND)


def _counted_days(column: pl.Series) -> pl.Series:
    values = _whole(column)
    return _moments(values.set(~values.is_between(*COUNTED_DAYS), None) * DAY)


def _moments(microseconds: pl.Series) -> pl.Series:
    return microseconds.cast(pl.Int64).cast(MOMENT)


def _are_numbers(values: pl.Series) -> bool:
    if values.dtype == pl.Boolean:
        return False
    return values.dtype.is_numeric() or not _numbers(values).null_count()


def _numbers(column: pl.Series) -> pl.Series:
    """Whole ones as Int64, else Float64; null for what is none."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64, strict=False)
    if column.dtype == pl.String:
        bare = column.str.strip_chars().str.replace(r"\.0+$", "")
        whole = bare.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == column.null_count() else bare.cast(pl.Float64, strict=False)
    return column.cast(pl.Float64, strict=False) if column.dtype.is_numeric() else _nothing(column).cast(pl.Float64)


def _whole(column: pl.Series) -> pl.Series:
    values = _numbers(column)
    if values.dtype.is_integer():
        return values
    return values.set((values != values.round()) | values.is_infinite() | values.is_nan(), None).cast(
        pl.Int64, strict=False
    )


def _nothing(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [None] * len(column), MOMENT)


READERS: dict[str, Callable[[pl.Series], pl.Series]] = {
    ISO: _iso,
    LOCAL_DAYS: _local_days,
    "quarter": _quarters,
    "iso week": _weeks,
    **{name: partial(_of_digits, name=name) for name in DIGITS},
    **{name: partial(_unix, name=name) for name in UNITS},
    "excel days": _excel_days,
    "days": _counted_days,
}


# --- where clocks stand -------------------------------------------------------------------------------------------


def in_utc(moments: pl.Series, zone: Zone, is_again: np.ndarray) -> tuple[np.ndarray, Zone]:
    """Moments as datetime64[us] [n], NaT where missing, and the zone in which their hours count.

    `zone` is that of moments without one; the hour that comes twice in autumn is the second where `is_again` [n], and
    the hour that spring lacks is no moment at all.
    """
    own = moments.dtype.time_zone if isinstance(moments.dtype, pl.Datetime) else None
    if own is None and zone is None:
        return moments.to_numpy().astype("datetime64[us]"), None
    if own is None:
        which = pl.Series(np.where(is_again, "latest", "earliest"))
        frame = pl.DataFrame({"moment": moments, "which": which})
        local = pl.col("moment").dt.replace_time_zone(zone, ambiguous=pl.col("which"), non_existent="null")
        moments = frame.select(local)["moment"]
    utc = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc.to_numpy().astype("datetime64[us]"), zone or own
