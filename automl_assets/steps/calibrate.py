"""calibrate: what the ensemble calls 70 % should come true 70 times in a hundred.

Temperature scaling (Guo 2017), for two classes also with a bias (Platt 1999); the log-odds of labels that make up sets
likewise, each label with its own where it has rows enough. Learnt on out-of-fold rows, and kept only
where it makes the log loss less on rows that it did not learn from. It never reorders the rows of two classes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from automl_assets import metrics
from automl_assets.answer_kinds import answers_of, label_odds
from automl_assets.parts import link_scores
from automl_assets.records import Calibration, Ensemble, Problem, Truth
from automl_assets.steps.build_ensemble import sample_of

MIN_ROWS = 500
MAX_CELLS = 100_000  # rows x classes; a seeded sample of more
N_FOLDS = 5
SCALES = (0.2, 5.0)
BIASES = (-3.0, 3.0)
FLOOR = 1e-15  # of a probability: 1 - p has no digits below
LABEL_FLOOR = 1e-5  # of what is lacking to 1, of which an ONNX file has few digits
LABEL_SCALES = (0.5, 5.0)
LABEL_ROWS = 50  # that have a label, and that lack it, for a calibration of its own


@dataclass(frozen=True)
class Judged:
    """Rows whose truth is known, with what models that never saw them said."""

    y: np.ndarray  # int64 class codes, float64 values [n_rows], or int8 [n_rows, n_labels]
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
        losses = answers_of(self.problem).losses(self.y, predictions, FLOOR)
        return losses if self.weight is None else losses * self.weight / self.weight.mean()

    def folds(self, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows to learn from and rows to judge on: whole groups, where there are enough of them; else every class is
        dealt out evenly."""
        random = np.random.default_rng(seed)
        fold = self._fold_of_groups(random)
        if fold is None:
            order = random.permutation(self.n_rows)
            order = order[np.argsort(answers_of(self.problem).strata(self.y)[order], kind="stable")]
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
    if not answers_of(ensemble.problem).has_probabilities:
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
    if calibration.labels:
        scales, biases = np.array(calibration.labels).T
        return link_scores(label_odds(predictions, LABEL_FLOOR) * scales + biases, "sigmoid")
    logs = np.log(np.clip(predictions, FLOOR, 1.0))
    if predictions.shape[1] > 2:
        return link_scores(logs * calibration.scale, "logit")
    return link_scores((logs[:, 1:] - logs[:, :1]) * calibration.scale + calibration.bias, "logit")


def _helpful(rows: Judged, seed: int) -> Calibration | None:
    """The harmless calibration that makes the log loss of held-out rows clearly less; None where plain answers do as
    well."""
    best, found = rows.losses(rows.predictions), None
    for fit in _ways(rows.problem):
        losses, calibration = rows.losses(_held_out(rows, fit, seed)), fit(rows)
        if rows.is_clear(best - losses) and _is_harmless(rows, calibration):
            best, found = losses, calibration
    return found


def _ways(problem: Problem) -> Sequence[Callable[[Judged], Calibration]]:
    """Calibrations worth trying, those of few numbers first."""
    if problem.is_multilabel:
        return _alike, _label_by_label
    return [partial(_fitted, has_bias=has_bias) for has_bias in ((False, True) if problem.is_binary else (False,))]


def _held_out(rows: Judged, fit: Callable[[Judged], Calibration], seed: int) -> np.ndarray:
    """Each fold's answers [n_rows, n_classes], calibrated by what the others teach."""
    answers = np.empty_like(rows.predictions)
    for learn, judge in rows.folds(seed):
        answers[judge] = calibrated(rows.predictions[judge], fit(rows.take(learn)))
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


def _alike(rows: Judged) -> Calibration:
    """One scale and bias for all labels."""
    scale, bias = _of_decisions(label_odds(rows.predictions, LABEL_FLOOR), rows.y, rows.weight)
    return Calibration(scale, bias, labels=((scale, bias),) * rows.problem.n_classes)


def _label_by_label(rows: Judged) -> Calibration:
    """Each label's own; those that few rows have, or lack, share one."""
    shared, odds = _alike(rows), label_odds(rows.predictions, LABEL_FLOOR)
    n_with = rows.y.sum(axis=0, dtype=np.int64)
    labels = tuple(
        _of_decisions(odds[:, label], rows.y[:, label], rows.weight)
        if min(count, rows.n_rows - count) >= LABEL_ROWS
        else (shared.scale, shared.bias)
        for label, count in enumerate(n_with)
    )
    return replace(shared, labels=labels)


def _of_decisions(odds: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> tuple[float, float]:
    """The scale and the bias of the least log loss of log-odds [n_rows] or [n_rows, n_labels]."""
    from scipy.optimize import minimize
    from scipy.special import expit

    rows = np.ones(len(odds)) if weight is None else weight
    share = np.broadcast_to((rows / rows.sum()).reshape(-1, *[1] * (odds.ndim - 1)), odds.shape)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scale, made = np.exp(values[0]), np.exp(values[0]) * odds + values[1]
        wrong = share * (expit(made) - y)
        loss = float((share * (np.logaddexp(0.0, made) - y * made)).sum())
        return loss, np.array([(wrong * odds).sum() * scale, wrong.sum()])

    scale, bias = minimize(loss, [0.0, 0.0], method="L-BFGS-B", jac=True, bounds=[np.log(LABEL_SCALES), BIASES]).x
    return float(np.exp(scale)), float(bias)


def _is_harmless(rows: Judged, calibration: Calibration) -> bool:
    """Whether the experiment's metric gets no worse, and the rows of two classes stay ranked as they were: sure answers
    could be rounded to the same number. What sets of labels are is decided by thresholds, which are chosen afterwards."""
    before, after = rows.predictions, calibrated(rows.predictions, calibration)
    if metrics.metric(rows.problem.metric, rows.problem.task).is_decided:
        return True
    if rows.score(rows.problem.metric, after) < rows.score(rows.problem.metric, before):
        return False
    return not rows.problem.is_binary or len(np.unique(before[:, 1])) == len(np.unique(after[:, 1]))
