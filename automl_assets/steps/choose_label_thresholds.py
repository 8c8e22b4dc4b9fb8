"""choose_label_thresholds: from which probability on each label is in the set that is answered.

Three ways are tried on out-of-fold rows: 0.5, one threshold that suits the experiment's metric, and the F1 of each label
by itself. That of few rows counts for little beside the common one, so that nothing is learnt from single rows (Lipton et
al. 2014 say what else happens). What is best on rows that had no say in it is kept.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from automl_assets import metrics
from automl_assets.metrics.label_sets import ratio
from automl_assets.records import Ensemble, Truth
from automl_assets.steps.calibrate import Judged, judged

MIN_ROWS = 50
MAX_CELLS = 2_000_000  # rows x labels; a seeded sample of more rows
N_REPEATS = 3
GRID = np.round(np.arange(0.02, 1.0, 0.02), 2)  # common thresholds that are tried
LABEL_ROWS = 20  # rows with a label, for its own threshold to count as much as the common one
RANK_BY = "f1_score_macro"  # where the experiment's metric looks at no threshold
ROUNDING = 1e-12  # sums that differ by less are equal

Choose = Callable[[Judged, str], np.ndarray]  # rows, metric -> thresholds [n_labels]


def choose_label_thresholds(ensemble: Ensemble, truth: Truth, seed: int) -> Ensemble:
    """The ensemble with the thresholds that suit its metric; as it is where rows are few, or 0.5 does as well."""
    problem = ensemble.problem
    rows = judged(ensemble, truth, MAX_CELLS // problem.n_classes, seed)
    if rows.n_rows < MIN_ROWS or not rows.y.any():
        return ensemble
    is_decided = metrics.metric(problem.metric, problem.task).is_of_labels
    metric = problem.metric if is_decided else RANK_BY
    chosen = {choose: _chosen(rows, choose, metric, seed) for choose in (common_threshold, label_thresholds)}
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


def label_thresholds(rows: Judged, metric: str) -> np.ndarray:
    """The one of the best F1 for each label, drawn towards the common one the more the fewer rows have the label."""
    common = common_threshold(rows, "f1_score_micro")
    own = np.array([best_threshold(rows.y[:, i], rows.predictions[:, i], rows.weight) for i in range(len(common))])
    n_with = rows.y.sum(axis=0, dtype=np.int64)
    trust = n_with / (n_with + LABEL_ROWS)
    return np.where(n_with > 0, trust * own + (1 - trust) * common, common)


def best_threshold(y: np.ndarray, probability: np.ndarray, weight: np.ndarray | None) -> float:
    """Of all thresholds that part the rows in different ways the one of the best F1, midway between two probabilities.

    >>> best_threshold(np.array([1, 1, 0, 0]), np.array([0.4, 0.3, 0.2, 0.1]), None)
    0.25
    """
    values, place = np.unique(probability, return_inverse=True)
    rows = np.ones(len(y)) if weight is None else weight
    true, every = (np.bincount(place, weights=one, minlength=len(values)) for one in (rows * y, rows))
    right, answered = (np.append(np.cumsum(one[::-1])[::-1], 0.0) for one in (true, every))  # at or above each value
    f1 = ratio(2 * right, answered + right[0])
    f1[0] = f1[0] if values[0] > 0 else -1.0  # no threshold is below a probability of 0
    ends = np.concatenate([[0.0], values, [1.0]])
    between = (ends[1:] + ends[:-1]) / 2
    best = np.flatnonzero(f1 >= f1.max() - ROUNDING)
    return float(between[best[np.argmin(np.abs(between[best] - 0.5))]])
