"""What good means: every metric of every task, its direction, and what the rows must hold for it to have a value.

Here belong formulas over truth, prediction and weight, in numpy alone because ensemble selection calls them thousands
of times; those of each kind of answer in a file of their own. Not here: resampling, drawing, deciding
which model wins.
"""

from collections.abc import Iterable
from functools import cache

import numpy as np

from automl_assets import registry
from automl_assets.errors import DataError, SettingError, listed, nearest
from automl_assets.metrics import classes, entities, label_sets, objects, values
from automl_assets.metrics.metric import WEIGHED, Metric, Need
from automl_assets.records import Problem

# What a metric judges -> its name -> the metric. One name means the same of classes and of sets, by other formulas.
_BY_KIND: dict[str, dict[str, Metric]] = {}
for _one in (*label_sets.METRICS, *entities.METRICS, *objects.METRICS, *classes.METRICS, *values.METRICS):
    _BY_KIND.setdefault(_one.kind, {})[_one.name] = _one

METRICS: dict[str, Metric] = {name: one for table in _BY_KIND.values() for name, one in table.items()}


@cache
def _of_task(task: str) -> dict[str, Metric]:
    kinds = registry.tasks()[task].metric_kinds
    return {name: one for kind, table in _BY_KIND.items() if kind in kinds for name, one in table.items()}


def metric_names(task: str) -> tuple[str, ...]:
    """Every metric of a task, in alphabetical order.

    >>> metric_names("regression")[:2]
    ('explained_variance', 'mean_absolute_error')
    """
    return tuple(sorted(_of_task(task), key=str.lower))


def metric(name: str, task: str) -> Metric:
    """The metric of that name; SettingError when the task has none such.

    >>> metric("log_loss", "classification").greater_is_better
    False
    """
    found = _of_task(task).get(name)
    if found is None:
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


def needs_of(name: str, task: str) -> str:
    """In words, what the rows must hold for a metric of a task to have a value.

    >>> needs_of("AUC_weighted", "classification"), needs_of("accuracy", "classification")
    ('rows of at least two classes', 'rows whose weight is not zero')
    >>> needs_of("AUC_weighted", "text_classification_multilabel")
    'a label that some rows have and others lack'
    """
    return " and ".join(need.reason for need in metric(name, task).needs or (WEIGHED,))


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
    return next((need for need in (WEIGHED, *chosen.needs) if not need.is_met(truth, answer, weight, problem)), None)
