"""fill_gaps: a row for every stamp of each series, from the first to the last.

Every gap is filled from the past alone, so that a backtest never learns what came later.
"""

from dataclasses import dataclass

import numpy as np

from automl_assets.data.time_grid import Grid
from automl_assets.errors import DataError
from automl_assets.forecasting.records import Covariate, Panel
from automl_assets.forecasting.steps.build_panel import SeriesRows
from automl_assets.forecasting.steps.plan import Plan

MOST_MADE_UP, ALWAYS_ALLOWED = 50, 1_000_000  # rows of the grid per row there is, and rows from which that counts


@dataclass(frozen=True)
class Spans:
    """Where each series lies on the grid, in numbers of its periods [n_series]."""

    first: np.ndarray  # of those learnt from
    known: np.ndarray  # the last of those learnt from
    last: np.ndarray  # of all

    def of(self, chosen: np.ndarray) -> "Spans":
        return Spans(self.first[chosen], self.known[chosen], self.last[chosen])


@dataclass(frozen=True)
class Fills:
    """What stands where the data has nothing."""

    plan: Plan
    target: float | None  # in gaps of the target; None for its last value


def filled(rows: SeriesRows, spans: Spans, n_padded: np.ndarray, grid: Grid, fills: Fills) -> tuple[Panel, int, int]:
    """All series on the grid, `n_padded` rows before the first of each; how many rows in gaps were made up, and of how
    many from the first value to the last of each series."""
    first = spans.first - n_padded
    lengths = spans.last - first + 1
    offsets = np.r_[0, np.cumsum(lengths)]
    _check_size(int(offsets[-1]), len(rows.y), grid)
    series = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(offsets[-1]) - offsets[series]
    place = offsets[rows.series] + grid.numbers(rows.stamps) - first[rows.series]
    y, row = np.full(offsets[-1], np.nan), np.full(offsets[-1], -1)
    y[place], row[place] = rows.y, np.arange(len(rows.y))
    is_padding = within < n_padded[series]
    is_learnt = ~is_padding & (within + first[series] <= spans.known[series])
    panel = Panel(
        names=rows.names,
        offsets=offsets,
        stamps=grid.stamps(within + first[series]),
        y=_known_before(_padded(y, is_padding, np.where(is_learnt, y, np.nan), series), offsets, series, fills.target),
        is_filled=np.isnan(y),
        covariates=_covariates(rows, row, series, fills.plan.covariates),
        statics=_whole(rows.statics, fills.plan.statics),
    )
    return panel, int((panel.is_filled & is_learnt).sum()), int(is_learnt.sum())


def _check_size(n_made: int, n_rows: int, grid: Grid) -> None:
    if n_made > ALWAYS_ALLOWED and n_made > MOST_MADE_UP * n_rows:
        raise DataError(
            f"the {n_rows:,} rows lie on a grid of {n_made:,} stamps at frequency {grid.alias}: most would be made up. Say "
            "a wider forecasting.frequency with forecasting.aggregate"
        )


def _padded(y: np.ndarray, is_padding: np.ndarray, learnt: np.ndarray, series: np.ndarray) -> np.ndarray:
    """The median of what is learnt of a series stands before its first value; what comes later must not say what stood there."""
    if not is_padding.any():
        return y
    padded = y.copy()
    for number in np.unique(series[is_padding]):
        mine = series == number
        padded[mine & is_padding] = np.nanmedian(learnt[mine])
    return padded


def _known_before(y: np.ndarray, offsets: np.ndarray, series: np.ndarray, constant: float | None) -> np.ndarray:
    """Gaps take the last value before them, or the constant; a series begins with a value."""
    if constant is not None:
        return np.where(np.isnan(y), constant, y)
    last = np.maximum.accumulate(np.where(np.isnan(y), -1, np.arange(len(y))))
    return y[np.maximum(last, offsets[series])]


def _covariates(rows: SeriesRows, row: np.ndarray, series: np.ndarray, columns: tuple[Covariate, ...]) -> np.ndarray:
    """A made-up row has the values of the one before it; what is missing in a row is the fill of its column.

    A column that the test file lacks keeps its last value in the rows of the test file.
    """
    first = np.searchsorted(rows.series, np.arange(len(rows.names)))[series]
    before = np.maximum(np.maximum.accumulate(row), first)
    is_learnt = (row >= 0) & ~rows.is_ahead[row]
    learnt = np.maximum(np.maximum.accumulate(np.where(is_learnt, row, -1)), first)
    is_lacking = np.isnan(rows.covariates[rows.is_ahead]).all(axis=0)
    return _whole(np.where(is_lacking, rows.covariates[learnt], rows.covariates[before]), columns)


def _whole(values: np.ndarray, columns: tuple[Covariate, ...]) -> np.ndarray:
    fills = np.array([one.fill for one in columns], np.float32)
    return np.where(np.isnan(values), fills, values).astype(np.float32)
