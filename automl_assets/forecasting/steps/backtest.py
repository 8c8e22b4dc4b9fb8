"""backtest: rolling origins. The same windows choose configurations, weigh members and calibrate quantiles."""

from collections.abc import Iterator

import numpy as np

from automl_assets.forecasting.metrics import ForecastTruth, problem_truth
from automl_assets.forecasting.records import ForecastProblem, Panel, Window

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


def truth(panel: Panel, problem: ForecastProblem) -> ForecastTruth:
    """What came next in each window, and what forecasts of it are measured by."""
    ends = panel.lengths - np.array(left_out_rows(problem))[:, None] - problem.horizon
    return problem_truth(panel, np.where(ends >= LEAST_ROWS, ends, -1), problem)
