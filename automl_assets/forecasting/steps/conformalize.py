"""conformalize: margins around a point forecast that hold the truth as often as they say, from errors of the backtest.

Errors are told in units of each series' own size of error. Where a step ahead has few of them it borrows those of its
neighbours, relative to how errors grow with the horizon; few errors in all are taken to be as often above as below.
After Vovk 2005. Not here: members, and how their point comes about.
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from automl_assets.forecasting import metrics
from automl_assets.forecasting.metrics import OF_QUANTILES, ForecastTruth, score
from automl_assets.forecasting.records import MEDIAN

ENOUGH = 200  # errors of one step ahead, for it to borrow none from its neighbours
FEW = 100  # errors, below which their two sides are taken as one
PRIOR_WINDOWS = 2  # the size of a series' errors counts as if so many windows had been as the mean of all series
LEAST_SIZE = 0.1  # of the mean error, at any step
NORMAL_SPREAD = 1.2533  # standard deviation of a normal error whose mean size is one
MOST_WIDENED = 3.0  # times
NONE_KNOWN = 1.5  # mean error in units of a series' scale, where the backtest holds none

Margins = Callable[[ForecastTruth, np.ndarray], tuple[np.ndarray, np.ndarray]]


def conformalize(truth: ForecastTruth, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Margins [horizon, n_quantiles] in units of scales [n_series], from forecasts [n_windows, n_series, horizon].

    They are as wide as it takes for the margins of some windows to hold the others as well: windows differ, and the
    stamps to come will differ from all of them.
    """
    margins, scales = _margins(truth, point)
    return np.sort(margins * _widening(truth, point), axis=1), scales


def _margins(truth: ForecastTruth, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same as if all windows were alike."""
    errors = (truth.y - point) / truth.error_scales[:, None]
    ratios = _ratios(errors, truth)
    errors = errors / ratios[:, None]
    sizes = _sizes(errors)
    return sizes[:, None] * _spreads(errors / sizes, truth.levels), truth.error_scales * ratios


def quantiles(point: np.ndarray, margins: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Quantiles [..., n_series, n_steps, n_quantiles], ascending, of points [..., n_series, n_steps].

    Steps beyond the margins' horizon have those of the last step, growing as a random walk's would.
    """
    horizon, n_steps = len(margins), point.shape[-1]
    steps = np.arange(n_steps)
    growth = np.sqrt(np.maximum(1.0, (steps + 1) / horizon))
    wide = margins[np.minimum(steps, horizon - 1)] * growth[:, None]
    return point[..., None] + wide * scales[:, None, None]


def held_out(truth: ForecastTruth, point: np.ndarray) -> np.ndarray:
    """Quantiles of each window by margins of the others, shaped as `quantiles`; NaN with fewer than two windows."""
    return _of_others(truth, point, conformalize)


def scores_of_each(metric: str, truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    """A metric of many backtests [n, n_windows, n_series, horizon]; what judges quantiles has them by other windows' margins."""
    if metric not in OF_QUANTILES or len(truth.ends) == 1:
        return metrics.scores_of_each(metric, truth, points)
    each = [score(metric, truth, point, held_out(truth, point)) for point in points]
    return np.array(each, np.float64)


def _of_others(truth: ForecastTruth, point: np.ndarray, margins_of: Margins) -> np.ndarray:
    numbers, every = np.arange(len(truth.ends)), np.arange(truth.learnt.n_series)
    found = np.full((*point.shape, len(truth.levels)), np.nan)
    for window in numbers if len(numbers) > 1 else ():
        others = numbers != window
        found[window] = quantiles(point[window], *margins_of(truth.part(others, every), point[others]))
    return found


def _widening(truth: ForecastTruth, point: np.ndarray) -> np.ndarray:
    """By how much margins of all other windows fall short of each window's errors, at least one [n_quantiles]."""
    held_out = _of_others(truth, point, _margins)
    known = np.isfinite(held_out[..., 0]) & truth.is_known
    if not known.any():
        return np.ones(len(truth.levels))
    errors, margins = (truth.y - point)[known], (held_out - point[..., None])[known]
    return np.array([_factor(errors, margins[:, place], level) for place, level in enumerate(truth.levels)])


def _factor(errors: np.ndarray, margins: np.ndarray, level: float) -> float:
    is_told = margins != 0
    if not is_told.any():
        return 1.0
    needed = np.quantile(errors[is_told] / margins[is_told], max(level, 1 - level))
    return float(np.clip(needed, 1.0, MOST_WIDENED))


def _ratios(errors: np.ndarray, truth: ForecastTruth) -> np.ndarray:
    """How large the errors of each series are beside the mean of all, drawn towards one where it has few [n_series]."""
    if not truth.is_known.any():
        return np.ones(len(truth.error_scales))
    sizes = np.where(truth.is_known, np.abs(errors), 0.0).sum(axis=(0, 2))
    mean = sizes.sum() / truth.counts.sum()
    prior = PRIOR_WINDOWS * truth.horizon
    return (sizes + prior * mean) / (truth.counts + prior) / mean if mean > 0 else np.ones(len(sizes))


def _sizes(errors: np.ndarray) -> np.ndarray:
    """Mean size of an error at each step ahead: a straight line that does not fall, float64 [horizon]."""
    known = np.isfinite(errors)
    steps, sizes = np.nonzero(known)[2], np.abs(errors[known])
    if not len(sizes):
        return np.full(errors.shape[-1], NONE_KNOWN)
    centred = steps - steps.mean()
    slope = max(0.0, float(centred @ sizes / max(centred @ centred, 1e-12)))
    line = sizes.mean() + slope * (np.arange(errors.shape[-1]) - steps.mean())
    return np.maximum(line, max(LEAST_SIZE * sizes.mean(), np.finfo(float).tiny))


def _spreads(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Quantiles of errors of size one at each step ahead [horizon, n_quantiles]; the median's is the point itself."""
    pools: dict[tuple[int, int], np.ndarray] = {}
    by_step = [step[np.isfinite(step)] for step in np.moveaxis(errors, -1, 0)]
    counts = np.array([len(step) for step in by_step])
    found = []
    for step in range(len(by_step)):
        ends = _neighbours(counts, step)
        if ends not in pools:
            pools[ends] = _quantiles(np.concatenate(by_step[ends[0] : ends[1]]), levels)
        found.append(pools[ends])
    return np.array(found)


def _neighbours(counts: np.ndarray, step: int) -> tuple[int, int]:
    """First step, and the one after the last, around a step that have errors enough together."""
    reach = 0
    while True:
        low, high = max(0, step - reach), min(len(counts), step + reach + 1)
        if counts[low:high].sum() >= ENOUGH or high - low == len(counts):
            return low, high
        reach += 1


def _quantiles(errors: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Each level's bound: below the point for those below the median, above it for those above."""
    if len(errors) < FEW:
        sizes = np.sort(np.abs(errors))
        return np.array([np.sign(level - MEDIAN) * _bound(sizes, abs(2 * level - 1)) for level in levels])
    ordered = {-1.0: np.sort(-errors), 1.0: np.sort(errors)}
    bounds = [(side, _bound(ordered[side], max(level, 1 - level))) for level in levels if (side := _side(level))]
    found = iter(side * max(0.0, bound) for side, bound in bounds)
    return np.array([next(found) if _side(level) else 0.0 for level in levels])


def _side(level: float) -> float:
    return float(np.sign(level - MEDIAN))


def _bound(ordered: np.ndarray, share: float) -> float:
    """What `share` of new errors stay below: the one at that rank, the new one counted; beyond the last as a normal's."""
    if share <= 0:
        return 0.0
    rank = share * (len(ordered) + 1)
    if len(ordered) and rank <= len(ordered):
        return float(np.interp(rank, np.arange(1, len(ordered) + 1), ordered))
    normal = NORMAL_SPREAD * NormalDist().inv_cdf((1 + share) / 2)  # of errors of mean size one
    return max(float(ordered[-1]), normal) if len(ordered) else normal
