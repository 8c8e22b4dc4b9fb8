"""Metrics of one number per row, and the names of those of series, which single rows do not have."""

from functools import partial

import numpy as np

from automl_assets.metrics.metric import SERIES, VALUES, Formula, Metric, Need, truth_varies
from automl_assets.metrics.ranking import ends_of_ties


def _mean_absolute(truth, prediction, weight, problem) -> float:
    return float(np.average(np.abs(prediction - truth), weights=weight))


def _mean_absolute_percentage(truth, prediction, weight, problem) -> float:
    return 100.0 * float(np.average(np.abs((prediction - truth) / truth), weights=weight))


def _median_absolute(truth, prediction, weight, problem) -> float:
    errors = np.abs(prediction - truth)
    return float(np.median(errors)) if weight is None else _weighted_median(errors, weight)


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """The median of the values, each repeated as often as its weight says."""
    order = np.argsort(values)
    below = np.cumsum(weight[order])
    lower, upper = (np.searchsorted(below, below[-1] / 2, side=side) for side in ("left", "right"))
    return float((values[order[lower]] + values[order[min(upper, len(order) - 1)]]) / 2)


def _root_mean_squared(truth, prediction, weight, problem) -> float:
    return float(np.sqrt(np.average((prediction - truth) ** 2, weights=weight)))


def _root_mean_squared_log(truth, prediction, weight, problem) -> float:
    return _root_mean_squared(np.log1p(truth), np.log1p(prediction), weight, problem)


def _r2(truth, prediction, weight, problem) -> float:
    """Share of the variance explained, cut off at -1 so that one wild prediction does not drown a mean."""
    residual = np.average((truth - prediction) ** 2, weights=weight)
    return max(-1.0, float(1.0 - residual / _variance(truth, weight)))


def _explained_variance(truth, prediction, weight, problem) -> float:
    return float(1.0 - _variance(truth - prediction, weight) / _variance(truth, weight))


def _variance(values: np.ndarray, weight: np.ndarray | None) -> float:
    return np.average((values - np.average(values, weights=weight)) ** 2, weights=weight)


def _spearman(truth, prediction, weight, problem) -> float:
    """Correlation of ranks, ties sharing theirs; a prediction that is always the same orders nothing: 0."""
    first, second = _centred_ranks(truth, weight), _centred_ranks(prediction, weight)
    spread = np.average(first**2, weights=weight) * np.average(second**2, weights=weight)
    return float(np.average(first * second, weights=weight) / np.sqrt(spread)) if spread > 0 else 0.0


def _centred_ranks(values: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    order = np.argsort(values)
    last = ends_of_ties(values[order])
    upto = last + 1.0 if weight is None else np.cumsum(weight[order])[last]
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(upto - np.diff(upto, prepend=0.0) / 2, np.diff(last, prepend=-1))
    return ranks - upto[-1] / 2  # midranks average to half the total weight


def _normalized(truth, prediction, weight, problem, error: Formula) -> float:
    lowest, highest = problem.target_range
    return error(truth, prediction, weight, problem) / (highest - lowest)


def _normalized_log(truth, prediction, weight, problem) -> float:
    lowest, highest = np.log1p(problem.target_range)
    return _root_mean_squared_log(truth, prediction, weight, problem) / float(highest - lowest)


# What the rows must hold


def _is_above_minus_one(truth, prediction, weight, problem) -> bool:
    return truth.min() > -1 and prediction.min() > -1


_VARIED = Need("target values that differ", truth_varies)
_NO_ZERO = Need("a target that is never zero", lambda truth, *_: bool((truth != 0).all()))
_LOG = Need("targets and predictions above -1", _is_above_minus_one)
_RANGE = Need("a training target with a range", lambda *given: given[-1].target_range[0] < given[-1].target_range[1])
_LOG_RANGE = Need("a training target above -1", lambda *given: given[-1].target_range[0] > -1)
_SERIES = Need("what came before in each series, see `forecast_metrics`", lambda *given: False)


# The table


def _error_metrics() -> list[Metric]:
    worse = partial(Metric, greater_is_better=False, kind=VALUES)
    return [
        worse("mean_absolute_error", _mean_absolute),
        worse("mean_absolute_percentage_error", _mean_absolute_percentage, needs=(_NO_ZERO,)),
        worse("median_absolute_error", _median_absolute),
        worse("root_mean_squared_error", _root_mean_squared),
        worse("root_mean_squared_log_error", _root_mean_squared_log, needs=(_LOG,)),
        worse("normalized_mean_absolute_error", partial(_normalized, error=_mean_absolute), needs=(_RANGE,)),
        worse("normalized_median_absolute_error", partial(_normalized, error=_median_absolute), needs=(_RANGE,)),
        worse("normalized_root_mean_squared_error", partial(_normalized, error=_root_mean_squared), needs=(_RANGE,)),
        worse("normalized_root_mean_squared_log_error", _normalized_log, needs=(_RANGE, _LOG_RANGE, _LOG)),
    ]


def _fit_metrics() -> list[Metric]:
    better = partial(Metric, greater_is_better=True, kind=VALUES, needs=(_VARIED,))
    return [
        better("explained_variance", _explained_variance),
        better("r2_score", _r2),
        better("spearman_correlation", _spearman),
    ]


def _series_metrics() -> list[Metric]:
    """Errors that single rows do not have: measured by the past of each series, or of quantiles."""
    names = ("MASE", "RMSSE", "OWA", "sMAPE", "WAPE", "WQL", "pinball_loss")
    return [Metric(name, lambda *given: np.nan, False, SERIES, needs=(_SERIES,)) for name in names]


METRICS: tuple[Metric, ...] = (*_error_metrics(), *_fit_metrics(), *_series_metrics())
