"""conformalize: margins around a point forecast that hold the truth as often as they say, from errors of the backtest.

Errors are told in units of each series' own size of error. Where a step ahead has few of them it borrows those of its
neighbours, relative to how errors grow with the horizon; few errors in all are taken to be as often above as below.
After Vovk 2005. Not here: members, how their point comes about, and quantiles of their own (`conformalize_quantiles`).
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from automl_assets.forecasting import metrics
from automl_assets.forecasting.metrics import OF_QUANTILES, ForecastTruth, score
from automl_assets.forecasting.records import MEDIAN

ENOUGH = 200  # errors of one step ahead, for it to borrow none from its neighbours
FEW = 100  # errors of windows that lie apart, below which their two sides are taken as one
PRIOR_WINDOWS = 2  # the size of a series' errors counts as if so many windows had been as the mean of all series
LEAST_SIZE = 0.1  # of the mean error, at any step
NORMAL_SPREAD = 1.2533  # standard deviation of a normal error whose mean size is one
MOST_WIDENED = 3.0  # times
LEAST_APART = 2  # windows that do not overlap, for one to say whether margins of others hold it
NONE_KNOWN = 1.5  # mean error in units of a series' scale, where the backtest holds none

Margins = Callable[[ForecastTruth, np.ndarray], tuple[np.ndarray, np.ndarray]]
Bounds = Callable[[np.ndarray, tuple[float, ...], bool], np.ndarray]


def conformalize(truth: ForecastTruth, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Margins [horizon, n_quantiles] in units of scales [n_series], from forecasts [n_windows, n_series, horizon].

    They are as wide as it takes for the margins of some windows to hold the others as well: windows differ, and the
    stamps to come will differ from all of them.
    """
    margins, scales = margins_of_alike(truth, point)
    return np.sort(margins * _widening(truth, point), axis=1), scales


def margins_of_alike(truth: ForecastTruth, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same as if all windows were alike."""
    errors = (truth.y - point) / truth.error_scales[:, None]
    ratios = _ratios(errors, truth)
    errors = errors / ratios[:, None]
    sizes = sizes_of(errors)
    return sizes[:, None] * bounds_by_step(errors / sizes, truth, _quantiles), truth.error_scales * ratios


def quantiles(
    point: np.ndarray, margins: np.ndarray, scales: np.ndarray, floors: np.ndarray | float = -np.inf
) -> np.ndarray:
    """Quantiles [..., n_series, n_steps, n_quantiles], ascending, of points [..., n_series, n_steps], none below the
    floor of its series.

    Steps beyond the margins' horizon have the distances of the last step, growing as a random walk's would.
    """
    return around(point, margins[: point.shape[-1]] * scales[:, None, None], floors)


def around(point: np.ndarray, distances: np.ndarray, floors: np.ndarray | float = -np.inf) -> np.ndarray:
    """The same by distances from the point [..., n_series, horizon, n_quantiles]."""
    horizon, floors = distances.shape[-2], np.asarray(floors)[..., None, None]
    near = point[..., :horizon, None]
    found = np.maximum(np.sort(near + distances, axis=-1), floors)
    steps = np.arange(point.shape[-1])
    growth = np.sqrt(np.maximum(1.0, (steps + 1) / horizon))
    wide = (found - near)[..., np.minimum(steps, horizon - 1), :] * growth[:, None]
    return np.maximum(point[..., None] + wide, floors)


def held_out(truth: ForecastTruth, point: np.ndarray) -> np.ndarray:
    """Quantiles of each window by margins of the others, shaped as `quantiles`; NaN with fewer than two windows."""
    return np.maximum(_of_others(truth, point, conformalize), truth.floor)


def scores_of_each(metric: str, truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    """A metric of many backtests [n, n_windows, n_series, horizon]; what judges quantiles has them by other windows' margins."""
    if metric not in OF_QUANTILES or len(truth.ends) == 1:
        return metrics.scores_of_each(metric, truth, points)
    each = [score(metric, truth, point, held_out(truth, point)) for point in points]
    return np.array(each, np.float64)


def _of_others(truth: ForecastTruth, point: np.ndarray, margins_of: Margins) -> np.ndarray:
    found = np.full((*point.shape, len(truth.levels)), np.nan)
    for window in range(len(truth.ends)) if len(truth.ends) > 1 else ():
        others, their_truth = truth.beside(window)
        found[window] = quantiles(point[window], *margins_of(their_truth, point[others]))
    return found


def _widening(truth: ForecastTruth, point: np.ndarray) -> np.ndarray:
    """By how much margins of windows that lie apart fall short of each window's errors, at least one [n_quantiles]; where
    none lie apart, by how much so few errors are likely to."""
    if truth.n_apart < LEAST_APART:
        return _widening_of_few(truth, point)
    held_out = _of_others(truth, point, margins_of_alike)
    known = np.isfinite(held_out[..., 0]) & truth.is_known
    if not known.any():
        return np.ones(len(truth.levels))
    errors, margins = (truth.y - point)[known], (held_out - point[..., None])[known]
    return np.array([_factor(errors, margins[:, place], level) for place, level in enumerate(truth.levels)])


def _widening_of_few(truth: ForecastTruth, point: np.ndarray) -> np.ndarray:
    """Student's quantiles beside a normal's, for as many errors as there would be if none were like the one before."""
    from scipy.stats import t

    errors = np.where(truth.is_known, truth.y - point, 0.0) / margins_of_alike(truth, point)[1][:, None]
    n_series = int((truth.counts > 0).sum())
    squares = (errors**2).sum()
    alike = float(np.clip((errors[..., 1:] * errors[..., :-1]).sum() / squares, 0.0, 1.0)) if squares > 0 else 0.0
    n_alone = max(1.0, truth.n_apart * n_series * max(1.0, truth.horizon * (1 - alike) / (1 + alike)))
    shares = np.array([max(level, 1 - level) for level in truth.levels])
    normal = np.array([NormalDist().inv_cdf(share) for share in shares])
    few = np.divide(t.ppf(shares, n_alone), normal, out=np.ones(len(shares)), where=normal > 0)
    return np.clip(few, 1.0, MOST_WIDENED)


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


def sizes_of(errors: np.ndarray) -> np.ndarray:
    """Mean size of an error at each step ahead: a straight line that does not fall, float64 [horizon]."""
    known = np.isfinite(errors)
    steps, sizes = np.nonzero(known)[2], np.abs(errors[known])
    if not len(sizes):
        return np.full(errors.shape[-1], NONE_KNOWN)
    centred = steps - steps.mean()
    slope = max(0.0, float(centred @ sizes / max(centred @ centred, 1e-12)))
    line = sizes.mean() + slope * (np.arange(errors.shape[-1]) - steps.mean())
    return np.maximum(line, max(LEAST_SIZE * sizes.mean(), np.finfo(float).tiny))


def bounds_by_step(errors: np.ndarray, truth: ForecastTruth, bounds_of: Bounds) -> np.ndarray:
    """Bounds of errors of size one [n_windows, n_series, horizon, ...] at each step ahead [horizon, n_quantiles].

    Errors of windows that overlap are one error seen several times, and count accordingly.
    """
    share = int(truth.n_apart) / len(truth.ends)
    pools: dict[tuple[int, int], np.ndarray] = {}
    known = np.isfinite(errors).reshape(*errors.shape[:3], -1).all(axis=3)
    by_step = [
        step[is_known] for step, is_known in zip(np.moveaxis(errors, 2, 0), np.moveaxis(known, 2, 0), strict=True)
    ]
    counts = share * np.array([len(step) for step in by_step])
    found = []
    for step in range(len(by_step)):
        ends = _neighbours(counts, step)
        if ends not in pools:
            errors_there = np.concatenate(by_step[ends[0] : ends[1]])
            pools[ends] = bounds_of(errors_there, truth.levels, share * len(errors_there) < FEW)
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


def _quantiles(errors: np.ndarray, levels: tuple[float, ...], are_few: bool) -> np.ndarray:
    """Each level's bound: below the point for those below the median, above it for those above, which is the point itself."""
    if are_few:
        sizes = np.sort(np.abs(errors))
        return np.array([np.sign(level - MEDIAN) * _bound(sizes, abs(2 * level - 1)) for level in levels])
    ordered = {-1.0: np.sort(-errors), 1.0: np.sort(errors)}
    bounds = [(side, _bound(ordered[side], max(level, 1 - level))) for level in levels if (side := side_of(level))]
    found = iter(side * max(0.0, bound) for side, bound in bounds)
    return np.array([next(found) if side_of(level) else 0.0 for level in levels])


def side_of(level: float) -> float:
    """Below the median, the median itself, or above."""
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
