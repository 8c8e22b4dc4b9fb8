"""Ensemble selection (Caruana et al. 2004): which trials are considered, and how greedy votes are shared out among them.

It sees scores and predictions alone, of rows or of series. Not here: what an ensemble is made into.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from automl_assets import metrics
from automl_assets.metrics.label_thresholds import label_thresholds, pooled_threshold
from automl_assets.records import Problem, Trial

MAX_MEMBERS = 24  # trials considered, the best first and the best of every algorithm among them

Goodness = Callable[[np.ndarray], np.ndarray]  # of many predictions [n_trials, …], greater is better: [n_trials]


def contenders(finished: Iterable[Trial], metric: str) -> list[Trial]:
    """The trials considered, the best first."""
    ordered = sorted(finished, key=lambda trial: -metrics.oriented(metric, trial.known_score))
    best_of_each = {trial.algorithm: trial for trial in reversed(ordered)}
    kept = sorted(ordered, key=lambda trial: best_of_each[trial.algorithm] is not trial)[:MAX_MEMBERS]
    names = {trial.name for trial in kept}
    return [trial for trial in ordered if trial.name in names]


def has_thresholds(problem: Problem) -> bool:
    """Whether thresholds will be chosen, by which sets of labels are answered, before the metric judges."""
    return problem.is_multilabel and metrics.metric(problem.metric, problem.task).is_decided


def potential(y: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem) -> float:
    """The metric, greater is better, with the thresholds that suit these rows where some will be chosen: at 0.5 those who
    shout are taken for those who know, above all of rare labels."""
    name = problem.metric
    plain = metrics.oriented(name, metrics.score(name, y, prediction, weight, problem))
    if not has_thresholds(problem):
        return plain
    suited = label_thresholds if metrics.metric(name, problem.task).is_over_classes else pooled_threshold
    decisive = replace(problem, thresholds=tuple(suited(y, prediction, weight)))
    return max(plain, metrics.oriented(name, metrics.score(name, y, prediction, weight, decisive)))


def greedy_votes(
    predictions: Sequence[np.ndarray] | np.ndarray,
    goodness: Goodness,
    n_steps: int,
    smallest_gain: float = 0.0,
    patience: int | None = None,
) -> np.ndarray:
    """Number of votes of each trial, float64 [n_trials]: each step gives one to the trial that makes their mean best,
    even if it gets worse, and the best votes on the way are kept. It ends after `patience` steps without gain.

    >>> truth = np.array([1.0, 2.0])
    >>> greedy_votes([truth + 1, truth - 1], lambda many: -np.abs(many - truth).mean(axis=1), n_steps=5)
    array([1., 1.])
    """
    every = np.asarray(predictions)
    votes, total = np.zeros(len(every)), np.zeros(every.shape[1:])
    best, best_size, kept = -np.inf, 0, votes
    for size in range(1, n_steps + 1):
        values = goodness((total + every) / size)
        winner = int(np.argmax(values))
        total, votes = total + every[winner], votes + (np.arange(len(votes)) == winner)
        if values[winner] > best + smallest_gain or size == 1:
            best, best_size, kept = values[winner], size, votes
        elif patience is not None and size - best_size >= patience:
            break
    return kept
