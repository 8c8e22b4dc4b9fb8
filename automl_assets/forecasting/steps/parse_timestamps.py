"""parse_timestamps: reads a column that says when, however it is written, as moments. Not here: which grid they stand on."""

import numpy as np
import polars as pl

from automl_assets.data.typing import DATE_FORMATS
from automl_assets.errors import DataError, listed

Zone = str | None

FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m", "%Y/%m", "%Y%m%d", *DATE_FORMATS)
ZONED_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
QUARTERS = {rf"^(\d{{4}})[- ]?[Qq]{number}$": f"$1-{3 * number - 2:02}" for number in range(1, 5)}
YEARS, YEAR_MONTHS, DATES = (1000, 9999), (1000_01, 9999_12), (1000_01_01, 9999_12_31)  # numbers that may be such


def parse_timestamps(column: pl.Series) -> pl.Series:
    """Moments as Datetime[us], with a time zone where the values have one; null where a value is missing.

    Numbers are years, or YYYYMM, or YYYYMMDD, or else counted as days. Raises DataError for what says no time.

    >>> parse_timestamps(pl.Series(["2024-01", "2024Q2"])).dt.date().to_list()
    [datetime.date(2024, 1, 1), datetime.date(2024, 4, 1)]
    >>> parse_timestamps(pl.Series([1959, 1960])).dt.year().to_list(), parse_timestamps(pl.Series([1, 2])).dt.day().to_list()
    ([1959, 1960], [2, 3])
    """
    if isinstance(column.dtype, pl.Datetime):
        return column.cast(pl.Datetime("us", column.dtype.time_zone))
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("us"))
    if column.dtype.is_numeric():
        return _of_numbers(column)
    return _of_texts(column.cast(pl.String))


def _of_numbers(column: pl.Series) -> pl.Series:
    if column.dtype.is_float() and not (column.drop_nulls() == column.drop_nulls().round()).all():
        raise _no_time(column)
    numbers = column.cast(pl.Int64)
    low, high = numbers.min() or 0, numbers.max() or 0
    for (first, last), form in ((YEARS, "%Y"), (YEAR_MONTHS, "%Y%m"), (DATES, "%Y%m%d")):
        if first <= low and high <= last:  # type: ignore[operator]
            found = _read(numbers.cast(pl.String), form)
            if found.null_count() == numbers.null_count():
                return found
    return pl.Series(column.name, numbers * 86_400_000_000).cast(pl.Datetime("us"))


def _of_texts(text: pl.Series) -> pl.Series:
    bare = text.str.strip_chars()
    for quarter, month in QUARTERS.items():
        bare = bare.str.replace(quarter, month)
    readings = [_read(bare, form) for form in FORMATS]
    readings += [bare.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in ZONED_FORMATS]
    best = min(readings, key=lambda moments: moments.null_count())
    if best.null_count() > text.null_count():
        raise _no_time(text.filter(best.is_null()))
    return best


def _read(text: pl.Series, form: str) -> pl.Series:
    """A day is added where a format names none, because a moment needs one."""
    if "%d" not in form:
        text, form = text + "-01", form + "-%d"
    if "%m" not in form:
        text, form = text + "-01", form + "-%m"
    return text.str.to_datetime(form, time_unit="us", strict=False)


def _no_time(column: pl.Series) -> DataError:
    got = listed([repr(value) for value in column.drop_nulls().unique().head(3).to_list()])
    return DataError(
        f'time_column "{column.name}": {got} say no time; write dates such as 2024-01-31 or 2024-01-31T10:00:00, with an '
        "offset such as +01:00 where a time zone matters"
    )


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
