"""What flows between steps of a forecasting experiment: series on a regular grid, what is asked of them, what answers.

Here belong shapes and cuts of a record's own rows. Not here: finding the grid, learning, Dagster.
What is the same for every task (trials, candidates, leaderboards) is in `records`.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.experiment.lag_settings import LagSettings
from automl_assets.model_records import Importance, Picture
from automl_assets.records import Fitted, Guardrail, Problem

MEDIAN = 0.5


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with as many `_` behind as it needs to be no other's.

    >>> free_name("time", ["time", "price"])
    'time_'
    """
    return name if name not in taken else free_name(f"{name}_", taken)


@dataclass(frozen=True)
class Covariate:
    """A column beside the target, as numbers. `known` ones are known for the stamps to be forecast, `past` ones not."""

    name: str
    role: Literal["known", "past"]
    categories: tuple[str, ...] = ()  # names of the codes 0, 1, …; empty for a number
    fill: float = 0.0  # stands where a value is missing, or no known category
    source: str = ""  # the column of the data, where that has another name
    merge: Literal["last", "mean", "min", "max"] = "last"  # what rows of one stamp come to

    @property
    def column(self) -> str:
        """The name that the values have in the data."""
        return self.source or self.name


@dataclass(frozen=True)
class ForecastProblem:
    """What is asked of every forecaster of an experiment."""

    problem: Problem  # the metric, and the range of the target
    horizon: int  # stamps ahead
    frequency: str  # offset alias of pandas
    periods: tuple[int, ...]  # lengths of seasons in stamps, ascending, each above one; empty without a season
    quantiles: tuple[float, ...]  # ascending, the median among them
    covariates: tuple[Covariate, ...] = ()  # columns of `Panel.covariates`
    statics: tuple[Covariate, ...] = ()  # columns of `Panel.statics`
    n_windows: int = 3  # of the backtest
    step: int = 1  # stamps between the origins of two windows
    timezone: str | None = None  # in which hours and days count; stamps themselves are in UTC then
    time: str = "time"  # name of the column of stamps
    target: str = "target"  # name of the column to forecast
    series: tuple[str, ...] = ()  # names of the columns whose values are a `series_name`
    lags: LagSettings = field(default_factory=LagSettings)
    hierarchy: tuple[str, ...] = ()  # those of `series` whose values tell how series add up, from the top down
    reconciliation: str = "none"  # how forecasts are made to add up, a `hierarchy.Method`
    n_sums: int = 0  # the first series of each panel, which are sums of the others

    @property
    def season(self) -> int:
        """The shortest season, or 1."""
        return self.periods[0] if self.periods else 1

    @property
    def floor(self) -> float:
        """Below which nothing was ever seen, so that nothing is forecast there: zero, or none."""
        return 0.0 if self.problem.target_range[0] >= 0 else -np.inf


@dataclass(frozen=True)
class Panel:
    """Series of one group on a regular grid, one below the other, none with a gap.

    As a *history* it ends with what is known last; as a *future* it holds as many stamps of each series as are to be
    forecast, with known covariates and with NaN where nothing is known (past covariates; the target, unless it serves
    as truth).
    """

    names: tuple[str, ...]  # of the series [n_series]
    offsets: np.ndarray  # int64 [n_series + 1], the first row of each series, and the number of rows
    stamps: np.ndarray  # datetime64[us] [n_rows]
    y: np.ndarray  # float64 [n_rows]
    is_filled: np.ndarray  # bool [n_rows], made up where the data had a gap
    covariates: np.ndarray  # float32 [n_rows, n_covariates]
    statics: np.ndarray  # float32 [n_series, n_statics]

    @property
    def n_series(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series, int64 [n_series]."""
        return np.diff(self.offsets)

    def series(self) -> Iterator[np.ndarray]:
        """The target of each series, float64 [length]."""
        return (self.y[start:end] for start, end in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def as_matrix(self) -> np.ndarray:
        """The target of series of one length, float64 [n_series, length]."""
        return self.y.reshape(self.n_series, -1)

    def of(self, chosen: np.ndarray) -> "Panel":
        """The chosen series alone, by number or by mask [n_series], in their order here."""
        numbers = np.arange(self.n_series)[chosen]
        return self._rows(numbers, self.offsets[numbers], self.offsets[numbers + 1])

    def until(self, n_left_out: int | np.ndarray) -> "Panel":
        """Each series without its last rows, as many of each or [n_series]."""
        return self._rows(np.arange(self.n_series), self.offsets[:-1], self.offsets[1:] - n_left_out)

    def last(self, n_rows: int | np.ndarray) -> "Panel":
        """The last rows of each series, as many of each or [n_series]."""
        return self._rows(np.arange(self.n_series), self.offsets[1:] - n_rows, self.offsets[1:])

    def then(self, later: "Panel") -> "Panel":
        """Each series with its rows of `later` behind its own; `later` holds the same series in the same order."""
        series = [np.repeat(np.arange(self.n_series), panel.lengths) for panel in (self, later)]
        order = np.argsort(np.concatenate(series), kind="stable")
        return replace(
            self,
            offsets=self.offsets + later.offsets,
            stamps=np.concatenate([self.stamps, later.stamps])[order],
            y=np.concatenate([self.y, later.y])[order],
            is_filled=np.concatenate([self.is_filled, later.is_filled])[order],
            covariates=np.concatenate([self.covariates, later.covariates])[order],
        )

    def between(self, start: int, end: int) -> "Panel":
        """The rows of each series from one position up to another, as far as it has them."""
        return self._rows(np.arange(self.n_series), self.offsets[:-1] + start, self.offsets[:-1] + end)

    def hidden(self, problem: ForecastProblem) -> "Panel":
        """The rows as they look before they come: without the target and past covariates."""
        covariates = self.covariates.copy()
        covariates[:, np.array([covariate.role == "past" for covariate in problem.covariates], bool)] = np.nan
        return replace(self, y=np.full(len(self.y), np.nan), covariates=covariates)

    def _rows(self, numbers: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> "Panel":
        """The rows from `starts` to `ends` of the numbered series, as far as it has them."""
        starts = np.clip(starts, self.offsets[numbers], self.offsets[numbers + 1])
        ends = np.clip(ends, starts, self.offsets[numbers + 1])
        rows = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)] or [np.arange(0)])
        return replace(
            self,
            names=tuple(self.names[number] for number in numbers),
            offsets=np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64),
            stamps=self.stamps[rows],
            y=self.y[rows],
            is_filled=self.is_filled[rows],
            covariates=self.covariates[rows],
            statics=self.statics[numbers],
        )


def stacked(panels: Sequence[Panel]) -> Panel:
    """The series of all panels, those of the first one first."""
    names = ("stamps", "y", "is_filled", "covariates", "statics")
    lengths = np.concatenate([panel.lengths for panel in panels])
    return Panel(
        names=tuple(name for panel in panels for name in panel.names),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        **{name: np.concatenate([getattr(panel, name) for panel in panels]) for name in names},
    )


@dataclass(frozen=True)
class Group:
    """One partition: its series, and what its guardrails found."""

    key: str  # of the partition
    values: tuple[str, ...]  # of the `partition_by` columns; none where several groups share the partition
    panel: Panel  # all that models may learn from
    test: Panel | None  # the stamps kept for the test, right after `panel`: the same series, some maybe without a row
    problem: ForecastProblem
    guardrails: tuple[Guardrail, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()  # values of the `partition_by` columns of each series


@dataclass(frozen=True)
class Refusal:
    """In the place of a group that cannot be forecast at all."""

    key: str  # of the partition
    reason: str


@dataclass(frozen=True)
class ForecastProfile:
    """What is in the groups of an experiment, and what to know first."""

    groups: pl.DataFrame  # group, n_series, n_rows, first, last, mean, minimum, maximum, filled_share, zero_share
    guardrails: tuple[Guardrail, ...]  # over all groups


@dataclass(frozen=True)
class Window:
    """One origin of a backtest: what is known there, and what came next."""

    history: Panel
    future: Panel  # `horizon` rows of each series, the target included: the truth
    series: np.ndarray  # int64, numbers of the series that are long enough to take part


@dataclass(frozen=True)
class ForecastMember:
    """A trial that takes part in an ensemble, fitted on everything there is to learn from."""

    trial: str
    algorithm: str
    weight: float
    config: dict[str, Any]
    fitted: Fitted  # one model, of all series of the group


@dataclass(frozen=True)
class QuantileShape:
    """Intervals that are as wide, and lean as far to a side, as members that bring quantiles of their own see it."""

    corrections: np.ndarray  # float64 [horizon, n_quantiles], in units of a series' scale, added to what members say
    is_alone: bool  # members without quantiles have no say in it; else margins speak for them
    own: np.ndarray  # backtest, float64 [n_windows, n_series, horizon, n_quantiles], weighed distances from medians
    weight: np.ndarray  # backtest, float64 [n_windows, n_series, horizon], share of the members that bring them


@dataclass(frozen=True)
class ForecastEnsemble:
    """The model of one group: a weighted mean or the median of its members, with quantiles calibrated by backtest."""

    kind: Literal["single", "voting", "median"]
    members: tuple[ForecastMember, ...]
    score: float
    scores_by_kind: dict[str, float]  # the metric of every kind tried, on the backtest
    predictions: np.ndarray  # backtest, float64 [n_windows, n_series, horizon]
    margins: np.ndarray  # float64 [horizon, n_quantiles], in units of a series' scale, added to the point
    scales: np.ndarray  # float64 [n_series], how large errors are, in the unit of each series learnt from
    names: tuple[str, ...]  # of the series
    problem: ForecastProblem
    is_fallback: bool = False  # nothing better than a naive model could be fitted
    reason: str = ""  # why it fell back, or which members were left out
    coverage: dict[str, float] = field(default_factory=dict)  # on windows that had no say in the margins
    shape: QuantileShape | None = None  # in the place of margins, where that forecasts quantiles clearly better


@dataclass(frozen=True)
class Forecast:
    """What comes next: point and quantiles of each series."""

    names: tuple[str, ...]
    stamps: np.ndarray  # datetime64[us] [n_series, horizon]
    point: np.ndarray  # float64 [n_series, horizon]
    quantiles: np.ndarray  # float64 [n_series, horizon, n_quantiles], ascending along the last axis
    levels: tuple[float, ...]  # of the quantiles


@dataclass(frozen=True)
class ForecastEvaluation:
    """How well the ensemble forecasts stamps nobody has seen; the backtest where no test was asked for."""

    rows: Literal["test", "backtest"]
    n_rows: int
    metrics: dict[str, float]
    baseline: dict[str, float]  # the same of the seasonal naive forecast
    by_horizon: np.ndarray  # float64 [horizon], mean absolute error
    coverage: dict[str, float]  # of each central interval: share of values inside
    by_series: pl.DataFrame  # series, n_rows, mean_absolute_error, mean_squared_error, mean_size, MASE, …
    pictures: tuple[Picture, ...] = field(default=())
    baseline_by_series: pl.DataFrame = field(default_factory=pl.DataFrame)  # the same of the seasonal naive forecast


@dataclass(frozen=True)
class ForecastSummary:
    """All groups of an experiment, and how well their series are forecast together."""

    metric: str
    groups: pl.DataFrame  # group, status (learnt, fallback or failed), reason, kind, algorithms, n_series, score, …
    metrics: dict[str, float]  # of all series of all groups, as each group's evaluation has them of its own
    baseline: dict[str, float]  # the same of the seasonal naive forecast
    coverage: dict[str, float]  # share of values inside each central interval
    macro: dict[str, float]  # what series are measured by, every series counting alike
    micro: dict[str, float]  # the same, every stamp counting alike
    rows: tuple[str, ...]  # what groups were judged on: test, backtest or both


@dataclass(frozen=True)
class ForecastExplanation:
    """What forecasts are made of, and which covariates they lean on.

    A series' contributions to a stamp add up to its point forecast.
    """

    metric: str
    contributions: pl.DataFrame  # series, stamp, component, contribution
    importances: tuple[Importance, ...]  # of covariates, the most important first; empty where there are none
    pictures: tuple[Picture, ...]

    @property
    def strengths(self) -> pl.DataFrame:
        """Component and mean size of its contributions, over series and stamps; the greatest first."""
        size = pl.col("contribution").abs().mean()
        return (
            self.contributions.group_by("component", maintain_order=True)
            .agg(size)
            .sort("contribution", descending=True)
        )


@dataclass(frozen=True)
class Reconciliation:
    """How forecasts of a hierarchy's series are made to add up, and what that does to their errors."""

    method: str
    names: tuple[str, ...]  # of the nodes: sums from the top down, then the series themselves, the leaves
    aggregation: np.ndarray  # float64 [n_sums, n_leaves], 1 where a sum holds a leaf
    projection: np.ndarray  # float64 [n_leaves, n_nodes], from base forecasts to coherent ones of the leaves
    widths: np.ndarray  # float64 [n_nodes], of reconciled intervals, relative to those of the base forecasts
    is_positive: bool  # the series are never below zero, and so are the forecasts
    errors: pl.DataFrame  # rows (test or backtest), level, n_series, and errors with and without reconciliation
