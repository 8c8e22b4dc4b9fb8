"""What is known of a stamp as columns for a model that adds up: covariates on their own scale, seasons as waves, holidays.

The same in ONNX beside each. Not here: lags, and calendar parts as trees take them (`calendar_features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.forecasting.features.calendar import HOLIDAY_PARTS, Calendar, UtcOffsets, fit_calendar
from automl_assets.forecasting.models.components import HOLIDAYS, SEASONS
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.stored import stored_as

DAY = 86_400.0  # seconds
CALENDAR = (("daily", DAY), ("weekly", 7 * DAY), ("yearly", 365.25 * DAY))
LEAST_CYCLES = 2  # of a season that a history must hold to teach it


@stored_as("forecasting.Regressors")
@dataclass(frozen=True)
class Regressors:
    """Covariates as columns: a number on its own scale, or whether it is one of its categories."""

    names: tuple[str, ...]  # of the covariate that each column comes from
    sources: np.ndarray  # int64 [n_columns], number of that covariate
    codes: np.ndarray  # float64 [n_columns], the category; NaN for a number
    centre: np.ndarray  # float64 [n_columns]
    spread: np.ndarray  # float64 [n_columns]

    def of(self, covariates: np.ndarray) -> np.ndarray:
        """float64 [n_rows, n_columns]; what is missing is 0, which is the mean of a number and no category."""
        values = covariates[:, self.sources].astype(np.float64)
        raw = np.where(np.isnan(self.codes), values, values == self.codes)
        return np.nan_to_num((raw - self.centre) / self.spread)


def fit_design(covariates: Sequence[Covariate], values: np.ndarray, role: str | None = None) -> Regressors:
    """Columns for the covariates of a role, or of all; `values` [n_rows, n_covariates] tell scales and categories."""
    names, sources, codes = [], [], []
    for source, covariate in enumerate(covariates):
        if role in (None, covariate.role):
            met = np.unique(values[:, source][~np.isnan(values[:, source])])
            own = list(met) if covariate.categories else [np.nan]
            names += [covariate.name] * len(own)
            sources += [source] * len(own)
            codes += own
    scales = [_scale(values[:, source], bool(np.isnan(code))) for source, code in zip(sources, codes, strict=True)]
    centre, spread = np.array(scales, np.float64).reshape(-1, 2).T
    return Regressors(tuple(names), np.array(sources, np.int64), np.array(codes, np.float64), centre, spread)


def _scale(values: np.ndarray, is_number: bool) -> tuple[float, float]:
    """Mean and spread of a number; a category stays 0 and 1, and so does what never varies or was never known."""
    known = values[~np.isnan(values)].astype(np.float64)
    return (float(known.mean()), float(known.std()) or 1.0) if is_number and len(known) else (0.0, 1.0)


def add_design(graph: Graph, design: Regressors, covariates: str) -> list[str]:
    """The same as `Design.of`: one tensor float64 [n_rows, n_columns], or none where there are no columns."""
    from onnx import TensorProto

    if not design.names:
        return []
    values = graph.node("Gather", covariates, graph.constant(design.sources), axis=1)
    is_category = graph.node("Equal", values, graph.constant(design.codes))
    raw = graph.node(
        "Where", graph.constant(np.isnan(design.codes)), values, graph.node("Cast", is_category, to=TensorProto.DOUBLE)
    )
    shifted = graph.node("Sub", raw, graph.constant(design.centre))
    scaled = graph.node("Div", shifted, graph.constant(design.spread))
    return [graph.node("Where", graph.node("IsNaN", scaled), graph.constant(np.float64(0)), scaled)]


@stored_as("forecasting.Season")
@dataclass(frozen=True)
class Season:
    """A pattern that comes back."""

    name: str
    seconds: float
    n_harmonics: int

    @property
    def frequencies(self) -> np.ndarray:
        """Radians per second, float64 [n_harmonics]."""
        return 2 * np.pi * np.arange(1, self.n_harmonics + 1) / self.seconds

    def is_taught(self, seconds: np.ndarray) -> bool:
        """Whether rows from the first to the last of these moments show it often enough."""
        return bool(seconds[-1] - seconds[0] >= LEAST_CYCLES * self.seconds)


def seasons_of(problem: ForecastProblem, history: Panel, most_harmonics: int) -> tuple[Season, ...]:
    """Those of the problem, and days, weeks and years, as far as the longest series holds enough of them.

    A period within a few percent of one of the calendar is that one: twelve months are a year.
    """
    seconds = seconds_of(history.of(np.array([int(history.lengths.argmax())])).stamps)
    step = (seconds[-1] - seconds[0]) / max(1, len(seconds) - 1)
    known = [length for _, length in CALENDAR]
    own = [period * step for period in problem.periods if not np.isclose(period * step, known, rtol=0.03).any()]
    named = [*CALENDAR, *((f"season_{round(length / step)}", length) for length in own)]
    counted = [Season(name, length, min(most_harmonics, int(length / step + 0.1) // 2)) for name, length in named]
    return tuple(season for season in counted if season.n_harmonics and season.is_taught(seconds))


def seconds_of(stamps: np.ndarray) -> np.ndarray:
    """Since 1970, float64."""
    return stamps.astype("datetime64[s]").astype(np.float64)


@stored_as("forecasting.CalendarRegressors")
@dataclass(frozen=True)
class Moments:
    """What stamps say of themselves, as columns: the sines of all seasons, their cosines, then holidays; in local time."""

    seasons: tuple[Season, ...]
    clock: UtcOffsets | None
    holidays: np.ndarray  # int8 [n_days, n_holidays], whether each day is one, before or after one, or none
    first_day: int  # since 1970, of the first of these days

    @property
    def frequencies(self) -> np.ndarray:
        """Of all waves, radians per second, float64 [n_waves]."""
        return np.concatenate([np.zeros(0), *(season.frequencies for season in self.seasons)])

    @property
    def names(self) -> tuple[str, ...]:
        """The component that each column belongs to."""
        return (SEASONS,) * 2 * len(self.frequencies) + (HOLIDAYS,) * self.holidays.shape[1]

    def of(self, stamps: np.ndarray) -> np.ndarray:
        """float64 [n_rows, n_columns]."""
        seconds = stamps.astype("datetime64[s]").astype(np.int64)
        local = self.clock.local(seconds) if self.clock else seconds
        angles = local[:, None] * self.frequencies
        days = np.clip(local // int(DAY) - self.first_day, 0, len(self.holidays) - 1)
        return np.hstack([np.sin(angles), np.cos(angles), self.holidays[days]])


def fit_moments(problem: ForecastProblem, history: Panel, most_harmonics: int) -> Moments:
    """Seasons that the longest series has shown often enough, and holidays that a history has met."""
    calendar = fit_calendar(problem, history.stamps)
    holidays, first_day = _holidays(calendar, history.stamps)
    return Moments(seasons_of(problem, history, most_harmonics), calendar.clock, holidays, first_day)


def _holidays(calendar: Calendar, stamps: np.ndarray) -> tuple[np.ndarray, int]:
    """A column for each holiday met, one for the days before any, one for the days after; and the first day."""
    if calendar.holidays is None:
        return np.zeros((1, 0), np.int8), 0
    table = calendar.holidays.table
    today, to_next, since_last = (
        table[:, HOLIDAY_PARTS.index(part)] for part in ("holiday", "days_to_next", "days_since_last")
    )
    met = np.unique(calendar.holidays.of(stamps.astype("datetime64[D]").astype(np.int64))[:, 0])
    columns = [*(today == code for code in met[met > 0]), to_next == 1, since_last == 1]
    return np.column_stack(columns).astype(np.int8), calendar.holidays.first


def add_moments(graph: Graph, moments: Moments, seconds: str) -> list[str]:
    """The same as `Moments.of`, of int64 [n_rows]: tensors [n_rows, n], none where there is no column."""
    from onnx import TensorProto

    local = add_local(graph, moments.clock, seconds)
    found = []
    if moments.seasons:
        column = graph.node(
            "Unsqueeze", graph.node("Cast", local, to=TensorProto.DOUBLE), graph.constant(np.array([1]))
        )
        angles = graph.node("Mul", column, graph.constant(moments.frequencies[None, :]))
        found = [graph.node("Sin", angles), graph.node("Cos", angles)]
    if moments.holidays.shape[1]:
        whole = graph.node("Sub", local, graph.node("Mod", local, graph.constant(np.int64(DAY))))
        days = graph.node(
            "Sub", graph.node("Div", whole, graph.constant(np.int64(DAY))), graph.constant(np.int64(moments.first_day))
        )
        last = graph.constant(np.int64(len(moments.holidays) - 1))
        inside = graph.node("Clip", days, graph.constant(np.int64(0)), last)
        told = graph.node("Gather", graph.constant(moments.holidays), inside, axis=0)
        found.append(graph.node("Cast", told, to=TensorProto.DOUBLE))
    return found


def add_local(graph: Graph, clock: UtcOffsets | None, seconds: str) -> str:
    """The same as `Clock.local`, of int64 [n_rows]; without a clock the time is that of the stamps."""
    from onnx import TensorProto

    if clock is None:
        return seconds
    one = graph.constant(np.array([1]))
    started = graph.node("GreaterOrEqual", graph.node("Unsqueeze", seconds, one), graph.constant(clock.starts))
    n_changes = graph.node("ReduceSum", graph.node("Cast", started, to=TensorProto.INT64), one, keepdims=0)
    return graph.node("Add", seconds, graph.node("Gather", graph.constant(clock.ahead), n_changes))
