"""choose_threshold: from which probability on the second of two classes is the answer.

Chosen for the experiment's metric on out-of-fold rows, and kept only where it beats 0.5 on rows that had no say in it.
"""

from dataclasses import replace

import numpy as np

from automl_assets import metrics
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Ensemble, Truth
from automl_assets.steps.calibrate import Judged, judged

MIN_MINORITY = 50  # rows of the rarer class
MAX_ROWS = 50_000  # a seeded sample of more
N_THRESHOLDS = 100
N_REPEATS = 3


def choose_threshold(ensemble: Ensemble, truth: Truth, experiment: Experiment) -> Ensemble:
    """The ensemble with the threshold that suits its metric. A threshold that the experiment names stays."""
    problem = ensemble.problem
    if problem.n_classes != 2 or experiment.threshold != "auto" or not metrics.METRICS[problem.metric].is_of_labels:
        return ensemble
    rows = judged(ensemble, truth, MAX_ROWS, experiment.seed)
    if np.bincount(rows.y, minlength=2).min() < MIN_MINORITY:
        return ensemble
    thresholds, gains = zip(*(_repeat(rows, experiment.seed + i) for i in range(N_REPEATS)), strict=True)
    if min(gains) <= 0:
        return ensemble
    chosen = replace(problem, threshold=float(np.median(np.concatenate(thresholds))))
    return replace(ensemble, problem=chosen, score=ensemble.score + float(np.mean(gains)))


def _repeat(rows: Judged, seed: int) -> tuple[list[float], float]:
    """The threshold of each fold, and what they add to the metric on the rows that did not choose them."""
    thresholds, answers = [], np.empty(rows.n_rows, np.int64)
    for learn, judge in rows.folds(seed):
        thresholds.append(_best_threshold(rows.take(learn)))
        answers[judge] = metrics.decided(rows.predictions[judge], thresholds[-1])
    metric = rows.problem.metric
    return thresholds, rows.score(metric, np.eye(2)[answers]) - rows.score(metric, rows.predictions)


def _best_threshold(rows: Judged) -> float:
    shares = rows.predictions[:, 1]
    thresholds = np.unique(np.quantile(shares, np.linspace(0, 1, N_THRESHOLDS + 1)))
    goodness = [rows.score(rows.problem.metric, np.eye(2)[(shares > one).astype(int)]) for one in thresholds]
    return float(thresholds[np.argmax(goodness)])
