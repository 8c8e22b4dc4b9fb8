"""calibrate: what the ensemble calls 70 % should come true 70 times in a hundred.

Temperature scaling (Guo 2017), for two classes also with a bias (Platt 1999). Learnt on out-of-fold rows, and kept only
where it makes the log loss less on rows that it did not learn from. It never reorders the rows of two classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from automl_assets import metrics
from automl_assets.parts import link_scores
from automl_assets.records import Calibration, Ensemble, Problem, Truth
from automl_assets.steps.build_ensemble import sample_of

MIN_ROWS = 500
MAX_CELLS = 100_000  # rows x classes; a seeded sample of more
N_FOLDS = 5
SCALES = (0.2, 5.0)
BIASES = (-3.0, 3.0)
FLOOR = 1e-15  # of a probability: 1 - p has no digits below


@dataclass(frozen=True)
class Judged:
    """Rows whose truth is known, with what models that never saw them said."""

    y: np.ndarray  # int64 class codes or float64 values [n_rows]
    predictions: np.ndarray  # [n_rows, n_outputs]
    weight: np.ndarray | None  # float64 [n_rows]
    problem: Problem
    group: np.ndarray | None = None  # int64 [n_rows], rows that hang together share a number

    @property
    def n_rows(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> "Judged":
        weight, group = (None if values is None else values[rows] for values in (self.weight, self.group))
        return Judged(self.y[rows], self.predictions[rows], weight, self.problem, group)

    def score(self, metric: str, predictions: np.ndarray) -> float:
        """The metric, greater is better; minus infinity where these rows give it no value."""
        found = metrics.scores_of([metric], self.y, predictions, self.weight, self.problem)
        return metrics.oriented(metric, found[metric]) if metric in found else -np.inf

    def losses(self, predictions: np.ndarray) -> np.ndarray:
        """The share of each row in the log loss, float64 [n_rows]."""
        losses = -np.log(np.clip(predictions[np.arange(self.n_rows), self.y], FLOOR, 1.0))
        return losses if self.weight is None else losses * self.weight / self.weight.mean()

    def folds(self, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows to learn from and rows to judge on: whole groups, where there are enough of them; else every class is
        dealt out evenly."""
        random = np.random.default_rng(seed)
        fold = self._fold_of_groups(random)
        if fold is None:
            order = random.permutation(self.n_rows)
            order = order[np.argsort(self.y[order], kind="stable")] if self.problem.classes else order
            fold = np.empty(self.n_rows, np.int64)
            fold[order] = np.arange(self.n_rows) % N_FOLDS
        for i in range(N_FOLDS):
            yield np.flatnonzero(fold != i), np.flatnonzero(fold == i)

    def _fold_of_groups(self, random: np.random.Generator) -> np.ndarray | None:
        if self.group is None:
            return None
        found, place = np.unique(self.group, return_inverse=True)
        return (random.permutation(len(found)) % N_FOLDS)[place] if len(found) >= N_FOLDS else None

    def is_clear(self, gains: np.ndarray) -> bool:
        """Whether the mean gain of the rows [n_rows] is more than its own standard error, groups being drawn whole."""
        place = np.arange(self.n_rows) if self.group is None else np.unique(self.group, return_inverse=True)[1]
        beyond = np.bincount(place, gains - gains.mean())
        return bool(gains.sum() > np.sqrt((beyond**2).sum()))


def judged(ensemble: Ensemble, truth: Truth, most_rows: int | None = None, seed: int = 0) -> Judged:
    """The ensemble's out-of-fold rows, or a seeded sample of them with every class in it."""
    rows = np.flatnonzero(~np.isnan(ensemble.predictions).any(axis=1))
    if most_rows is not None:
        rows = rows[sample_of(truth, rows, most_rows, np.random.default_rng(seed))]
    group = None if truth.ties.groups is None else truth.ties.groups[rows]
    return Judged(truth.y[rows], ensemble.predictions[rows], truth.weights_of(rows), ensemble.problem, group)


def calibrate(ensemble: Ensemble, truth: Truth, seed: int) -> Ensemble:
    """The ensemble with the calibration that helps on held-out rows, if there are rows enough to tell."""
    if not ensemble.problem.classes:
        return ensemble
    rows = judged(ensemble, truth, max(2_000, MAX_CELLS // ensemble.problem.n_classes), seed)
    calibration = _helpful(rows, seed) if rows.n_rows >= MIN_ROWS else None
    if calibration is None:
        return ensemble
    metric = rows.problem.metric
    gain = rows.score(metric, calibrated(rows.predictions, calibration)) - rows.score(metric, rows.predictions)
    return replace(
        ensemble,
        calibration=calibration,
        predictions=calibrated(ensemble.predictions, calibration),
        score=ensemble.score + metrics.oriented(metric, gain),
    )


def calibrated(predictions: np.ndarray, calibration: Calibration | None) -> np.ndarray:
    """Probabilities [n_rows, n_classes] made honest.

    >>> calibrated(np.array([[0.8, 0.2]]), Calibration(scale=0.5)).round(3)
    array([[0.667, 0.333]])
    """
    if calibration is None:
        return predictions
    logs = np.log(np.clip(predictions, FLOOR, 1.0))
    if predictions.shape[1] > 2:
        return link_scores(logs * calibration.scale, "logit")
    return link_scores((logs[:, 1:] - logs[:, :1]) * calibration.scale + calibration.bias, "logit")


def _helpful(rows: Judged, seed: int) -> Calibration | None:
    """The harmless calibration that makes the log loss of held-out rows clearly less; None where plain answers do as
    well."""
    best, found = rows.losses(rows.predictions), None
    for has_bias in (False, True)[: 2 if rows.problem.n_classes == 2 else 1]:
        losses, calibration = rows.losses(_held_out(rows, has_bias, seed)), _fitted(rows, has_bias)
        if rows.is_clear(best - losses) and _is_harmless(rows, calibration):
            best, found = losses, calibration
    return found


def _held_out(rows: Judged, has_bias: bool, seed: int) -> np.ndarray:
    """Each fold's answers [n_rows, n_classes], calibrated by what the others teach."""
    answers = np.empty_like(rows.predictions)
    for learn, judge in rows.folds(seed):
        answers[judge] = calibrated(rows.predictions[judge], _fitted(rows.take(learn), has_bias))
    return answers


def _fitted(rows: Judged, has_bias: bool) -> Calibration:
    """The scale, and the bias, of the least log loss."""
    from scipy.optimize import minimize

    def loss(values: np.ndarray) -> float:
        answers = calibrated(rows.predictions, Calibration(float(np.exp(values[0])), float(values[1])))
        return float(rows.losses(answers).mean())

    bounds = [np.log(SCALES), BIASES if has_bias else (0.0, 0.0)]
    scale, bias = minimize(loss, [0.0, 0.0], method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(np.exp(scale)), float(bias))


def _is_harmless(rows: Judged, calibration: Calibration) -> bool:
    """Whether the experiment's metric gets no worse, and the rows of two classes stay ranked as they were: sure answers
    could be rounded to the same number."""
    before, after = rows.predictions, calibrated(rows.predictions, calibration)
    if rows.score(rows.problem.metric, after) < rows.score(rows.problem.metric, before):
        return False
    return before.shape[1] > 2 or len(np.unique(before[:, 1])) == len(np.unique(after[:, 1]))
