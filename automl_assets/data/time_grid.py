"""Regular grids of stamps: how to name one, find it in data, count along it, and which seasons it may have.

Counting is arithmetic on whole numbers, so it costs the same for one stamp and for millions. Not here: values, gaps.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from typing import Literal

import numpy as np

from automl_assets.errors import nearest

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
SIZES = {"us": 1, "ms": 1000, "s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND, "D": DAY, "W": 7 * DAY}
MONTHS = {"M": 1, "Q": 3, "Y": 12}
OLD_NAMES = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "M": "ME", "Q": "QE", "A": "YE", "Y": "YE"}
OLD_NAMES |= {"AS": "YS", "BM": "ME", "BMS": "MS", "BQS": "QS", "BQ": "QE"}
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
EXAMPLES = ("min", "15min", "h", "D", "B", "W", "W-SUN", "MS", "ME", "QS", "QE", "YS", "YE")
FIRST_MONDAY = 4  # 1970-01-05, in days since 1970-01-01

ALIAS = re.compile(r"^(\d*)([A-Za-z]+)(?:-([A-Za-z]{3}))?$")
FREQUENT = 0.02  # share of all distances between stamps from which one of them counts
MOST_ROWS = 50  # times as many as there are, that a grid found in data may have


@dataclass(frozen=True)
class Grid:
    """Stamps at equal distances: of a fixed length, of business days, or of whole months.

    >>> days = np.array(["2024-01-30", "2024-02-29", "2024-03-31"], "datetime64[us]")
    >>> grid("ME").numbers(days) - 648, grid("D").numbers(days) - 19751
    (array([0, 1, 2]), array([ 1, 31, 62]))
    """

    kind: Literal["fixed", "business", "months"]
    size: int  # microseconds, business days or months
    anchor: int | None = None  # microseconds or months after 1970 at which a stamp lies; None where any will do
    is_end: bool = False  # a stamp stands at the last day of its week or months, not at the first

    @property
    def alias(self) -> str:
        """As pandas names it."""
        return _alias(self)

    def numbers(self, stamps: np.ndarray) -> np.ndarray:
        """The place of the period each stamp lies in, int64 [n]; following periods have following numbers."""
        anchor = self.anchor or 0
        if self.kind == "fixed":
            whole = stamps.astype("datetime64[us]").astype(np.int64) - anchor
            return (whole + self.is_end * (self.size - DAY)) // self.size
        if self.kind == "months":
            months = stamps.astype("datetime64[M]").astype(np.int64)
            return -((anchor - months) // self.size) if self.is_end else (months - anchor) // self.size
        return np.busday_count("1970-01-01", np.busday_offset(_days(stamps), 0, "backward")) // self.size

    def stamps(self, numbers: np.ndarray) -> np.ndarray:
        """The stamps of periods, datetime64[us] [n]."""
        anchor = self.anchor or 0
        if self.kind == "fixed":
            return (numbers * self.size + anchor).astype("datetime64[us]")
        if self.kind == "months":
            months = (numbers * self.size + anchor + self.is_end).astype("datetime64[M]")
            return (months.astype("datetime64[D]") - int(self.is_end)).astype("datetime64[us]")
        return np.busday_offset("1970-01-01", numbers * self.size, "forward").astype("datetime64[us]")

    def holds(self, stamps: np.ndarray) -> np.ndarray:
        """Whether each stamp stands on the grid itself, bool [n]."""
        return self.stamps(self.numbers(stamps)) == stamps

    def anchored(self, stamps: np.ndarray) -> "Grid":
        """The same grid moved to where most stamps are, unless it says itself where it lies."""
        if self.anchor is not None or self.kind == "business" or not len(stamps):
            return self
        unit = "datetime64[us]" if self.kind == "fixed" else "datetime64[M]"
        values, counts = np.unique(stamps.astype(unit).astype(np.int64) % self.size, return_counts=True)
        return replace(self, anchor=int(values[counts.argmax()]))

    def ahead(self, last: np.ndarray, n_stamps: int) -> np.ndarray:
        """The stamps after each of the last ones, datetime64[us] [n, n_stamps].

        >>> grid("MS").ahead(np.array(["2024-01-01"], "datetime64[us]"), 2).astype("datetime64[D]").tolist()
        [[datetime.date(2024, 2, 1), datetime.date(2024, 3, 1)]]
        """
        if self.kind == "fixed":
            return last[:, None] + np.arange(1, n_stamps + 1) * np.timedelta64(self.size, "us")
        there = self.anchored(last)
        return there.stamps(there.numbers(last)[:, None] + np.arange(1, n_stamps + 1))

    @property
    def days(self) -> float:
        """Length of a period, about."""
        return {"fixed": self.size / DAY, "business": self.size * 1.4, "months": self.size * 30.44}[self.kind]


@cache
def grid(alias: str) -> Grid:
    """The grid that pandas knows by this name. Raises ValueError for a name it does not have.

    >>> grid("15min").size // SECOND, grid("W-THU").alias, grid("Q").alias
    (900, 'W-THU', 'QE')
    """
    match = ALIAS.match(alias)
    count, name, anchor = match.groups() if match else ("", "", None)
    name = OLD_NAMES.get(name, name)
    size = int(count or 1)
    if size and name in SIZES:
        if name == "W" and anchor:
            return Grid("fixed", size * SIZES[name], (FIRST_MONDAY + _weekday(alias, anchor)) * DAY, is_end=True)
        return Grid("fixed", size * SIZES[name])
    if size and name == "B":
        return Grid("business", size)
    if size and len(name) == 2 and name[0] in MONTHS and name[1] in "SE":
        return _months(size * MONTHS[name[0]], name[1] == "E", anchor, alias)
    hint = nearest(alias, EXAMPLES)
    raise ValueError(f"got {alias!r}; it is auto, or an offset of pandas such as {', '.join(EXAMPLES)}.{hint}")


def _weekday(alias: str, anchor: str) -> int:
    if anchor.upper() not in WEEKDAYS:
        raise ValueError(f"got {alias!r}; a week ends on one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(anchor.upper())


def _months(size: int, is_end: bool, anchor: str | None, alias: str) -> Grid:
    if anchor and anchor.upper() not in MONTH_NAMES:
        raise ValueError(f"got {alias!r}; a year or quarter begins or ends in one of {', '.join(MONTH_NAMES)}")
    return Grid("months", size, MONTH_NAMES.index(anchor.upper()) % size if anchor else None, is_end)


def _alias(one: Grid) -> str:
    side = "E" if one.is_end else "S"
    if one.kind == "business":
        return f"{one.size if one.size > 1 else ''}B"
    if one.kind == "months":
        name, size = next((n, s) for n, s in reversed(MONTHS.items()) if one.size % s == 0)
        count = one.size // size
        month = "" if name == "M" or one.anchor is None else f"-{MONTH_NAMES[one.anchor % 12]}"
        return f"{count if count > 1 else ''}{name}{side}{month}"
    if one.size == SIZES["W"] and one.anchor is not None and one.anchor % DAY == 0:
        return f"W-{WEEKDAYS[(one.anchor // DAY - FIRST_MONDAY) % 7]}"
    name, size = next((n, s) for n, s in reversed(SIZES.items()) if n != "W" and one.size % s == 0)
    return f"{one.size // size if one.size > size else ''}{name}"


def found(stamps: np.ndarray, series: np.ndarray) -> Grid | None:
    """The grid that the stamps of series stand on, all of which are sorted; None where no series has two stamps.

    It is the widest one that most distances between neighbours are whole multiples of.

    >>> found(np.array(["2024-01-01", "2024-02-01", "2024-04-01"], "datetime64[us]"), np.zeros(3)).alias
    'MS'
    """
    steps = np.diff(stamps.astype("datetime64[us]")).astype(np.int64)[np.diff(series) == 0]
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    if not len(sizes):
        return None
    frequent = sizes[counts >= min(counts.max(), FREQUENT * counts.sum())]
    if frequent.min() >= 28 * DAY and _is_calendar(stamps, frequent):
        return _found_months(stamps, series)
    size = gcd(*frequent.tolist())
    if size == DAY and _never_on_weekends(stamps, frequent):
        return Grid("business", 1)
    one = Grid("fixed", size).anchored(stamps)
    return grid(one.alias) if one.alias.startswith("W-") else one


def _is_calendar(stamps: np.ndarray, sizes: np.ndarray) -> bool:
    """Months differ in length, so equal distances of many days are no months unless all stamps are firsts of one."""
    starts = _days(stamps) == stamps.astype("datetime64[M]").astype("datetime64[D]")
    return len(sizes) > 1 or bool(starts.mean() > 0.9)


def _found_months(stamps: np.ndarray, series: np.ndarray) -> Grid:
    steps = np.diff(stamps.astype("datetime64[M]")).astype(np.int64)[np.diff(series) == 0]
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    size = gcd(*sizes[counts >= FREQUENT * counts.sum()].tolist())
    is_last = _days(stamps) + 1 == (stamps.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return Grid("months", size, is_end=bool(is_last.mean() > 0.5)).anchored(stamps)


def _never_on_weekends(stamps: np.ndarray, sizes: np.ndarray) -> bool:
    return bool(3 * DAY in sizes) and bool(np.is_busday(_days(stamps)).mean() > 0.99)


def _days(stamps: np.ndarray) -> np.ndarray:
    return stamps.astype("datetime64[D]")


def seasons(one: Grid) -> tuple[int, ...]:
    """Lengths in stamps that a season on this grid may have, ascending: an hour, day, week or year of them.

    >>> seasons(grid("h")), seasons(grid("D")), seasons(grid("W")), seasons(grid("MS")), seasons(grid("B"))
    ((24, 168), (7, 365), (52,), (12,), (5, 260))
    """
    if one.kind == "months":
        return _whole([12 / one.size])
    if one.kind == "business":
        return _whole([5 / one.size, 260 / one.size])
    if one.size >= SIZES["W"]:
        return _whole([round(365.25 * DAY / one.size)])
    if one.size >= DAY:
        return _whole([7 * DAY / one.size, round(365 * DAY / one.size)])
    if one.size >= SIZES["min"]:
        return _whole([DAY / one.size, 7 * DAY / one.size])
    return _whole([SIZES["min"] / one.size, SIZES["h"] / one.size])


def _whole(lengths: Iterable[float]) -> tuple[int, ...]:
    return tuple(int(length) for length in lengths if length > 1 and float(length).is_integer())


def usual_horizon(one: Grid) -> int:
    """How far ahead is asked for where nobody says: two days of hours, two weeks of days, two months of weeks, …

    >>> [usual_horizon(grid(alias)) for alias in ("15min", "h", "D", "B", "W", "MS", "QS", "YS")]
    [192, 48, 14, 10, 8, 18, 8, 6]
    """
    if one.kind == "months":
        return {1: 18, 3: 8}.get(one.size, max(1, 72 // one.size))
    if one.kind == "business":
        return max(1, 10 // one.size)
    if one.size >= SIZES["W"]:
        return max(1, round(56 * DAY / one.size))
    return max(1, round((14 if one.size >= DAY else 2) * DAY / one.size))
