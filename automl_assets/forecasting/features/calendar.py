"""What a stamp says of itself: its place in the calendar, and how near a holiday is, as numbers for every algorithm.

Here belong the rules, in the local time of a time zone, as plain arrays. The same in ONNX is in `lagged_graph`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from automl_assets.data.date_parts import DATE_PARTS
from automl_assets.errors import LearningError
from automl_assets.forecasting.records import ForecastProblem
from automl_assets.stored import stored_as

DAY, WEEK, MONTH = 86_400, 7 * 86_400, 28 * 86_400  # seconds; no month is shorter
# Part of a stamp -> the most seconds between stamps with which it says something.
FINEST = {
    "day_of_year": WEEK,
    "month": 92 * DAY,
    "day": WEEK,
    "day_of_week": DAY,
    "hour": DAY - 1,
    "minute": 3599,
}
MOST_CORRELATED = 0.98  # of two parts that say the same the first is kept, as in Azure
YEARS_AHEAD = 10  # for which holidays and changes of the clock are kept
REACH, WEEKLY_REACH = 3, 14  # days around a holiday that are near it; where stamps are weeks apart
HOLIDAY_PARTS = ("holiday", "next_holiday", "days_to_next", "last_holiday", "days_since_last")


@stored_as("forecasting.UtcOffsets")
@dataclass(frozen=True)
class UtcOffsets:
    """How far the local time is ahead of UTC, from one moment to the next."""

    starts: np.ndarray  # int64 [n_changes], seconds since 1970, ascending
    ahead: np.ndarray  # int64 [n_changes + 1], seconds; the first holds before every start

    def local(self, seconds: np.ndarray) -> np.ndarray:
        return seconds + self.ahead[np.searchsorted(self.starts, seconds, side="right")]


@stored_as("forecasting.Holidays")
@dataclass(frozen=True)
class Holidays:
    """Days around each day, looked up; days before the first and after the last are like these."""

    first: int  # day since 1970
    table: np.ndarray  # int8 [n_days, n_parts], columns as HOLIDAY_PARTS
    names: tuple[str, ...]  # of the codes 1, 2, …, in the order of the year

    def of(self, days: np.ndarray) -> np.ndarray:
        return self.table[np.clip(days - self.first, 0, len(self.table) - 1)]


@stored_as("forecasting.Calendar")
@dataclass(frozen=True)
class Calendar:
    """Which parts of a stamp are looked at."""

    parts: tuple[str, ...]  # of `date_parts.DATE_PARTS`
    clock: UtcOffsets | None
    holidays: Holidays | None

    @property
    def names(self) -> tuple[str, ...]:
        return self.parts + (HOLIDAY_PARTS if self.holidays else ())


def fit_calendar(problem: ForecastProblem, stamps: np.ndarray) -> Calendar:
    """The parts that vary, are not finer than the frequency, and say something of their own."""
    seconds = stamps.astype("datetime64[s]").astype(np.int64)
    gaps = np.diff(np.unique(seconds))
    gap = int(np.median(gaps)) if len(gaps) else DAY
    years = (int(seconds.min() // (366 * DAY)) + 1969, int(seconds.max() // (365 * DAY)) + 1971 + YEARS_AHEAD)
    clock = _clock(problem.timezone, years) if problem.timezone and gap < DAY else None
    country = problem.lags.holidays if gap < MONTH else None
    holidays = _holidays(country, years, WEEKLY_REACH if gap >= WEEK else REACH) if country else None
    moment = (clock.local(seconds) if clock else seconds).astype("datetime64[s]")
    return Calendar(_varying([part for part, most in FINEST.items() if gap <= most], moment), clock, holidays)


def calendar_features(calendar: Calendar, stamps: np.ndarray) -> np.ndarray:
    """float64 [n_stamps, n_parts], columns as `calendar.names`."""
    seconds = stamps.astype("datetime64[s]").astype(np.int64)
    local = calendar.clock.local(seconds) if calendar.clock else seconds
    columns = [DATE_PARTS[part](local.astype("datetime64[s]")) for part in calendar.parts]
    found = np.column_stack(columns) if columns else np.empty((len(stamps), 0))
    return np.hstack([found, calendar.holidays.of(local // DAY)]) if calendar.holidays else found


def _varying(parts: list[str], moment: np.ndarray) -> tuple[str, ...]:
    kept: dict[str, np.ndarray] = {}
    for part in parts:
        values = DATE_PARTS[part](moment)
        if values.std() > 0 and not any(
            abs(np.corrcoef(values, other)[0, 1]) > MOST_CORRELATED for other in kept.values()
        ):
            kept[part] = values
    return tuple(kept)


def _clock(timezone: str, years: tuple[int, int]) -> UtcOffsets:
    """Changes of the clock, found day by day and then to the quarter of an hour."""
    zone = ZoneInfo(timezone)
    days = range(_seconds(years[0]), _seconds(years[1]), DAY)
    ahead = [_ahead(zone, second) for second in days]
    changed = [day for day, before, after in zip(days, ahead, ahead[1:], strict=False) if before != after]
    starts = [_first_change(zone, day) for day in changed]
    return UtcOffsets(np.array(starts, np.int64), np.array([ahead[0], *(_ahead(zone, s) for s in starts)], np.int64))


def _seconds(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _ahead(zone: ZoneInfo, second: int) -> int:
    ahead = datetime.fromtimestamp(second, zone).utcoffset()
    return int(ahead.total_seconds()) if ahead is not None else 0


def _first_change(zone: ZoneInfo, day: int) -> int:
    before = _ahead(zone, day)
    return next(second for second in range(day, day + DAY + 1, 900) if _ahead(zone, second) != before)


def _holidays(country: str, years: tuple[int, int], reach: int) -> Holidays:
    found = {day.toordinal() - date(1970, 1, 1).toordinal(): name for day, name in _dates(country, years).items()}
    codes = _codes(found)
    first = min(found) - reach
    table = np.zeros((max(found) + reach - first + 1, len(HOLIDAY_PARTS)), np.int8)
    table[:, [2, 4]] = reach + 1
    for distance in range(reach, -1, -1):  # the nearest is written last, and stays
        for day, name in found.items():
            table[day - distance - first, 1:3] = codes[name], distance
            table[day + distance - first, 3:5] = codes[name], distance
    table[:, 0] = np.where(table[:, 2] == 0, table[:, 1], 0)
    return Holidays(first, table, tuple(codes))


def _codes(found: Mapping[int, str]) -> dict[str, int]:
    """Numbers of the holidays in the order of the year, so that neighbours are alike."""
    places: dict[str, list[int]] = {}
    for day, name in found.items():
        places.setdefault(name, []).append((date(1970, 1, 1) + timedelta(days=day)).timetuple().tm_yday)
    ordered = sorted(places, key=lambda name: (float(np.median(places[name])), name))
    return {name: min(code, 127) for code, name in enumerate(ordered, start=1)}


def _dates(country: str, years: tuple[int, int]) -> dict[date, str]:
    import holidays

    code, _, part = country.partition("-")
    try:
        found = holidays.country_holidays(code, subdiv=part or None, years=range(*years), language="en_US")
    except NotImplementedError as error:
        raise LearningError(
            f"holidays: got {country!r}; {error}; name a country as US, or a part of it as US-NY"
        ) from error
    return {day: name.removesuffix(" (observed)") for day, name in found.items()}
