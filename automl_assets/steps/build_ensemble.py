"""build_ensemble: a weighted vote (Caruana 2004) and a stack over trials, and which of them, or the best trial, answers.

Chooses on out-of-fold predictions alone. A stack is judged by cross-validation over those rows; a vote on the rows that
chose it, which has so few degrees of freedom that the difference does not decide.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from automl_assets import metrics, registry
from automl_assets.errors import LearningError
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.learning.fitting import stopping_early, with_every_class
from automl_assets.parts import Rows
from automl_assets.records import (
    Candidate,
    Ensemble,
    EnsembleKind,
    Features,
    Fitted,
    Member,
    Problem,
    Stack,
    Trial,
    Truth,
)
from automl_assets.steps.combine import apply_stack, combine, stack_inputs
from automl_assets.steps.ensemble_selection import contenders, greedy_votes

MAX_CELLS = 40_000  # rows x outputs on which votes are shared out, a seeded sample of more: about ten seconds
MAX_STACK_CELLS = 400_000  # rows x inputs x scores that a stack learns from; likewise
STACK_FOLDS = 5
SMALLEST_GAIN = 1e-7


def build_ensemble(
    candidates: Iterable[Candidate], features: Features, settings: EnsembleSetting, seed: int
) -> Ensemble:
    """The best of: the best single trial, a weighted vote, a stack. Raises LearningError when no trial finished."""
    candidates = tuple(candidates)
    trials = _contenders(candidates, features.truth.problem)
    scorer = _Scorer(trials, features.truth, seed)
    offers: dict[EnsembleKind, _Offer] = {"single": _single(trials, scorer)}
    if settings.voting and len(trials) > 1:
        offers["voting"] = _voting(trials, scorer, settings.iterations)
    if settings.stacking and len(trials) > 1:
        offers["stacking"] = _stacking(trials, scorer, seed)
    scores = {kind: offer.score for kind, offer in offers.items()}
    kind = max(
        scores,
        key=lambda k: metrics.oriented(features.truth.problem.metric, scores[k]) if np.isfinite(scores[k]) else -np.inf,
    )
    return offers[kind].ensemble(kind, scores, features)


def _contenders(candidates: Sequence[Candidate], problem: Problem) -> list[Trial]:
    """Finished trials, best first. A guess has no vote where anything else has one: under a metric of ranks it would
    seem harmless, and make nonsense of the probabilities."""
    finished = [trial for candidate in candidates for trial in candidate.trials if trial.score is not None]
    finished = [trial for trial in finished if not _is_fallback(trial, problem)] or finished
    if not finished:
        reasons = "; ".join(f"{trial.name}: {trial.reason}" for c in candidates for trial in c.trials)
        raise LearningError(
            f"no trial finished: {reasons or 'nothing was tried'}. Give more time where that was up, and mend "
            "whatever else the reasons name."
        )
    return contenders(finished, problem.metric)


def _is_fallback(trial: Trial, problem: Problem) -> bool:
    part = registry.algorithms(registry.tasks()[problem.task].family).get(trial.algorithm)
    return part is not None and part.is_fallback


class _Scorer:
    """The rows every contender predicted, and the metric on them. Greater is better."""

    def __init__(self, trials: Sequence[Trial], truth: Truth, seed: int):
        self.problem = truth.problem
        known = np.logical_and.reduce([~np.isnan(trial.known_predictions).any(axis=1) for trial in trials])
        self.rows = np.flatnonzero(known)
        self.y = truth.y[self.rows]
        most = MAX_CELLS // self.problem.n_outputs
        self.sample = sample(self.y, most, self.problem, np.random.default_rng(seed))  # positions in `rows`
        self.weight = truth.weights_of(self.rows)

    def predictions(self, trial: Trial) -> np.ndarray:
        return trial.known_predictions[self.rows]

    def score(self, predictions: np.ndarray) -> float:
        """The experiment's metric on all rows."""
        return metrics.score(self.problem.metric, self.y, predictions, self.weight, self.problem)

    def goodness(self, many: np.ndarray) -> np.ndarray:
        """The metric on the sample of each prediction [n_trials, n_sampled, n_outputs], greater is better."""
        metric, y = self.problem.metric, self.y[self.sample]
        weight = self.weight[self.sample] if self.weight is not None else None
        return np.array([metrics.oriented(metric, metrics.score(metric, y, one, weight, self.problem)) for one in many])


def sample(y: np.ndarray, n_rows: int, problem: Problem, random: np.random.Generator) -> np.ndarray:
    """Positions of at most `n_rows` rows, in order; of every class at least one, since many metrics need that.

    >>> problem = Problem("classification", "accuracy", classes=("no", "yes"))
    >>> 99 in sample(np.array([0] * 99 + [1]), 2, problem, np.random.default_rng(0))
    True
    """
    order = random.permutation(len(y))
    if problem.classes:
        _, first = np.unique(y[order], return_index=True)
        order = np.concatenate([order[first], np.delete(order, first)])
    return np.sort(order[:n_rows])


class _Offer:
    """One kind of ensemble that could answer."""

    def __init__(self, score: float, trials: Sequence[Trial], weights: Sequence[float], stack: Stack | None = None):
        self.score, self.trials, self.weights, self.stack = score, trials, weights, stack

    def ensemble(self, kind: EnsembleKind, scores: dict[EnsembleKind, float], features: Features) -> Ensemble:
        members = tuple(
            Member(trial.name, trial.algorithm, float(weight), trial.fitted or Fitted(()))
            for trial, weight in zip(self.trials, self.weights, strict=True)
        )
        parts = [trial.known_predictions for trial in self.trials]
        return Ensemble(
            kind=kind,
            members=members,
            stack=self.stack,
            score=self.score,
            scores_by_kind=scores,
            predictions=combine(parts, self.weights, self.stack, features.truth.problem),
            featurizer=features.featurizer,
            problem=features.truth.problem,
            schema=features.schema,
        )


def _single(trials: Sequence[Trial], scorer: _Scorer) -> _Offer:
    return _Offer(scorer.score(scorer.predictions(trials[0])), trials[:1], [1.0])


def _voting(trials: Sequence[Trial], scorer: _Scorer, iterations: int) -> _Offer:
    """The vote that greedy selection with replacement found best."""
    predictions = [scorer.predictions(trial)[scorer.sample] for trial in trials]
    votes = greedy_votes(predictions, scorer.goodness, iterations, SMALLEST_GAIN)
    weights = votes / votes.sum()
    voters = {trial.name: weight for trial, weight in zip(trials, weights.tolist(), strict=True) if weight > 0}
    chosen = [trial for trial in trials if trial.name in voters]
    vote = combine([scorer.predictions(trial) for trial in chosen], list(voters.values()), None, scorer.problem)
    return _Offer(scorer.score(vote), chosen, list(voters.values()))


def _stacking(trials: Sequence[Trial], scorer: _Scorer, seed: int) -> _Offer:
    """A regularised linear learner over the best trial of each algorithm; its score comes from rows it did not learn from."""
    chosen = list({trial.algorithm: trial for trial in reversed(trials)}.values())
    inputs = stack_inputs([scorer.predictions(trial) for trial in chosen], scorer.problem)
    random = np.random.default_rng(seed)
    fold = random.permutation(len(inputs)) % STACK_FOLDS
    most = max(1_000, MAX_STACK_CELLS // (inputs.shape[1] * scorer.problem.n_outputs))
    learns = np.isin(np.arange(len(inputs)), sample(scorer.y, most, scorer.problem, random))
    held_out = np.empty((len(inputs), scorer.problem.n_outputs))
    for i in range(STACK_FOLDS):
        stack = _fit_stack(inputs, scorer, learns & (fold != i))
        held_out[fold == i] = apply_stack(inputs[fold == i], stack, scorer.problem)
    stack = _fit_stack(inputs, scorer, learns)
    return _Offer(scorer.score(held_out), chosen, _shares(stack, len(chosen)), stack)


def _shares(stack: Stack, n_members: int) -> list[float]:
    strength = np.abs(stack.coefficients).reshape(n_members, -1).sum(axis=1)
    return (strength / max(strength.sum(), 1e-12)).tolist()


def _fit_stack(inputs: np.ndarray, scorer: _Scorer, rows: np.ndarray) -> Stack:
    weight = scorer.weight[rows] if scorer.weight is not None else None
    if scorer.problem.classes:
        return _logistic_stack(inputs[rows], scorer.y[rows], weight, scorer.problem.n_classes)
    return _linear_stack(inputs[rows], scorer.y[rows], weight)


def _logistic_stack(inputs: np.ndarray, y: np.ndarray, weight: np.ndarray | None, n_classes: int) -> Stack:
    from sklearn.linear_model import LogisticRegression

    rows = with_every_class(Rows(inputs, y, weight), n_classes)  # a rare class may lie in one fold alone
    with stopping_early():  # after so many rounds its answers no longer change to the eye
        model = LogisticRegression(C=0.1, max_iter=200).fit(rows.x, rows.y, sample_weight=rows.weight)
    return Stack(model.coef_.T, model.intercept_)


def _linear_stack(inputs: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Stack:
    """Non-negative least squares with ridge: predictions of one thing are too alike for anything freer."""
    from sklearn.linear_model import Ridge

    scale = max(float(y.std()), 1e-12)
    model = Ridge(alpha=1e-2 * len(y) / 100, positive=True).fit(
        (inputs - y.mean()) / scale, (y - y.mean()) / scale, sample_weight=weight
    )
    intercept = model.intercept_ * scale + y.mean() - model.coef_.sum() * y.mean()
    return Stack(model.coef_[:, None], np.array([intercept]))
