"""Season and trend by LOESS (STL) of the values up to an origin, as weights of these values.

Without its robustness weights STL is linear, so what it says of the last values is a matrix times them: the same for
every origin, and in ONNX. Nothing after the origin has a say, which is not so where a whole series is decomposed first.
After Cleveland, Cleveland, McRae and Terpenning 1990.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from automl_assets.stored import stored_as

JUMPS_PER_PERIOD = 7  # places in a season at which trends are fitted; between them lies a straight line


@stored_as("forecasting.Decomposition")
@dataclass(frozen=True)
class Decomposition:
    """Weights of the last values: rows say the season of the next stamps, and, where wished, the trend."""

    seasonal: np.ndarray  # float64 [n_places, n_values], the latest season repeated
    trend: np.ndarray  # float64 [2, n_values], trend at the origin, and its rise over a season; or [0, n_values]

    @property
    def n_values(self) -> int:
        return self.seasonal.shape[1]


def fit_decomposition(period: int, n_values: int, n_places: int, has_trend: bool) -> Decomposition:
    """STL of `n_values` last values, two periods or more, for the next `n_places` stamps."""
    seasonal, trend = _smoother(period, n_values)
    latest = seasonal[n_values - period :][: min(period, n_places)]
    rise = np.array([trend[-1], trend[-1] - trend[-1 - period]])
    return Decomposition(latest, rise if has_trend else rise[:0])


@lru_cache(maxsize=8)
def _smoother(period: int, n_values: int) -> tuple[np.ndarray, np.ndarray]:
    """What a one at each place does to season and trend at every place, float64 [n_values, n_values] each."""
    from statsmodels.tsa.seasonal import STL

    jump = max(1, period // JUMPS_PER_PERIOD)
    found = [STL(one, period, trend_jump=jump, low_pass_jump=jump).fit() for one in np.eye(n_values)]
    return np.array([one.seasonal for one in found]).T, np.array([one.trend for one in found]).T
