"""Metrics of one class per row, from its probabilities: over all thresholds, and of the class that is answered."""

from collections.abc import Callable
from functools import partial

import numpy as np

from automl_assets.metrics.metric import CLASSES, Metric, Need, counted, truth_varies
from automl_assets.metrics.ranking import precision_area, roc_area
from automl_assets.records import Problem

# One class against the rest, over all thresholds


def pooled(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Every (row, class) pair as one decision, for micro averages: is it the class, probability, weight."""
    n_classes = prediction.shape[1]
    is_class = truth[:, None] == np.arange(n_classes)
    return is_class.ravel(), prediction.ravel(), None if weight is None else np.repeat(weight, n_classes)


def _roc_areas(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, present: np.ndarray) -> np.ndarray:
    if prediction.shape[1] == 2:  # two classes mirror each other
        return np.full(2, roc_area(truth == 1, prediction[:, 1], weight))
    return _class_areas(roc_area, truth, prediction, weight, present)


def _class_areas(
    area: Callable, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, present: np.ndarray
) -> np.ndarray:
    areas = np.zeros(prediction.shape[1])
    for code in np.flatnonzero(present):
        areas[code] = area(truth == code, prediction[:, code], weight)
    return areas


def _averaged_area(truth, prediction, weight, problem, areas: Callable, average: str) -> float:
    support = _class_totals(truth, weight, problem)
    return _average(areas(truth, prediction, weight, support > 0), support, average, problem)


def _pooled_area(truth, prediction, weight, problem, area: Callable) -> float:
    return area(*pooled(truth, prediction, weight))


def _class_totals(truth: np.ndarray, weight: np.ndarray | None, problem: Problem) -> np.ndarray:
    return np.bincount(truth, weights=weight, minlength=problem.n_classes).astype(np.float64)


def _average(values: np.ndarray, support: np.ndarray, average: str, problem: Problem) -> float:
    """One value out of one per class; classes that do not occur in the truth take no part."""
    if average == "binary":
        return float(values[problem.positive])
    present = support > 0
    weights = support[present] if average == "weighted" else None
    return float(np.average(values[present], weights=weights))


# The class that is answered


def decided(prediction: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Code of the class that is answered [n_rows]: of two the second where its share is above the threshold, else the
    most probable, the first of equals.

    >>> decided(np.array([[0.7, 0.3], [0.5, 0.5]])), decided(np.array([[0.7, 0.3], [0.5, 0.5]]), threshold=0.2)
    (array([0, 0]), array([1, 1]))
    """
    if prediction.shape[1] == 2:  # argmax along so short an axis is ten times slower
        first, second = prediction[:, 0], prediction[:, 1]
        return (second * (1.0 - threshold) > first * threshold).astype(np.int64)
    return prediction.argmax(axis=1)


def confusion(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem) -> np.ndarray:
    """Weight of the rows of each true class (down) answered with each class (across), [n_classes, n_classes]."""
    cells = truth * problem.n_classes + decided(prediction, problem.threshold)
    totals = np.bincount(cells, weights=weight, minlength=problem.n_classes**2)
    return totals.reshape(problem.n_classes, problem.n_classes).astype(np.float64)


def _of_labels(truth, prediction, weight, problem, of_table: Callable[[np.ndarray, Problem], np.ndarray]) -> float:
    return float(of_table(confusion(truth, prediction, weight, problem), problem))


# Rates of confusions [..., true class, answered class]: one value per class, [..., n_classes]


def _right(table: np.ndarray) -> np.ndarray:
    return np.diagonal(table, axis1=-2, axis2=-1)


def _recalls(table: np.ndarray) -> np.ndarray:
    return _ratio(_right(table), table.sum(axis=-1))


def _precisions(table: np.ndarray) -> np.ndarray:
    return _ratio(_right(table), table.sum(axis=-2))


def _f1s(table: np.ndarray) -> np.ndarray:
    return _ratio(2 * _right(table), table.sum(axis=-2) + table.sum(axis=-1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)


def _mean_rate(table: np.ndarray, problem: Problem, rates: Callable, average: str) -> np.ndarray:
    """Of the classes that occur in the truth."""
    if average == "binary":
        return rates(table)[..., problem.positive]
    support = table.sum(axis=-1)
    counts = support if average == "weighted" else (support > 0).astype(np.float64)
    return (rates(table) * counts).sum(axis=-1) / counts.sum(axis=-1)


def _share_right(table: np.ndarray, problem: Problem) -> np.ndarray:
    return _right(table).sum(axis=-1) / table.sum(axis=(-2, -1))


def _weighted_share_right(table: np.ndarray, problem: Problem) -> np.ndarray:
    """Accuracy where each row counts as often as its class occurs (Azure's definition)."""
    support = table.sum(axis=-1)
    return (support * _right(table)).sum(axis=-1) / (support**2).sum(axis=-1)


_macro_recall = partial(_mean_rate, rates=_recalls, average="macro")


def _norm_macro_recall(table: np.ndarray, problem: Problem) -> np.ndarray:
    chance = 1.0 / problem.n_classes
    return (_macro_recall(table, problem) - chance) / (1.0 - chance)


def _matthews(table: np.ndarray, problem: Problem) -> np.ndarray:
    """Multi-class correlation (Gorodkin 2004); an answer that is always the same correlates with nothing: 0."""
    true, answered, total = table.sum(axis=-1), table.sum(axis=-2), table.sum(axis=(-2, -1))
    covariance = _right(table).sum(axis=-1) * total - (true * answered).sum(axis=-1)
    spread = np.asarray((total**2 - (answered**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1)))
    return _ratio(covariance, np.sqrt(np.maximum(spread, 0.0)))


def _log_loss(truth, prediction, weight, problem) -> float:
    """Mean negative log-likelihood in nats; a probability of zero counts as the smallest step of a float64."""
    smallest = np.finfo(np.float64).eps
    probability = prediction[np.arange(len(truth)), truth]
    return float(-np.average(np.log(np.clip(probability, smallest, 1 - smallest)), weights=weight))


# What the rows must hold


def _has_positive(truth, prediction, weight, problem) -> bool:
    return problem.n_classes == 2 and bool((counted(truth, weight) == problem.positive).any())


_TWO_CLASSES = Need("rows of at least two classes", truth_varies)
_POSITIVE = Need("a problem of two classes, and rows of its positive class", _has_positive)


# The table


def _class_metrics() -> list[Metric]:
    return [
        _label_metric("accuracy", _share_right),
        _label_metric("balanced_accuracy", _macro_recall, is_over_classes=True),
        _label_metric("norm_macro_recall", _norm_macro_recall, is_over_classes=True),
        _label_metric("weighted_accuracy", _weighted_share_right),
        _label_metric("matthews_correlation", _matthews, needs=(_TWO_CLASSES,)),
        Metric("log_loss", _log_loss, False, CLASSES),
    ]


def _label_metric(name: str, of_table: Callable, needs: tuple[Need, ...] = (), is_over_classes: bool = False) -> Metric:
    return Metric(name, partial(_of_labels, of_table=of_table), True, CLASSES, needs, of_table, is_over_classes)


def _rate_metrics(name: str, rates: Callable) -> list[Metric]:
    """The four averages of precision, recall or F1; with one answer per row the micro average is the accuracy."""
    mean = partial(partial, _mean_rate, rates=rates)
    return [
        _label_metric(f"{name}_macro", mean(average="macro"), is_over_classes=True),
        _label_metric(f"{name}_weighted", mean(average="weighted")),
        _label_metric(f"{name}_micro", _share_right),
        _label_metric(f"{name}_binary", mean(average="binary"), needs=(_POSITIVE,)),
    ]


def _area_metrics(name: str, area: Callable, areas: Callable, needs: tuple[Need, ...]) -> list[Metric]:
    better = partial(Metric, greater_is_better=True, kind=CLASSES)
    by_class = partial(partial, _averaged_area, areas=areas)
    return [
        better(f"{name}_macro", by_class(average="macro"), needs=needs, is_over_classes=True),
        better(f"{name}_weighted", by_class(average="weighted"), needs=needs),
        better(f"{name}_micro", partial(_pooled_area, area=area)),
        better(f"{name}_binary", by_class(average="binary"), needs=(_POSITIVE, *needs)),
    ]


METRICS: tuple[Metric, ...] = (
    *_class_metrics(),
    *_rate_metrics("precision_score", _precisions),
    *_rate_metrics("recall_score", _recalls),
    *_rate_metrics("f1_score", _f1s),
    *_area_metrics("AUC", roc_area, _roc_areas, (_TWO_CLASSES,)),
    *_area_metrics("average_precision_score", precision_area, partial(_class_areas, precision_area), ()),
)
