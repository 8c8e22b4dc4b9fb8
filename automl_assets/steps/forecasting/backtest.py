"""backtest: rolling origins. The same windows choose configurations, weigh members and calibrate quantiles."""

from collections.abc import Iterator

import numpy as np

from automl_assets.series import ForecastProblem, Panel, Window

LEAST_ROWS = 2  # that a series must have at an origin to take part


def windows(panel: Panel, problem: ForecastProblem) -> Iterator[Window]:
    """Every origin, the oldest first. The last window ends where the series end; a series joins once it is long enough."""
    for left_out in left_out_rows(problem):
        chosen = np.flatnonzero(panel.lengths >= left_out + problem.horizon + LEAST_ROWS)
        whole = panel.of(chosen).until(left_out)
        yield Window(whole.until(problem.horizon), whole.last(problem.horizon), chosen)


def left_out_rows(problem: ForecastProblem) -> list[int]:
    """Rows at the end of each series that a window does not see, per window."""
    return [problem.step * later for later in reversed(range(problem.n_windows))]


def truth(panel: Panel, problem: ForecastProblem) -> np.ndarray:
    """What came next, float64 [n_windows, n_series, horizon]; NaN where a series takes no part or a value was made up."""
    found = np.full((problem.n_windows, panel.n_series, problem.horizon), np.nan)
    for values, window in zip(found, windows(panel, problem), strict=True):
        known = np.where(window.future.is_filled, np.nan, window.future.y)
        values[window.series] = known.reshape(-1, problem.horizon)
    return found
