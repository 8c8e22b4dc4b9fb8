"""build_ensemble: a weighted vote (Caruana 2004) and a stack over trials, and which of them, or the best trial, answers.

Looks at out-of-fold predictions alone. What is chosen on some rows flatters itself on them: so each kind is judged by the
whole of its choosing (trials, votes, coefficients) on rows that had no say in it, and these are its out-of-fold predictions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from automl_assets import metrics, registry
from automl_assets.answer_kinds import answers_of
from automl_assets.errors import LearningError
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.learning.fitting import stopping_early, with_every_class
from automl_assets.parts import Rows
from automl_assets.records import (
    VALID,
    AnswerName,
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
from automl_assets.steps.combine import combine, stack_inputs
from automl_assets.steps.ensemble_selection import contenders, greedy_votes, has_thresholds, potential
from automl_assets.steps.resample import ROWS, chunk_ends, permuted, units_of

MAX_CELLS = 40_000  # rows x outputs on which votes are shared out, a seeded sample of more: about ten seconds
MAX_STACK_CELLS = 400_000  # rows x inputs x scores that a stack learns from; likewise
SEQUENCE_ROWS = 10  # times as many where sequences are judged: few of their rows say anything
FOLDS = 5  # parts of the rows, each of which judges what the others chose
SMALLEST_GAIN = 1e-7
LABEL_ROWS = 50  # that have a label, and that lack it, for a stack to learn of it alone
EVEN_ROWS = 100  # rows on which half of a vote is shared out evenly: so few say little of who is better
N_RESAMPLES = 20
FEWEST_UNITS = 5  # groups, or stretches of time: fewer cannot be drawn from
CLEARLY = 2.0  # standard errors by which a trial is worse that has no part in what is shared out
LEAST_WEIGHT = 0.01  # a smaller share of a vote takes time and changes nothing


@dataclass(frozen=True)
class _Choice:
    """Who would answer, as some rows have it."""

    trials: Sequence[Trial]
    weights: Sequence[float]
    stack: Stack | None = None

    def answer(self, rows: np.ndarray, problem: Problem) -> np.ndarray:
        """What was said out of fold of these rows, float64 [n_rows, n_outputs]."""
        return combine([trial.known_predictions[rows] for trial in self.trials], self.weights, self.stack, problem)

    def members(self) -> tuple[Member, ...]:
        return tuple(
            Member(trial.name, trial.algorithm, float(weight), trial.fitted or Fitted(()))
            for trial, weight in zip(self.trials, self.weights, strict=True)
        )


Choose = Callable[[np.ndarray], _Choice]  # by rows of the table, whose truth is looked at


def build_ensemble(
    candidates: Iterable[Candidate], features: Features, settings: EnsembleSetting, seed: int
) -> Ensemble:
    """A weighted vote; or a stack or the best single trial, where that is clearly better or no vote is asked for. Raises
    LearningError when no trial finished."""
    contest = _Contest(_finished(tuple(candidates), features.truth.problem), features.truth, seed)
    held_out = {kind: contest.held_out(choose) for kind, choose in contest.kinds(settings).items()}
    scores = {kind: contest.score(predictions) for kind, predictions in held_out.items()}
    kind = contest.best(held_out)
    choice = contest.kinds(settings)[kind](contest.rows)
    return Ensemble(
        kind=kind,
        members=choice.members(),
        stack=choice.stack,
        score=scores[kind],
        scores_by_kind=scores,
        predictions=held_out[kind],
        featurizer=features.featurizer,
        problem=features.truth.problem,
        schema=features.schema,
        background=features.background,
    )


def _finished(candidates: Sequence[Candidate], problem: Problem) -> list[Trial]:
    """Finished trials. A guess has no vote where anything else has one: under a metric of ranks it would seem harmless,
    and make nonsense of the probabilities."""
    finished = [trial for candidate in candidates for trial in candidate.trials if trial.score is not None]
    finished = [trial for trial in finished if not _is_fallback(trial, problem)] or finished
    if not finished:
        reasons = "; ".join(f"{trial.name}: {trial.reason}" for c in candidates for trial in c.trials)
        raise LearningError(
            f"no trial finished: {reasons or 'nothing was tried'}. Give more time where that was up, and mend "
            "whatever else the reasons name."
        )
    return finished


def _is_fallback(trial: Trial, problem: Problem) -> bool:
    part = registry.algorithms(registry.tasks()[problem.task].family).get(trial.algorithm)
    return part is not None and part.is_fallback


class _Contest:
    """The trials, the rows that all of them predicted, and the ways to choose among them."""

    def __init__(self, trials: Sequence[Trial], truth: Truth, seed: int):
        self.trials, self.truth, self.problem, self.seed = trials, truth, truth.problem, seed
        known = np.logical_and.reduce([~np.isnan(trial.known_predictions).any(axis=1) for trial in trials])
        self.rows = np.flatnonzero(known)
        self.part = _parts(truth, self.rows, seed)
        self.is_same_for_all = all(np.isfinite(t.known_predictions).all(axis=1).sum() == len(self.rows) for t in trials)

    def kinds(self, settings: EnsembleSetting) -> dict[EnsembleKind, Choose]:
        """The ways to choose that are asked for, by name; a vote, which errs least where rows are few, stands first."""
        kinds: dict[EnsembleKind, Choose] = {}
        can_be_mixed = len(self.trials) > 1 and answers_of(self.problem).can_be_averaged
        if settings.voting and can_be_mixed:
            kinds["voting"] = lambda rows: self.voting(rows, settings.iterations)
        kinds["single"] = self.single
        if settings.stacking and can_be_mixed:
            kinds["stacking"] = self.stacking
        return kinds

    def best(self, held_out: Mapping[EnsembleKind, np.ndarray]) -> EnsembleKind:
        """The first kind, or the best of those that are clearly better."""
        looked_at = self.sampled(self.rows, MAX_CELLS // self.problem.n_outputs)
        kinds, leads = (
            [*held_out],
            self.leads(np.array([predictions[looked_at] for predictions in held_out.values()]), looked_at),
        )
        clear = leads.mean(axis=0) > CLEARLY * leads.std(axis=0)
        return kinds[int(np.argmax(np.where(clear, leads.mean(axis=0), 0.0)))]

    def single(self, rows: np.ndarray) -> _Choice:
        return _Choice(self.contenders(rows)[:1], [1.0])

    def voting(self, rows: np.ndarray, iterations: int) -> _Choice:
        """The vote that greedy selection with replacement found best, the more shared out among the best the fewer rows
        say so."""
        trials, looked_at = self.contenders(rows), self.sampled(rows, MAX_CELLS // self.problem.n_outputs)
        predictions = [trial.known_predictions[looked_at] for trial in trials]
        votes = greedy_votes(predictions, lambda many: self.goodness(many, looked_at), iterations, SMALLEST_GAIN)
        weights = evened(votes / votes.sum(), self.is_among_the_best(np.array(predictions), looked_at), len(rows))
        voters = np.flatnonzero(weights)
        return _Choice([trials[i] for i in voters], weights[voters].tolist())

    def stacking(self, rows: np.ndarray) -> _Choice:
        """A regularised linear learner over the best trial of each algorithm."""
        trials = list({trial.algorithm: trial for trial in reversed(self.contenders(rows))}.values())
        n_inputs = len(trials) * self.problem.n_outputs
        learnt = self.sampled(rows, max(1_000, MAX_STACK_CELLS // (n_inputs * self.problem.n_outputs)))
        inputs = stack_inputs([trial.known_predictions[learnt] for trial in trials], self.problem)
        stack = _fit_stack(Rows(inputs, self.truth.y[learnt], self.truth.weights_of(learnt)), self.problem)
        return _Choice(trials, _shares(stack, len(trials)), stack)

    def held_out(self, choose: Choose) -> np.ndarray:
        """What a way to choose answers for each part of the rows when the other parts choose, [n_rows, n_outputs]; NaN
        for rows that some trial said nothing of."""
        answers = np.full((len(self.truth.y), self.problem.n_outputs), np.nan)
        for part in np.unique(self.part):
            judged, others = self.rows[self.part == part], self.rows[self.part != part]
            choice = choose(others if self._tell_enough(others) else self.rows)
            answers[judged] = choice.answer(judged, self.problem)
        return answers

    def _tell_enough(self, rows: np.ndarray) -> bool:
        """Whether every class is among these rows: many metrics need that."""
        y, totals, n_classes = self.truth.y, answers_of(self.problem).totals, self.problem.n_classes
        is_lost = (totals(y[self.rows], None, n_classes) > 0) & (totals(y[rows], None, n_classes) == 0)
        return len(rows) > 0 and not is_lost.any()

    def contenders(self, rows: np.ndarray) -> list[Trial]:
        """The trials considered, the best on these rows first."""
        metric, are_own_of_these = self.problem.metric, len(rows) == len(self.rows) and self.is_same_for_all
        if are_own_of_these and not has_thresholds(self.problem):
            return contenders(self.trials, metric)
        looked_at = self.sampled(rows, MAX_CELLS // self.problem.n_outputs)
        values = self.goodness([trial.known_predictions[looked_at] for trial in self.trials], looked_at)
        judged = [
            replace(trial, score=metrics.oriented(metric, value))
            for trial, value in zip(self.trials, values, strict=True)
        ]
        return contenders(judged, metric)

    def sampled(self, rows: np.ndarray, most: int) -> np.ndarray:
        """At most so many of the rows, and fewer for a part of them, which are chosen by FOLDS times."""
        most = most if len(rows) == len(self.rows) else most // FOLDS
        return rows[sample_of(self.truth, rows, most, np.random.default_rng(self.seed))]

    def is_among_the_best(self, predictions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Which of the predictions [n_trials, n_sampled, n_outputs], the best first, these rows cannot tell from the
        best: in resamples of them, bool [n_trials]."""
        leads = self.leads(predictions, rows)
        return -leads.mean(axis=0) <= CLEARLY * leads.std(axis=0)

    def leads(self, predictions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """How much better each of the predictions is than the first, in resamples of the rows, [n_resamples, n]."""
        random, y, units = np.random.default_rng(self.seed), self.truth.y[rows], units_of(self.truth.ties, rows)
        if units.name == ROWS or units.n_units < FEWEST_UNITS:
            draws = [resampled(y, self.problem, random) for _ in range(N_RESAMPLES)]
        else:
            drawn = (units.draw(random) for _ in range(N_RESAMPLES))
            draws = [draw for draw in drawn if self._tell_enough(rows[draw])] or [np.arange(len(rows))]
        values = np.array([self.goodness(predictions[:, draw], rows[draw]) for draw in draws])
        return values - values[:, :1]

    def score(self, predictions: np.ndarray, rows: np.ndarray | None = None) -> float:
        """The experiment's metric on all rows, or on some; `predictions` are of every row of the table."""
        rows = self.rows if rows is None else rows
        truth = self.truth
        return metrics.score(
            self.problem.metric, truth.y[rows], predictions[rows], truth.weights_of(rows), self.problem
        )

    def oriented(self, score: float) -> float:
        """Greater is better; what is no number is worst."""
        return metrics.oriented(self.problem.metric, score) if np.isfinite(score) else -np.inf

    def goodness(self, many: Sequence[np.ndarray] | np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The metric on these rows of each prediction [n_trials, n_sampled, n_outputs], greater is better."""
        y, weight = self.truth.y[rows], self.truth.weights_of(rows)
        return np.array([potential(y, one, weight, self.problem) for one in many])


def _parts(truth: Truth, rows: np.ndarray, seed: int) -> np.ndarray:
    """The part of each row, int [n_rows]: by the fold that validated it, so that groups stay whole; else by chance, of
    its group where it has one."""
    part = (truth.split.assignment[rows] == VALID).argmax(axis=1) % FOLDS
    if len(np.unique(part)) > 1:
        return part
    group = np.arange(len(rows)) if truth.ties.groups is None else truth.ties.groups[rows]
    found, place = np.unique(group, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(found)) % FOLDS)[place]


def resampled(y: np.ndarray, problem: Problem, random: np.random.Generator) -> np.ndarray:
    """As many positions drawn with replacement; of every class as many as there are."""
    if not problem.classes:
        return random.integers(0, len(y), len(y))
    strata = answers_of(problem).strata(y)
    of_class = (np.flatnonzero(strata == code) for code in np.unique(strata))
    return np.concatenate([random.choice(positions, len(positions)) for positions in of_class])


def evened(weights: np.ndarray, is_among_the_best: np.ndarray, n_rows: int) -> np.ndarray:
    """Weights of which a part is shared out evenly among the best, the more the fewer rows they were found on, without
    those that count for little.

    >>> evened(np.array([1.0, 0.0, 0.0]), np.array([True, True, False]), 100)
    array([0.75, 0.25, 0.  ])
    """
    share = EVEN_ROWS / (EVEN_ROWS + n_rows)
    drawn = (1 - share) * weights + share * is_among_the_best / is_among_the_best.sum()
    kept = np.where(drawn >= min(LEAST_WEIGHT, drawn.max()), drawn, 0.0)
    return kept / kept.sum()


def sample_of(truth: Truth, rows: np.ndarray, n_rows: int, random: np.random.Generator) -> np.ndarray:
    """Positions of at most about `n_rows` of these rows, in order: of whole groups where the metric is of sequences."""
    groups = truth.ties.groups
    if groups is None or not metrics.metric(truth.problem.metric, truth.problem.task).is_of_sequences:
        return sample(truth.y[rows], n_rows, truth.problem, random)
    order = permuted(groups[rows], np.arange(len(rows)), random)
    return np.sort(order[: next(iter(chunk_ends(groups[rows], order, SEQUENCE_ROWS * n_rows)), 0)])


def sample(y: np.ndarray, n_rows: int, problem: Problem, random: np.random.Generator) -> np.ndarray:
    """Positions of at most `n_rows` rows, in order; of every class at least one, since many metrics need that.

    >>> problem = Problem("classification", "accuracy", classes=("no", "yes"))
    >>> 99 in sample(np.array([0] * 99 + [1]), 2, problem, np.random.default_rng(0))
    True
    """
    order = random.permutation(len(y))
    if problem.classes:
        _, first = np.unique(answers_of(problem).strata(y)[order], return_index=True)
        order = np.concatenate([order[first], np.delete(order, first)])
    return np.sort(order[:n_rows])


def _shares(stack: Stack, n_members: int) -> list[float]:
    strength = np.abs(stack.coefficients).reshape(n_members, -1).sum(axis=1)
    return (strength / max(strength.sum(), 1e-12)).tolist()


def _fit_stack(rows: Rows, problem: Problem) -> Stack:
    return STACKS[problem.answers](rows, problem.n_classes)


def _logistic_stack(rows: Rows, n_classes: int) -> Stack:
    from sklearn.linear_model import LogisticRegression

    every = with_every_class(rows, n_classes)  # a rare class may lie in one fold alone
    with stopping_early():  # after so many rounds its answers no longer change to the eye
        model = LogisticRegression(C=0.1, max_iter=200).fit(every.x, every.y, sample_weight=every.weight)
    return Stack(model.coef_.T, model.intercept_)


def _label_stack(rows: Rows, n_labels: int) -> Stack:
    """A logistic learner for each label, which looks at what the members say of this label alone. Labels that few rows
    have share one, which learns from all decisions."""
    n_members, weight = rows.x.shape[1] // n_labels, np.ones(len(rows.y)) if rows.weight is None else rows.weight
    said = rows.x.reshape(len(rows.x), n_members, n_labels)  # log-odds
    decisions = Rows(
        said.transpose(0, 2, 1).reshape(-1, n_members), rows.y.astype(np.int64).ravel(), np.repeat(weight, n_labels)
    )
    shared = _logistic_stack(decisions, 2)
    coefficients = np.zeros((n_members, n_labels, n_labels))
    intercept = np.empty(n_labels)
    for label in range(n_labels):
        y = rows.y[:, label].astype(np.int64)
        is_told = np.bincount(y, minlength=2).min() >= LABEL_ROWS
        own = _logistic_stack(Rows(said[:, :, label], y, weight), 2) if is_told else shared
        coefficients[:, label, label], intercept[label] = own.coefficients[:, 0], own.intercept[0]
    return Stack(coefficients.reshape(n_members * n_labels, n_labels), intercept)


def _linear_stack(rows: Rows, n_classes: int) -> Stack:
    """Non-negative least squares with ridge: predictions of one thing are too alike for anything freer."""
    from sklearn.linear_model import Ridge

    inputs, y, weight = rows.x, rows.y, rows.weight
    scale = max(float(y.std()), 1e-12)
    model = Ridge(alpha=1e-2 * len(y) / 100, positive=True).fit(
        (inputs - y.mean()) / scale, (y - y.mean()) / scale, sample_weight=weight
    )
    intercept = model.intercept_ * scale + y.mean() - model.coef_.sum() * y.mean()
    return Stack(model.coef_[:, None], np.array([intercept]))


STACKS: dict[AnswerName, Callable[[Rows, int], Stack]] = {
    "classes": _logistic_stack,
    "label_sets": _label_stack,
    "values": _linear_stack,
}
