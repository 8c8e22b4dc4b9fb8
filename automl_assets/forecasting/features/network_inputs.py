"""What a net that forecasts looks at, from wherever it stands: the last rows, the last seasons, and what is known ahead.

Windows are measured by their own mean and spread. Here belong windows of many series as plain arrays, whatever reads them.
The same in ONNX is in `sight_graph`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.forecasting.features.regressors import Moments, Regressors, fit_design, fit_moments
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.stored import stored_as

CYCLES = 2  # of each season that every step ahead is shown
MOST_HARMONICS = 4  # of a day, a week, a year
FARTHEST = 20.0  # spreads from the mean of a window that is shown
LEAST_SPREAD = 0.1  # of a window, as a share of the spread of its series


@stored_as("forecasting.NetworkInputs")
@dataclass(frozen=True)
class NetworkInputs:
    """What the network looks at, from wherever it forecasts."""

    context: int  # rows of the past
    field: int  # the last of them, which are convolved
    lags: np.ndarray  # int64 [horizon, n_lags], rows of the context that stand at the same place in their season
    past: Regressors  # of all covariates
    known: Regressors
    statics: Regressors
    moments: Moments
    least: float | None  # value below which nothing has a logarithm; None where the target is no logarithm

    @property
    def horizon(self) -> int:
        return len(self.lags)

    def scaled(self, y: np.ndarray) -> np.ndarray:
        return y if self.least is None else np.log(np.maximum(y, self.least))


@dataclass(frozen=True)
class Table:
    """Rows of a panel as windows are cut from them: each series between `context` empty rows and `horizon` more."""

    y: np.ndarray  # float64 [n_rows], on the scale that is learnt
    is_row: np.ndarray  # bool [n_rows]
    is_target: np.ndarray  # bool [n_rows]: known, not made up
    past: np.ndarray  # float32 [n_rows, n_past]
    ahead: np.ndarray  # float32 [n_rows, n_known + n_moments]
    first: np.ndarray  # int64 [n_series], where each series begins
    spread: np.ndarray  # float64 [n_series], mean distance from the mean of each series


@dataclass(frozen=True)
class Inputs:
    """A batch of windows as the network takes them."""

    past: np.ndarray  # float32 [n_windows, field, n_past]
    ahead: np.ndarray  # float32 [n_windows, horizon, n_lags + n_ahead]
    series: np.ndarray  # int64 [n_windows], rows of the table of learnt vectors
    statics: np.ndarray  # float32 [n_windows, n_statics]
    centre: np.ndarray  # float64 [n_windows, 1]
    spread: np.ndarray  # float64 [n_windows, 1]


def fit_network_inputs(problem: ForecastProblem, history: Panel, field: int, is_log: bool) -> NetworkInputs:
    """Of the last `field` rows, and of the last seasons as far as histories hold them."""
    lags = _lags(problem, int(history.lengths.max()))
    context = max(field, int(lags.max()))
    is_log = is_log and history.y.max() > 0
    return NetworkInputs(
        context=context,
        field=field,
        lags=context - lags,
        past=fit_design(problem.covariates, history.covariates),
        known=fit_design(problem.covariates, history.covariates, "known"),
        statics=fit_design(problem.statics, history.statics),
        moments=fit_moments(problem, history, MOST_HARMONICS),
        least=float(history.y[history.y > 0].min()) if is_log else None,
    )


def _lags(problem: ForecastProblem, longest: int) -> np.ndarray:
    """How many rows before the origin each step looks, int64 [horizon, n_lags]; the last column is the last row."""
    steps = np.arange(problem.horizon)
    periods = [period for period in problem.periods if CYCLES * period + problem.horizon <= longest]
    same = [(-(-(steps + 1) // period) + cycle) * period - steps for period in periods for cycle in range(CYCLES)]
    return np.column_stack([*same, np.ones_like(steps)])


def table_of(sight: NetworkInputs, panel: Panel, spread: np.ndarray) -> Table:
    """Empty rows are zeros, and marked."""
    before, gap = sight.context, sight.context + sight.horizon
    first = panel.offsets[:-1] + before + gap * np.arange(panel.n_series)
    rows = np.arange(len(panel.y)) + np.repeat(first - panel.offsets[:-1], panel.lengths)
    n_rows = len(panel.y) + gap * panel.n_series

    def placed(values: np.ndarray, kind: Any) -> np.ndarray:
        found = np.zeros((n_rows, *values.shape[1:]), kind)
        found[rows] = values
        return found

    ahead = np.hstack([sight.known.of(panel.covariates), sight.moments.of(panel.stamps)])
    return Table(
        placed(sight.scaled(panel.y), np.float64),
        placed(np.ones(len(rows)), bool),
        placed(~panel.is_filled & np.isfinite(panel.y), bool),
        placed(sight.past.of(panel.covariates), np.float32),
        placed(ahead, np.float32),
        first,
        spread,
    )


def spreads(sight: NetworkInputs, history: Panel) -> np.ndarray:
    scaled = (sight.scaled(y) for y in history.series())
    return np.array([np.abs(y - y.mean()).mean() for y in scaled])


def windows(sight: NetworkInputs, table: Table, origins: np.ndarray, series: np.ndarray, statics: np.ndarray) -> Inputs:
    """What is seen from origins (rows of the table); of `series` and `statics` one row per origin."""
    past, ahead = origins[:, None] + np.arange(-sight.context, 0), origins[:, None] + np.arange(sight.horizon)
    is_row, recent = table.is_row[past], np.s_[:, sight.context - sight.field :]
    count = np.maximum(1, is_row[recent].sum(axis=1, keepdims=True))
    y = table.y[past]
    centre = (y * is_row)[recent].sum(axis=1, keepdims=True) / count
    distance = (np.abs(y - centre) * is_row)[recent].sum(axis=1, keepdims=True) / count
    spread = np.maximum(distance, LEAST_SPREAD * table.spread[series][:, None])
    spread = np.where(spread > 0, spread, 1.0)
    seen = (np.clip((y - centre) / spread, -FARTHEST, FARTHEST) * is_row).astype(np.float32)
    shown = [seen[recent][:, :, None], is_row[recent][:, :, None], table.past[past[recent]]]
    n_known = len(sight.known.names)
    known_then = table.ahead[past[:, sight.lags]][..., :n_known].reshape(len(past), sight.horizon, -1)
    return Inputs(
        np.concatenate(shown, axis=2, dtype=np.float32),
        np.concatenate([seen[:, sight.lags], table.ahead[ahead], known_then], axis=2),
        series,
        statics,
        centre,
        spread,
    )
