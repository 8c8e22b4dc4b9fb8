"""choose_label_thresholds: from which probability on each label is in the set that is answered.

Four ways are tried on out-of-fold rows: 0.5, one threshold that suits the experiment's metric, the F1 of each label by
itself, and midway between these two. What is best on rows that had no say in it is kept.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from automl_assets import metrics
from automl_assets.metrics.label_thresholds import ROUNDING, label_thresholds
from automl_assets.records import Ensemble, Truth
from automl_assets.steps.calibrate import Judged, judged

MIN_ROWS = 50
MAX_CELLS = 2_000_000  # rows x labels; a seeded sample of more rows
N_REPEATS = 3
GRID = np.round(np.arange(0.02, 1.0, 0.02), 2)  # common thresholds that are tried
RANK_BY = "f1_score_macro"  # where the experiment's metric looks at no threshold

Choose = Callable[[Judged, str], np.ndarray]  # rows, metric -> thresholds [n_labels]


def choose_label_thresholds(ensemble: Ensemble, truth: Truth, seed: int) -> Ensemble:
    """The ensemble with the thresholds that suit its metric; as it is where rows are few, or 0.5 does as well."""
    problem = ensemble.problem
    rows = judged(ensemble, truth, MAX_CELLS // problem.n_classes, seed)
    if rows.n_rows < MIN_ROWS or not rows.y.any():
        return ensemble
    is_decided = metrics.metric(problem.metric, problem.task).is_of_labels
    metric = problem.metric if is_decided else RANK_BY
    chosen = {choose: _chosen(rows, choose, metric, seed) for choose in WAYS}
    best = max(chosen, key=lambda choose: chosen[choose][1])
    thresholds, gain = chosen[best]
    if gain <= 0:
        return ensemble
    decisive = replace(problem, thresholds=tuple(np.round(thresholds, 6).tolist()))
    gained = metrics.oriented(metric, gain) if is_decided else 0.0
    return replace(ensemble, problem=decisive, score=ensemble.score + gained)


def _chosen(rows: Judged, choose: Choose, metric: str, seed: int) -> tuple[np.ndarray, float]:
    """The thresholds of all folds in the middle [n_labels], and what they add to the metric, greater is better."""
    every, gains = [], []
    for repeat in range(N_REPEATS):
        answers = np.empty(rows.predictions.shape)
        for learn, judge in rows.folds(seed + repeat):
            every.append(choose(rows.take(learn), metric))
            answers[judge] = rows.predictions[judge] > every[-1]
        gains.append(rows.score(metric, answers) - rows.score(metric, rows.predictions))
    return np.median(every, axis=0), float(min(gains)) if min(gains) <= 0 else float(np.mean(gains))


def common_threshold(rows: Judged, metric: str) -> np.ndarray:
    """The one with which the metric of all labels is best, [n_labels] of the same."""
    goodness = np.array([rows.score(metric, (rows.predictions > one).astype(float)) for one in GRID])
    best = GRID[goodness >= goodness.max() - ROUNDING]
    return np.full(rows.problem.n_classes, best[np.argmin(np.abs(best - 0.5))])


def own_thresholds(rows: Judged, metric: str) -> np.ndarray:
    """The one of the best F1 for each label, [n_labels]."""
    return label_thresholds(rows.y, rows.predictions, rows.weight)


def midway_thresholds(rows: Judged, metric: str) -> np.ndarray:
    """Between the common one and each label's own, [n_labels]: a rare label is found more often, and the rest hardly
    less."""
    return (common_threshold(rows, metric) + own_thresholds(rows, metric)) / 2


WAYS: tuple[Choose, ...] = (common_threshold, midway_thresholds, own_thresholds)
