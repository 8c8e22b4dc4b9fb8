"""Regular grids of stamps: how to name one, find it in data, count along it, and which seasons it may have.

Counting is arithmetic on whole numbers, so it costs the same for one stamp and for millions. Not here: values, gaps.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from math import gcd
from typing import Literal

import numpy as np

from automl_assets.errors import nearest

SECOND = 1_000_000  # microseconds
DAY = 86_400 * SECOND
SIZES = {"us": 1, "ms": 1000, "s": SECOND, "min": 60 * SECOND, "h": 3600 * SECOND, "D": DAY, "W": 7 * DAY}
MONTHS = {"M": 1, "Q": 3, "Y": 12}
OLD_NAMES = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "M": "ME", "Q": "QE", "A": "YE", "Y": "YE"}
OLD_NAMES |= {"AS": "YS", "BM": "BME", "BQ": "BQE", "BY": "BYE", "BA": "BYE", "BAS": "BYS", "SM": "SME"}
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
EXAMPLES = (
    "min",
    "30min",
    "h",
    "D",
    "B",
    "W",
    "W-SUN",
    "SMS-15",
    "SME-15",
    "MS",
    "MS-15",
    "ME",
    "BME",
    "QS",
    "QE",
    "YS",
    "YE",
)
FIRST_MONDAY = 4  # 1970-01-05, in days since 1970-01-01

LAST_DAY = 31  # of a month, however long that is

ALIAS = re.compile(r"^(\d*)([A-Za-z]+)(?:-([A-Za-z]{3}))?((?:-\d{1,2})*)$")
FREQUENT = 0.02  # share of all distances between stamps from which one of them counts
BELIEVED = 0.75  # share of stamps that stand on one day of their months, from which a grid of months has that day
HALF_MONTH = (8 * DAY, 23 * DAY)  # distances between stamps that come twice a month
TWICE = 0.9  # share of stamps that stand on two days of their months, from which they come twice a month


@dataclass(frozen=True)
class Grid:
    """Stamps at equal distances: of a fixed length, of business days, or of months, on one or two days of each.

    >>> days = np.array(["2024-01-30", "2024-02-29", "2024-03-31"], "datetime64[us]")
    >>> grid("ME").numbers(days) - 648, grid("D").numbers(days) - 19751
    (array([0, 1, 2]), array([ 1, 31, 62]))
    """

    kind: Literal["fixed", "business", "months"]
    size: int  # microseconds, business days or months
    anchor: int | None = None  # microseconds or months after 1970 at which a stamp lies; None where any will do
    is_end: bool = False  # a stamp stands at the end of its period, not at the start
    days: tuple[int, ...] = (1,)  # of a month on which stamps stand; in shorter months the last one
    is_business: bool = False  # those days, or the business day next to them in their month
    clock: int = 0  # microseconds after midnight at which stamps of business days and months stand

    @property
    def alias(self) -> str:
        """As pandas names it, and MS-15 for the 15th of each month, which has no name there."""
        return _alias(self)

    def numbers(self, stamps: np.ndarray) -> np.ndarray:
        """The place of the period each stamp lies in, int64 [n]; following periods have following numbers."""
        anchor = self.anchor or 0
        if self.kind == "fixed":
            whole = stamps.astype("datetime64[us]").astype(np.int64) - anchor
            return (whole + self.is_end * (self.size - DAY)) // self.size
        if self.kind == "months":
            places = self._places(stamps)
            return -((anchor - places) // self.size) if self.is_end else (places - anchor) // self.size
        return np.busday_count("1970-01-01", np.busday_offset(_days(stamps), 0, "backward")) // self.size

    def _places(self, stamps: np.ndarray) -> np.ndarray:
        """The same in single months, or where there are two stamps in a month, in halves of them."""
        months, days = stamps.astype("datetime64[M]"), _days(stamps)
        of_month = [self._on(day, months) for day in self.days]
        n_before = sum((days > own if self.is_end else days >= own).astype(np.int64) for own in of_month)
        return months.astype(np.int64) * len(self.days) + n_before - (not self.is_end)

    def _on(self, day: int, months: np.ndarray) -> np.ndarray:
        """The stamp of each month that stands on a day, datetime64[D]."""
        first = months.astype("datetime64[D]")
        length = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
        days = first + (np.minimum(day, length) - 1)
        return np.busday_offset(days, 0, "backward" if self.is_end else "forward") if self.is_business else days

    def stamps(self, numbers: np.ndarray) -> np.ndarray:
        """The stamps of periods, datetime64[us] [n]."""
        anchor = self.anchor or 0
        if self.kind == "fixed":
            return (numbers * self.size + anchor).astype("datetime64[us]")
        if self.kind == "months":
            months, place = np.divmod(numbers * self.size + anchor, len(self.days))
            every = [self._on(day, months.astype("datetime64[M]")) for day in self.days]
            return np.choose(place, [days.astype(np.int64) for days in every]).astype("datetime64[D]") + self._clock
        return np.busday_offset("1970-01-01", numbers * self.size, "forward") + self._clock

    @property
    def _clock(self) -> np.timedelta64:
        return np.timedelta64(self.clock, "us")

    def holds(self, stamps: np.ndarray) -> np.ndarray:
        """Whether each stamp stands on the grid itself, bool [n]."""
        return self.stamps(self.numbers(stamps)) == stamps

    def anchored(self, stamps: np.ndarray) -> "Grid":
        """The same grid moved to where most stamps are, unless it says itself where it lies."""
        if not len(stamps) or (self.kind == "fixed" and self.anchor is not None):
            return self
        if self.kind == "fixed":
            return replace(self, anchor=_most(stamps.astype("datetime64[us]").astype(np.int64) % self.size))
        moved = replace(self, clock=_most((stamps - _days(stamps)).astype(np.int64)))
        is_free = self.kind == "months" and self.anchor is None and len(self.days) == 1
        return replace(moved, anchor=_most(self._places(stamps) % self.size)) if is_free else moved

    def settled(self) -> "Grid":
        """The same grid where pandas has it when nothing says where it lies: weeks end on Sundays, days at midnight."""
        return grid("W-SUN") if self.kind == "fixed" and self.size == SIZES["W"] and self.anchor is None else self

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
    def length_days(self) -> float:
        """Of a period, about."""
        per_unit = {"fixed": 1 / DAY, "business": 1.4, "months": 30.44 / len(self.days)}
        return self.size * per_unit[self.kind]


def _most(values: np.ndarray) -> int:
    """The value that comes most often, and of several the least."""
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


@cache
def grid(alias: str) -> Grid:
    """The grid that pandas knows by this name. Raises ValueError for a name it does not have.

    >>> grid("15min").size // SECOND, grid("W-THU").alias, grid("Q").alias
    (900, 'W-THU', 'QE')
    """
    match = ALIAS.match(alias)
    count, name, anchor, days = match.groups() if match else ("", "", None, "")
    name = OLD_NAMES.get(name, name)
    size, on = int(count or 1), tuple(int(day) for day in days.split("-")[1:])
    if size and name in SIZES and not on:
        if name == "W" and anchor:
            return Grid("fixed", size * SIZES[name], (FIRST_MONDAY + _weekday(alias, anchor)) * DAY, is_end=True)
        return Grid("fixed", size * SIZES[name])
    if size and name == "B" and not on:
        return Grid("business", size)
    if name in ("SMS", "SME") and size == 1 and not anchor:
        return _half_months(name == "SME", on, alias)
    unit = name.removeprefix("B")
    if size and len(unit) == 2 and unit[0] in MONTHS and unit[1] in "SE":
        return replace(_months(size * MONTHS[unit[0]], unit[1] == "E", anchor, on, alias), is_business=unit != name)
    raise _unknown(alias)


def _unknown(alias: str) -> ValueError:
    hint = nearest(alias, EXAMPLES)
    return ValueError(f"got {alias!r}; it is auto, or an offset of pandas such as {', '.join(EXAMPLES)}.{hint}")


def _weekday(alias: str, anchor: str) -> int:
    if anchor.upper() not in WEEKDAYS:
        raise ValueError(f"got {alias!r}; a week ends on one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(anchor.upper())


def _months(size: int, is_end: bool, anchor: str | None, on: tuple[int, ...], alias: str) -> Grid:
    if anchor and anchor.upper() not in MONTH_NAMES:
        raise ValueError(f"got {alias!r}; a year or quarter begins or ends in one of {', '.join(MONTH_NAMES)}")
    if on and (is_end or len(on) > 1 or not 1 <= on[0] < LAST_DAY or alias.startswith("B")):
        raise ValueError(f"got {alias!r}; a day of a month is one from 1 to 30, behind MS, QS or YS: MS-15")
    days = (LAST_DAY,) if is_end else on or (1,)
    return Grid("months", size, MONTH_NAMES.index(anchor.upper()) % size if anchor else None, is_end, days)


def _half_months(is_end: bool, on: tuple[int, ...], alias: str) -> Grid:
    """One day is that beside the first, or the last, of a month, and the 15th where none is named; two are both."""
    days = on or (15,)
    if len(days) == 1:
        days = (*days, LAST_DAY) if is_end else (1, *days)
    if len(days) != 2 or not 1 <= days[0] < days[1] <= (LAST_DAY if is_end else LAST_DAY - 1):
        raise ValueError(
            f"got {alias!r}; twice a month is SMS-15, on the 1st and 15th; SME-15, on the 15th and last; SMS-10-25, on those"
        )
    return Grid("months", 1, 0, is_end, days)


def _alias(one: Grid) -> str:
    if one.kind == "business":
        return f"{one.size if one.size > 1 else ''}B"
    if one.kind == "months":
        return _half_alias(one) if len(one.days) > 1 else _month_alias(one)
    if one.size == SIZES["W"] and one.anchor is not None and one.anchor % DAY == 0:
        return f"W-{WEEKDAYS[(one.anchor // DAY - FIRST_MONDAY) % 7]}"
    name, size = next((n, s) for n, s in reversed(SIZES.items()) if n != "W" and one.size % s == 0)
    return f"{one.size // size if one.size > size else ''}{name}"


def _month_alias(one: Grid) -> str:
    name, size = next((n, s) for n, s in reversed(MONTHS.items()) if one.size % s == 0)
    count = one.size // size
    month = "" if name == "M" or one.anchor is None else f"-{MONTH_NAMES[one.anchor % 12]}"
    day = f"-{one.days[0]}" if one.days[0] not in (1, LAST_DAY) else ""
    return f"{count if count > 1 else ''}{'B' * one.is_business}{name}{'E' if one.is_end else 'S'}{month}{day}"


def _half_alias(one: Grid) -> str:
    if one.is_end:
        return f"SME-{one.days[0]}"
    return f"SMS-{one.days[1]}" if one.days[0] == 1 else f"SMS-{one.days[0]}-{one.days[1]}"


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
    size = gcd(*frequent.tolist())
    if frequent.min() >= 28 * DAY and _is_calendar(stamps, frequent, size):
        return _found_months(stamps, series)
    if size < frequent.min() and HALF_MONTH[0] <= frequent.min() <= np.median(steps[steps > 0]) <= HALF_MONTH[1]:
        twice = _found_half_months(stamps)
        if twice:
            return twice
    if size == DAY and _never_on_weekends(stamps, frequent):
        return Grid("business", 1).anchored(stamps)
    one = Grid("fixed", size).anchored(stamps)
    return grid(one.alias) if one.alias.startswith("W-") else one


def _is_calendar(stamps: np.ndarray, sizes: np.ndarray, size: int) -> bool:
    """Months differ in length, so equal distances of many days, and whole multiples of them, are no months unless all
    stamps are the first or the last of one."""
    is_edge = [grid(alias).anchored(stamps).holds(stamps).mean() > 0.9 for alias in ("MS", "ME")]
    return size < sizes.min() or any(is_edge)


def _found_months(stamps: np.ndarray, series: np.ndarray) -> Grid:
    """Months, quarters or years, on the day of them where most stamps stand."""
    steps = np.diff(stamps.astype("datetime64[M]")).astype(np.int64)[np.diff(series) == 0]
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    size = gcd(*sizes[counts >= FREQUENT * counts.sum()].tolist())
    aliases = ["MS", "ME", "BMS", "BME", *(f"MS-{day}" for day in _common_days(stamps) if 1 < day < LAST_DAY)]
    possible = [replace(grid(alias), size=size).anchored(stamps) for alias in aliases]
    shares = [one.holds(stamps).mean() for one in possible]
    most = int(np.argmax(shares))
    return possible[most if shares[most] >= BELIEVED else int(shares[1] > 0.5)]


def _found_half_months(stamps: np.ndarray) -> Grid | None:
    """Two days of each month on which almost all stamps stand."""
    days = sorted({*_common_days(stamps), LAST_DAY})
    pairs = [(a, b) for a, b in combinations(days, 2) if HALF_MONTH[0] <= (b - a) * DAY <= HALF_MONTH[1]]
    possible = [Grid("months", 1, 0, b == LAST_DAY, (a, b)).anchored(stamps) for a, b in pairs]
    shares = [one.holds(stamps).mean() for one in possible]
    return possible[int(np.argmax(shares))] if shares and max(shares) >= TWICE else None


def _common_days(stamps: np.ndarray) -> list[int]:
    """The days of a month on which most stamps stand, three of them, the most frequent first."""
    days, months = _days(stamps), stamps.astype("datetime64[M]")
    values, counts = np.unique((days - months.astype("datetime64[D]")).astype(np.int64) + 1, return_counts=True)
    return values[np.argsort(-counts, kind="stable")][:3].tolist()


def _never_on_weekends(stamps: np.ndarray, sizes: np.ndarray) -> bool:
    return bool(3 * DAY in sizes) and bool(np.is_busday(_days(stamps)).mean() > 0.99)


def _days(stamps: np.ndarray) -> np.ndarray:
    return stamps.astype("datetime64[D]")


def seasons(one: Grid) -> tuple[int, ...]:
    """Lengths in stamps that a season on this grid may have, ascending: an hour, day, week, month or year of them.

    >>> seasons(grid("h")), seasons(grid("D")), seasons(grid("W")), seasons(grid("MS")), seasons(grid("B"))
    ((24, 168), (7, 365), (52,), (12,), (5, 260))
    >>> seasons(grid("SMS-15")), seasons(grid("MS-15")), seasons(grid("BME"))
    ((2, 24), (12,), (12,))
    """
    if one.kind == "months":
        return _whole([len(one.days), 12 * len(one.days) / one.size])
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

    >>> [usual_horizon(grid(alias)) for alias in ("15min", "h", "D", "B", "W", "SMS", "MS", "QS", "YS")]
    [192, 48, 14, 10, 8, 24, 18, 8, 6]
    """
    if len(one.days) > 1:
        return 24
    if one.kind == "months":
        return {1: 18, 3: 8}.get(one.size, max(1, 72 // one.size))
    if one.kind == "business":
        return max(1, 10 // one.size)
    if one.size >= SIZES["W"]:
        return max(1, round(56 * DAY / one.size))
    return max(1, round((14 if one.size >= DAY else 2) * DAY / one.size))
