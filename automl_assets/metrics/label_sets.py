"""Metrics of sets of labels, each of which is decided by itself: any number of them may be right, or none.

Truth is int8 [n_rows, n_labels] of 0 and 1, predictions are probabilities [n_rows, n_labels]. Means over labels are of
those that occur in the truth, as those of classes are; a row without labels that is answered with none is right.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from automl_assets.metrics.metric import LABEL_SETS, Formula, Metric, Need
from automl_assets.metrics.ranking import precision_area, roc_area
from automl_assets.records import Problem

SMALLEST = float(np.finfo(np.float64).eps)  # a probability of zero counts as this


def decided_sets(prediction: np.ndarray, problem: Problem) -> np.ndarray:
    """Which labels are answered, bool [n_rows, n_labels]: those whose probability is above their threshold.

    >>> problem = Problem("any", "accuracy", ("a", "b"), is_multilabel=True, thresholds=(0.5, 0.2))
    >>> decided_sets(np.array([[0.4, 0.3]]), problem)
    array([[False,  True]])
    """
    return prediction > (np.array(problem.thresholds) if problem.thresholds else 0.5)


# Counts of each label, [n_labels] each


def label_counts(
    truth: np.ndarray, answered: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight of the rows that have each label and are answered with it, that have it, and that are answered with it.

    >>> [counts.tolist() for counts in label_counts(np.array([[1, 0], [1, 1]]), np.array([[True, True], [False, True]]), None)]
    [[1.0, 1.0], [2.0, 1.0], [1.0, 2.0]]
    """
    rows = np.ones(len(truth)) if weight is None else weight
    return rows @ (answered & (truth > 0)), rows @ truth, rows @ answered


def label_areas(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, area: Callable = roc_area
) -> np.ndarray:
    """The area of each label, float64 [n_labels]; NaN where no row has it, or every row does."""
    areas = np.full(truth.shape[1], np.nan)
    for label in np.flatnonzero(_is_contested(truth, weight)):
        areas[label] = area(truth[:, label] > 0, prediction[:, label], weight)
    return areas


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Zero where there is nothing to be a part of."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)


def _recalls(right: np.ndarray, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    return ratio(right, true)


def _precisions(right: np.ndarray, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    return ratio(right, answered)


def _f1s(right: np.ndarray, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    return ratio(2 * right, true + answered)


def _overlaps(right: np.ndarray, true: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Intersection over union (Jaccard)."""
    return ratio(right, true + answered - right)


# Means


def _mean_rate(truth, prediction, weight, problem, rates: Callable, average: str) -> float:
    counts = label_counts(truth, decided_sets(prediction, problem), weight)
    if average == "micro":
        return float(rates(*(count.sum(keepdims=True) for count in counts))[0])
    return _over_labels(rates(*counts), counts[1], average)


def _over_labels(values: np.ndarray, support: np.ndarray, average: str) -> float:
    occurs = support > 0
    return float(np.average(values[occurs], weights=support[occurs] if average == "weighted" else None))


def _mean_of_rows(truth, prediction, weight, problem, rates: Callable) -> float:
    """The rate of each row's own set; of two empty ones it is 1."""
    answered = decided_sets(prediction, problem)
    right, true, said = (answered & (truth > 0)).sum(axis=1), truth.sum(axis=1, dtype=np.int64), answered.sum(axis=1)
    values = np.where((true == 0) & (said == 0), 1.0, rates(right, true, said))
    return float(np.average(values, weights=weight))


def _exact_match(truth, prediction, weight, problem) -> float:
    """Share of the rows whose whole set is right: what scikit-learn calls accuracy."""
    is_right = (decided_sets(prediction, problem) == (truth > 0)).all(axis=1)
    return float(np.average(is_right, weights=weight))


def _hamming(truth, prediction, weight, problem) -> float:
    """Share of all decisions that are wrong."""
    return float(np.average((decided_sets(prediction, problem) != (truth > 0)).mean(axis=1), weights=weight))


def _log_loss(truth, prediction, weight, problem) -> float:
    return float(np.average(row_losses(truth, prediction, SMALLEST), weights=weight))


def row_losses(truth: np.ndarray, prediction: np.ndarray, floor: float) -> np.ndarray:
    """Mean log loss of the decisions of each row, in nats, float64 [n_rows]; no probability counts as less than `floor`."""
    right = np.where(truth > 0, prediction, 1.0 - prediction)
    return -np.log(np.clip(right, floor, 1.0)).mean(axis=1)


def _mean_area(truth, prediction, weight, problem, area: Callable, average: str) -> float:
    if average == "micro":
        of_decisions = None if weight is None else np.repeat(weight, truth.shape[1])
        return area(truth.ravel() > 0, prediction.ravel(), of_decisions)
    areas = label_areas(truth, prediction, weight, area)
    known = ~np.isnan(areas)
    return _over_labels(areas[known], _support(truth, weight)[known], average)


def _support(truth: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return truth.sum(axis=0, dtype=np.float64) if weight is None else weight @ truth


def _is_contested(truth: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Whether some rows that count have a label and others lack it, bool [n_labels]."""
    support, total = _support(truth, weight), len(truth) if weight is None else weight.sum()
    return (support > 0) & (support < total * (1 - 1e-12))


# What the rows must hold


def _has_labels(truth, prediction, weight, problem) -> bool:
    return bool((_support(truth, weight) > 0).any())


def _has_contest(truth, prediction, weight, problem) -> bool:
    return bool(_is_contested(truth, weight).any())


_LABELLED = Need("rows that have a label", _has_labels)
_CONTESTED = Need("a label that some rows have and others lack", _has_contest)


# The table


def _decision_metric(
    name: str, function: Formula, greater_is_better: bool = True, needs: tuple[Need, ...] = (), is_macro: bool = False
) -> Metric:
    return Metric(name, function, greater_is_better, LABEL_SETS, needs, None, is_macro, is_decided=True)


def _rate_metrics(name: str, rates: Callable) -> list[Metric]:
    return [
        _decision_metric(
            f"{name}_{average}",
            partial(_mean_rate, rates=rates, average=average),
            needs=(_LABELLED,),
            is_macro=average == "macro",
        )
        for average in ("macro", "micro", "weighted")
    ]


def _area_metrics(name: str, area: Callable) -> list[Metric]:
    return [
        Metric(
            f"{name}_{average}",
            partial(_mean_area, area=area, average=average),
            greater_is_better=True,
            kind=LABEL_SETS,
            needs=(_CONTESTED,),
            is_over_classes=average == "macro",
        )
        for average in ("macro", "micro", "weighted")
    ]


METRICS: tuple[Metric, ...] = (
    _decision_metric("accuracy", _exact_match),
    _decision_metric("hamming_loss", _hamming, greater_is_better=False),
    Metric("log_loss", _log_loss, False, LABEL_SETS),
    *_rate_metrics("precision_score", _precisions),
    *_rate_metrics("recall_score", _recalls),
    *_rate_metrics("f1_score", _f1s),
    _decision_metric("f1_score_samples", partial(_mean_of_rows, rates=_f1s)),
    *_rate_metrics("iou", _overlaps),
    _decision_metric("iou_samples", partial(_mean_of_rows, rates=_overlaps)),
    *_area_metrics("AUC", roc_area),
    *_area_metrics("average_precision_score", precision_area),
)
