"""choose_threshold: from which probability on the second of two classes is the answer, a label is in a set, or a box counts.

Chosen for the experiment's metric on out-of-fold rows, and kept only where it beats 0.5 on rows that had no say in it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from automl_assets import metrics
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import Experiment
from automl_assets.metrics.classes import decided
from automl_assets.records import AnswerName, Ensemble, Truth
from automl_assets.steps.calibrate import Judged, judged
from automl_assets.steps.choose_entity_threshold import choose_entity_threshold
from automl_assets.steps.choose_label_thresholds import choose_label_thresholds
from automl_assets.steps.choose_object_threshold import choose_object_threshold

MIN_MINORITY = 50  # rows of the rarer class
MAX_ROWS = 500_000  # a seeded sample of more
N_REPEATS = 3
ROUNDING = 1e-12  # sums that differ by less are equal


def choose_threshold(ensemble: Ensemble, truth: Truth, experiment: Experiment) -> Ensemble:
    """The ensemble with the threshold that suits its metric. A threshold that the experiment names stays."""
    if experiment.threshold != "auto":
        return ensemble
    return CHOICES[ensemble.problem.answers](ensemble, truth, experiment.seed)


def _of_two_classes(ensemble: Ensemble, truth: Truth, seed: int) -> Ensemble:
    problem = ensemble.problem
    if metrics.metric(problem.metric, problem.task).is_of_sequences:
        return choose_entity_threshold(ensemble, judged(ensemble, truth), seed)
    if not problem.is_binary or not metrics.METRICS[problem.metric].is_of_labels:
        return ensemble
    rows = judged(ensemble, truth, MAX_ROWS, seed)
    if np.bincount(rows.y, minlength=2).min() < MIN_MINORITY:
        return ensemble
    thresholds, gains = zip(*(_repeat(rows, seed + i) for i in range(N_REPEATS)), strict=True)
    if min(gains) <= 0:
        return ensemble
    chosen = replace(problem, threshold=float(np.median(np.concatenate(thresholds))))
    return replace(ensemble, problem=chosen, score=ensemble.score + float(np.mean(gains)))


def _repeat(rows: Judged, seed: int) -> tuple[list[float], float]:
    """The threshold of each fold, and what they add to the metric on the rows that did not choose them."""
    thresholds, answers = [], np.empty(rows.n_rows, np.int64)
    for learn, judge in rows.folds(seed):
        thresholds.append(_best_threshold(rows.take(learn)))
        answers[judge] = decided(rows.predictions[judge], thresholds[-1])
    metric = rows.problem.metric
    return thresholds, rows.score(metric, np.eye(2)[answers]) - rows.score(metric, rows.predictions)


def _best_threshold(rows: Judged) -> float:
    """Of all thresholds that part the rows in different ways the best one, midway between two shares."""
    shares, tables = _tables(rows)
    of_table = metrics.METRICS[rows.problem.metric].of_table
    if of_table is None:
        raise SettingError(f"{rows.problem.metric} looks at no threshold")
    goodness = of_table(tables, rows.problem)
    ends = np.concatenate([[0.0], shares, [1.0]])
    between = (ends[1:] + ends[:-1]) / 2
    best = np.flatnonzero(goodness >= goodness.max() - ROUNDING)
    return float(between[best[np.argmin(np.abs(between[best] - 0.5))]])


def _tables(rows: Judged) -> tuple[np.ndarray, np.ndarray]:
    """The different shares of the second class, ascending [n_shares], and the confusion where rows above none of them,
    above the first, ... above all are answered with it, [n_shares + 1, 2, 2]."""
    shares, place = np.unique(rows.predictions[:, 1], return_inverse=True)
    weight = np.ones(rows.n_rows) if rows.weight is None else rows.weight
    tables = np.empty((len(shares) + 1, 2, 2))
    for code in (0, 1):
        below = np.cumsum(np.bincount(place, weights=weight * (rows.y == code), minlength=len(shares)))
        tables[:, code, 0] = np.concatenate([[0.0], below])
        tables[:, code, 1] = below[-1] - tables[:, code, 0]
    return shares, tables


CHOICES: dict[AnswerName, Callable[[Ensemble, Truth, int], Ensemble]] = {
    "classes": _of_two_classes,
    "label_sets": choose_label_thresholds,
    "boxes": lambda ensemble, truth, seed: choose_object_threshold(ensemble, judged(ensemble, truth)),
    "values": lambda ensemble, truth, seed: ensemble,
}
