"""What good means: every metric of every task, its direction, and what the rows must hold for it to have a value.

Here belong formulas over truth, prediction and weight, in numpy alone because ensemble selection calls them thousands
of times. Not here: resampling, drawing, deciding which model wins.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from automl_assets import registry, tagging
from automl_assets.errors import DataError, SettingError, listed, nearest
from automl_assets.records import Problem

Formula = Callable[[np.ndarray, np.ndarray, np.ndarray | None, Problem], float]

CLASSES, VALUES, SERIES, ENTITIES = (
    "classes",
    "values",
    "series",
    "entities",
)  # what metrics judge; a task names those that can judge it


@dataclass(frozen=True)
class Need:
    """A condition on truth, prediction, weight and problem without which a metric has no value."""

    reason: str
    is_met: Callable[[np.ndarray, np.ndarray, np.ndarray | None, Problem], bool]


@dataclass(frozen=True)
class Metric:
    """A formula with a name.

    Classes: truth int codes [n_rows], prediction probabilities [n_rows, n_classes].
    Values: truth and prediction float64 [n_rows]. Weight is float64 [n_rows] or None.
    """

    name: str
    function: Formula
    greater_is_better: bool
    kind: str  # what it judges
    needs: tuple[Need, ...] = ()
    of_table: Callable[[np.ndarray, Problem], np.ndarray] | None = None  # the same of confusions [..., true, answered]
    is_over_classes: bool = False  # a mean of one value per class: of other classes it is another figure

    @property
    def is_of_labels(self) -> bool:
        """Whether it looks at the class that is answered, not at how probable it is."""
        return self.of_table is not None


def metric_names(task: str) -> tuple[str, ...]:
    """Every metric of a task, in alphabetical order.

    >>> metric_names("regression")[:2]
    ('explained_variance', 'mean_absolute_error')
    """
    return tuple(
        sorted(
            (name for name, one in METRICS.items() if one.kind in registry.tasks()[task].metric_kinds), key=str.lower
        )
    )


def metric(name: str, task: str) -> Metric:
    """The metric of that name; SettingError when the task has none such.

    >>> metric("log_loss", "classification").greater_is_better
    False
    """
    found = METRICS.get(name)
    if found is None or found.kind not in registry.tasks()[task].metric_kinds:
        possible = metric_names(task)
        raise SettingError(
            f'metric: got "{name}", which {task} does not have.{nearest(name, possible)} '
            f"Possible: {listed(possible, most=len(possible))}."
        )
    return found


def score(name: str, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem) -> float:
    """The value of one metric; DataError when these rows give it none (as one class alone gives no AUC).

    >>> problem = Problem("classification", "accuracy", classes=("no", "yes"), positive=1)
    >>> score("accuracy", np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]), None, problem)
    0.5
    """
    chosen = metric(name, problem.task)
    answer = _answer(prediction, problem)
    missing = _missing_need(chosen, truth, answer, weight, problem)
    if missing is not None:
        raise DataError(f"{name} has no value on these {len(truth)} rows: it needs {missing.reason}.")
    return float(chosen.function(truth, answer, weight, problem))


def needs_of(name: str) -> str:
    """In words, what the rows must hold for a metric to have a value.

    >>> needs_of("AUC_weighted"), needs_of("accuracy")
    ('rows of at least two classes', 'rows whose weight is not zero')
    """
    return " and ".join(need.reason for need in METRICS[name].needs or (_WEIGHED,))


def oriented(name: str, value: float) -> float:
    """The value with its sign turned where less is better, so that greater is always better.

    >>> oriented("accuracy", 0.9), oriented("log_loss", 0.3)
    (0.9, -0.3)
    """
    return value if METRICS[name].greater_is_better else -value


def all_scores(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> dict[str, float]:
    """Every metric of the task that has a value on these rows.

    >>> problem = Problem("regression", "r2_score", target_range=(0.0, 4.0))
    >>> scores = all_scores(np.array([0.0, 4.0]), np.array([1.0, 3.0]), None, problem)
    >>> scores["normalized_mean_absolute_error"], "mean_absolute_percentage_error" in scores
    (0.25, False)
    """
    return scores_of(metric_names(problem.task), truth, prediction, weight, problem)


def scores_of(
    names: Iterable[str], truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> dict[str, float]:
    """Those of the named metrics that have a value on these rows."""
    given = (truth, _answer(prediction, problem), weight, problem)
    chosen = [metric(name, problem.task) for name in names]
    return {one.name: float(one.function(*given)) for one in chosen if _missing_need(one, *given) is None}


def _answer(prediction: np.ndarray, problem: Problem) -> np.ndarray:
    answer = np.asarray(prediction, dtype=np.float64)
    if not np.isfinite(answer).all():
        n_broken = int((~np.isfinite(answer)).sum())
        raise DataError(f"the prediction holds {n_broken} values that are missing or infinite: nothing can be scored.")
    return answer if problem.n_classes else answer.reshape(-1)


def _missing_need(
    chosen: Metric, truth: np.ndarray, answer: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> Need | None:
    return next((need for need in (_WEIGHED, *chosen.needs) if not need.is_met(truth, answer, weight, problem)), None)


# Classification: one class against the rest, over all thresholds


def ranked_totals(is_class: np.ndarray, values: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Weight of a class and of all others at or above each distinct value, from the highest value down.

    >>> ranked_totals(np.array([True, False, True]), np.array([0.9, 0.4, 0.4]), None)
    (array([1., 2.]), array([0., 1.]))
    """
    order = np.argsort(-values)
    last = _ends_of_ties(values[order])
    if weight is None:
        inside = np.cumsum(is_class[order], dtype=np.float64)[last]
        return inside, last + 1.0 - inside
    inside = np.cumsum((weight * is_class)[order])[last]
    return inside, np.cumsum((weight * ~is_class)[order])[last]


def roc_area(is_class: np.ndarray, values: np.ndarray, weight: np.ndarray | None) -> float:
    """Share of pairs (one of the class, one of the rest) in the right order, ties counting half."""
    inside, outside = ranked_totals(is_class, values, weight)
    midway = inside - np.diff(inside, prepend=0.0) / 2
    return float((np.diff(outside, prepend=0.0) * midway).sum() / (inside[-1] * outside[-1]))


def precision_area(is_class: np.ndarray, values: np.ndarray, weight: np.ndarray | None) -> float:
    """Average precision: the sum of precision times the gain in recall, without interpolation."""
    inside, outside = ranked_totals(is_class, values, weight)
    total = inside + outside
    precision = np.divide(inside, total, out=np.ones_like(total), where=total > 0)
    return float((np.diff(inside, prepend=0.0) * precision).sum() / inside[-1])


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


# Classification: the class that is answered


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


# Entities: truth int codes of tags [n_tokens], prediction probabilities [n_tokens, n_tags]


@dataclass(frozen=True)
class _EntityRate:
    """A rate of entities, averaged as `seqeval` does: over the labels that are there or were found."""

    count: Callable[..., tagging.Counts]
    rate: Callable[..., np.ndarray]
    average: str

    def __call__(self, truth, prediction, weight, problem) -> float:
        found = self.count(truth, tagging.decoded_tags(prediction, problem.threshold), weight, problem.n_classes)
        totals = (found.true, found.found, found.met, found.right)
        if self.average == "micro":
            return float(self.rate(*(total.sum(keepdims=True) for total in totals))[0])
        rates, seen = self.rate(*totals), found.true + found.found > 0
        return float(np.average(rates[seen], weights=found.true[seen] if self.average == "weighted" else None))


def _entity_precision(true: np.ndarray, found: np.ndarray, met: np.ndarray, right: np.ndarray) -> np.ndarray:
    return _ratio(right, found)


def _entity_recall(true: np.ndarray, found: np.ndarray, met: np.ndarray, right: np.ndarray) -> np.ndarray:
    return _ratio(met, true)


def _entity_f1(*counts: np.ndarray) -> np.ndarray:
    precision, recall = _entity_precision(*counts), _entity_recall(*counts)
    return _ratio(2 * precision * recall, precision + recall)


# Regression


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
    last = _ends_of_ties(values[order])
    upto = last + 1.0 if weight is None else np.cumsum(weight[order])[last]
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(upto - np.diff(upto, prepend=0.0) / 2, np.diff(last, prepend=-1))
    return ranks - upto[-1] / 2  # midranks average to half the total weight


def _ends_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Position of the last of each run of equal values."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)


def _normalized(truth, prediction, weight, problem, error: Formula) -> float:
    lowest, highest = problem.target_range
    return error(truth, prediction, weight, problem) / (highest - lowest)


def _normalized_log(truth, prediction, weight, problem) -> float:
    lowest, highest = np.log1p(problem.target_range)
    return _root_mean_squared_log(truth, prediction, weight, problem) / float(highest - lowest)


# What the rows must hold


def _counted(values: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return values if weight is None else values[weight > 0]


def _has_weight(truth, prediction, weight, problem) -> bool:
    return weight is None or bool((weight > 0).any())


def _truth_varies(truth, prediction, weight, problem) -> bool:
    seen = _counted(truth, weight)
    return len(seen) > 0 and seen.min() < seen.max()


def _has_positive(truth, prediction, weight, problem) -> bool:
    return problem.n_classes == 2 and bool((_counted(truth, weight) == problem.positive).any())


def _is_above_minus_one(truth, prediction, weight, problem) -> bool:
    return truth.min() > -1 and prediction.min() > -1


_WEIGHED = Need("rows whose weight is not zero", _has_weight)  # of every metric
_TWO_CLASSES = Need("rows of at least two classes", _truth_varies)
_POSITIVE = Need("a problem of two classes, and rows of its positive class", _has_positive)
_VARIED = Need("target values that differ", _truth_varies)
_NO_ZERO = Need("a target that is never zero", lambda truth, *_: bool((truth != 0).all()))
_LOG = Need("targets and predictions above -1", _is_above_minus_one)
_RANGE = Need("a training target with a range", lambda *given: given[-1].target_range[0] < given[-1].target_range[1])
_ENTITY = Need("rows with an entity", lambda truth, _, weight, __: bool((_counted(truth, weight) > 0).any()))
_LOG_RANGE = Need("a training target above -1", lambda *given: given[-1].target_range[0] > -1)
_SERIES = Need("what came before in each series, see `forecast_metrics`", lambda *given: False)


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


def _entity_metrics() -> list[Metric]:
    """Strict: bounds and label are right; lenient: the label is, and a token is shared."""
    rates = {"precision": _entity_precision, "recall": _entity_recall, "f1": _entity_f1}
    kinds = [(tagging.counts, average, average) for average in ("micro", "macro", "weighted")]
    kinds.append((tagging.lenient_counts, "micro", "lenient"))
    return [
        Metric(
            f"entity_{name}_{ending}",
            _EntityRate(count, rate, average),
            True,
            ENTITIES,
            needs=(_ENTITY,),
            is_over_classes=average == "macro",
        )
        for name, rate in rates.items()
        for count, average, ending in kinds
    ]


def _series_metrics() -> list[Metric]:
    """Errors that single rows do not have: measured by the past of each series, or of quantiles."""
    names = ("MASE", "RMSSE", "OWA", "sMAPE", "WAPE", "WQL", "pinball_loss")
    return [Metric(name, lambda *given: np.nan, False, SERIES, needs=(_SERIES,)) for name in names]


METRICS: dict[str, Metric] = {
    one.name: one
    for one in (
        *_class_metrics(),
        *_rate_metrics("precision_score", _precisions),
        *_rate_metrics("recall_score", _recalls),
        *_rate_metrics("f1_score", _f1s),
        *_area_metrics("AUC", roc_area, _roc_areas, (_TWO_CLASSES,)),
        *_area_metrics("average_precision_score", precision_area, partial(_class_areas, precision_area), ()),
        *_error_metrics(),
        *_fit_metrics(),
        *_entity_metrics(),
        *_series_metrics(),
    )
}
