"""How texts say a date: which formats there are, which one a whole column is in, and how it is read. Knows no other type."""

from collections.abc import Iterator
from itertools import product

import polars as pl

ISO = "ISO 8601"  # 2024-12-31, 2024-12-31T23:59, 2024-12-31 23:59:59.5
ISO_ZONED = "ISO 8601 with offset"  # 2024-12-31T23:59:59+01:00, 2024-12-31T23:59Z; read as UTC
DAY_FIRST, MONTH_FIRST = ("%d/%m/%Y", "%d-%m-%Y"), ("%m/%d/%Y", "%m-%d-%Y")
DATES = (
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    *DAY_FIRST,
    *MONTH_FIRST,
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%B %d, %Y",
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = (*(date + time for time, date in product(TIMES, DATES)), "%Y%m%dT%H%M%S")
PROBED = 50  # texts that are tried before a whole column is
MOMENT = pl.Datetime("us")

_ISO_SHAPE = r"^\d{4}-\d{2}-\d{2}([T ]|$)"
_YEAR = r"\d{4}"  # without it 1/31/07 would be of the year 7
_DAY = "%Y-%m-%d"
_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")


def date_format(texts: pl.Series) -> tuple[str, str]:
    """The format in which every text is a date, "" where there is none; and what makes that doubtful, "" where nothing does.

    Day and month are told apart over the whole column: by a value above 12, else by the one that never changes while the
    other does, as in monthly values. Where neither tells, there is no format and a doubt.

    >>> date_format(pl.Series(["02/05/2007", "13/05/2007"]))
    ('%d/%m/%Y', '')
    >>> date_format(pl.Series(["02/05/2007", "03/07/2007"]))[0]
    ''
    """
    known = texts.drop_nulls().str.strip_chars()
    if known.is_empty():
        return "", ""
    if known.head(PROBED).str.contains(_ISO_SHAPE).all():
        return next((one for one in (ISO, ISO_ZONED) if read_dates(known, one).null_count() == 0), ""), ""
    fitting = [one for one in FORMATS if _fits(known.head(PROBED), one) and _fits(known, one)]
    return (fitting[0], "") if len(fitting) == 1 else _told_apart(known, fitting)


def _fits(texts: pl.Series, form: str) -> bool:
    return read_dates(texts, form).null_count() == 0


def _told_apart(texts: pl.Series, fitting: list[str]) -> tuple[str, str]:
    """Of several formats that fit, as day first and month first."""
    if not fitting or not {True, False} <= {form.startswith("%d") for form in fitting}:
        return next(iter(fitting), ""), ""
    readings = {form: read_dates(texts, form) for form in fitting}
    steady = [form for form, moments in readings.items() if _is_monthly(moments)]
    if len(steady) == 1 and not any(_is_of_one_month(moments) for moments in readings.values()):
        return steady[0], ""
    return "", f"{texts[0]!r} may begin with the day or with the month; say which by date_formats"


def _is_monthly(moments: pl.Series) -> bool:
    return moments.dt.day().n_unique() == 1 and moments.dt.month().n_unique() > 1


def _is_of_one_month(moments: pl.Series) -> bool:
    return moments.dt.truncate("1mo").n_unique() == 1


def alike(form: str) -> tuple[str, ...]:
    """A format and those that differ from it by the time of day.

    >>> alike("%d/%m/%Y %H:%M")[:2]
    ('%d/%m/%Y %H:%M', '%d/%m/%Y')
    """
    dates = [date for date in DATES if form == date or any(form == date + time for time in TIMES)]
    return (form, *(date + time for date in dates for time in TIMES if date + time != form))


def read_dates(texts: pl.Series, form: str) -> pl.Series:
    """Texts of one format as Datetime[us], those with an offset in UTC; null where a text is no such date.

    >>> read_dates(pl.Series(["2024-02-29", "soon"]), ISO).to_list()
    [datetime.datetime(2024, 2, 29, 0, 0), None]
    """
    bare = texts.str.strip_chars()
    if form in (ISO, ISO_ZONED):
        whole = bare.set(~bare.str.contains(_ISO_SHAPE), None)
        found = _first_known(whole, _local(whole) if form == ISO else _zoned(whole))
        return found.set(found.dt.year() < 1, None)
    return bare.set(~bare.str.contains(_YEAR), None).str.to_datetime(form, time_unit="us", strict=False)


def _local(bare: pl.Series) -> Iterator[pl.Series]:
    yield bare.str.to_date(_DAY, strict=False).cast(MOMENT)
    joined = bare.str.replace(" ", "T", literal=True)
    for form in _LOCAL:
        yield joined.str.to_datetime(form, time_unit="us", strict=False)


def _zoned(bare: pl.Series) -> Iterator[pl.Series]:
    joined = bare.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    for form in _ZONED:
        moments = joined.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False)
        yield moments.dt.replace_time_zone(None)


def _first_known(texts: pl.Series, readings: Iterator[pl.Series]) -> pl.Series:
    """Of each text the first reading that it has."""
    found = next(readings)
    for reading in readings:
        if found.null_count() == texts.null_count():
            break
        found = found.zip_with(found.is_not_null(), reading)
    return found
