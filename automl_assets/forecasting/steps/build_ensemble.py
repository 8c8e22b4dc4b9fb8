"""build_ensemble: the model of each group out of its trials: the best alone, a weighted vote, or the median of the statistical.

A vote is shared out greedily (Caruana 2004). Few windows are easily learnt by heart: each kind is judged on windows that
had no say in it, weights are drawn towards equal ones, and the simplest answers where no other is clearly better.
The chosen are fitted on everything there is to learn from.
"""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from automl_assets import metrics, registry
from automl_assets.execution.batches import PRELOAD, Piece, run_pieces
from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import Outcome, wait_until_warm
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster
from automl_assets.forecasting.metrics import ForecastTruth, coverage, median_head, scores_of_each
from automl_assets.forecasting.records import (
    ForecastEnsemble,
    ForecastMember,
    ForecastProblem,
    Group,
    Panel,
    QuantileShape,
)
from automl_assets.forecasting.steps import backtest, conformalize, conformalize_quantiles
from automl_assets.forecasting.steps.conformalize_quantiles import Spread
from automl_assets.forecasting.steps.safe_forecast import fallback
from automl_assets.forecasting.steps.search import backtested, point_of
from automl_assets.parts import Config
from automl_assets.records import Candidate, Fitted, Trial
from automl_assets.steps.ensemble_selection import contenders, greedy_votes

Kind = Literal["single", "voting", "median"]
Vote = dict[int, float]  # weights by numbers of trials

MAX_CELLS = 20_000  # values of the backtest on which a vote is shared out; of more series a seeded sample
MAX_SHAPED_CELLS = 5_000  # the same, on which the shape of intervals is judged: some seconds
MEDIAN_MEMBERS = (3, 5)  # fewest and most
PATIENCE = 5  # votes without gain
WITHIN_NOISE = 0.005  # share of the score by which a simpler kind may be worse
CHOICE_SHARE = 0.4  # of the time, at most, goes into choosing
FIT_SHARE = 0.4  # of the time, at most, for one member's last fit: what would take longer is not chosen, unless
CLEARLY_BETTER = 0.05  # is the share of the score by which it is better than all that would not,
OVERTIME_FIT_SHARE = 0.8  # and so much of the time after the choice, with overtime, is enough for it


@dataclass(frozen=True)
class Choice:
    """Which trials answer for a group, before they are fitted."""

    kind: Kind
    trials: tuple[Trial, ...]  # without their predictions
    weights: tuple[float, ...]
    scores_by_kind: dict[str, float]
    predictions: np.ndarray  # float64 [n_windows, n_series, horizon]
    margins: np.ndarray
    scales: np.ndarray
    coverage: dict[str, float]
    shape: QuantileShape | None = None


def blend(
    group: Group, candidates: Sequence[Candidate], settings: EnsembleSetting, budget: Budget, seed: int
) -> ForecastEnsemble:
    """The model of one group; a naive one where nothing else can be fitted."""
    ((_, ensemble),) = blend_all({group.key: group}, {group.key: candidates}, settings, budget, seed)
    return ensemble


def blend_all(
    groups: Mapping[str, Group],
    candidates: Mapping[str, Sequence[Candidate]],
    settings: EnsembleSetting,
    budget: Budget,
    seed: int,
) -> Iterator[tuple[str, ForecastEnsemble]]:
    """The model of every group by its key, each as soon as its members are fitted."""
    wait_until_warm(PRELOAD)
    deadline = time.monotonic() + budget.seconds
    short = replace(budget, seconds=CHOICE_SHARE * budget.seconds, trial_seconds=None)
    fit_times = _FitTimes.of(budget, len(groups))
    offers = {key: fit_times.affordable(candidates[key], group.problem) for key, group in groups.items()}
    pieces = [Piece(key, chosen, (group, offers[key], settings, seed)) for key, group in groups.items()]
    choices: dict[str, Choice | None] = {}
    for outcome in run_pieces(pieces, short):
        key = outcome.key
        alone = outcome.status != "done"
        choices[key] = _best_alone(groups[key], offers[key], settings, seed) if alone else outcome.value
    overtime = budget.overtime if fit_times.are_exceeded(groups, choices) else 0.0
    left = replace(budget, seconds=max(0.0, deadline - time.monotonic()) + overtime)
    for key, outcomes in _fits(groups, choices, left, seed):
        yield key, _ensemble(groups[key], choices[key], outcomes, candidates[key])


# Choosing


@dataclass(frozen=True)
class _FitTimes:
    """Seconds that one member's last fit may take."""

    usual: float
    most: float  # where all that takes less is clearly worse

    @classmethod
    def of(cls, budget: Budget, n_groups: int) -> "_FitTimes":
        part = min(1.0, budget.n_cores / max(1, n_groups))
        after_choice = (1 - CHOICE_SHARE) * budget.seconds + budget.overtime
        return cls(FIT_SHARE * budget.seconds * part, OVERTIME_FIT_SHARE * after_choice * part)

    def affordable(self, candidates: Sequence[Candidate], problem: ForecastProblem) -> tuple[Candidate, ...]:
        """Candidates with the trials for whose last fit there is time; with the cheapest where there is for none."""
        seconds = {
            trial.name: _one_fit(trial, problem) for one in candidates for trial in one.trials if trial.is_finished
        }
        limit = max(self._limit(candidates, problem), min(seconds.values(), default=0.0))
        return tuple(
            replace(one, trials=tuple(trial for trial in one.trials if seconds.get(trial.name, 0.0) <= limit))
            for one in candidates
        )

    def _limit(self, candidates: Sequence[Candidate], problem: ForecastProblem) -> float:
        """The most where that gains clearly."""
        metric, finished = problem.problem.metric, [t for one in candidates for t in one.trials if t.is_finished]

        def best(limit: float) -> float:
            scores = (metrics.oriented(metric, t.known_score) for t in finished if _one_fit(t, problem) <= limit)
            return max(scores, default=-np.inf)

        gained = best(self.most) - best(self.usual)
        return self.most if gained > CLEARLY_BETTER * abs(best(self.most)) else self.usual

    def are_exceeded(self, groups: Mapping[str, Group], choices: Mapping[str, Choice | None]) -> bool:
        """Whether anything is chosen that takes more than the usual time."""
        return any(
            _one_fit(trial, groups[key].problem) > self.usual
            for key, choice in choices.items()
            if choice is not None
            for trial in choice.trials
        )


def _one_fit(trial: Trial, problem: ForecastProblem) -> float:
    """Seconds that a fit on everything takes: about those of one window of the backtest."""
    return trial.fit_seconds / problem.n_windows


def chosen(
    group: Group, candidates: Sequence[Candidate], settings: EnsembleSetting, seed: int, deadline: float
) -> Choice | None:  # runs in a child process
    """Which trials should answer; None where none has finished."""
    contest = _Contest.of(group, candidates, settings, seed)
    if contest is None:
        return None
    kinds: tuple[Kind, ...] = ("single", "median", "voting") if settings.voting else ("single",)
    votes = {kind: vote for kind in kinds if (vote := contest.vote(kind)) is not None}
    held_out = {kind: contest.held_out(kind) for kind in votes}
    points = np.array([contest.together(kind, by_window) for kind, by_window in held_out.items()])
    values = conformalize.scores_of_each(contest.metric, contest.truth, points)
    scores = dict(zip(held_out, values.tolist(), strict=True))
    kind = _simplest_of_the_best(scores, contest.metric)
    choice = _choice(kind, contest, votes[kind], {str(one): value for one, value in scores.items()}, held_out[kind])
    return _shaped(choice, contest, votes[kind], held_out[kind]) if time.monotonic() < deadline else choice


def _best_alone(group: Group, candidates: Sequence[Candidate], settings: EnsembleSetting, seed: int) -> Choice | None:
    """What there is time for when there is none: intervals are those of margins."""
    return chosen(group, candidates, settings.model_copy(update={"voting": False}), seed, deadline=0.0)


def _choice(
    kind: Kind,
    contest: "_Contest",
    vote: Vote,
    scores: dict[str, float],
    held_out: Sequence[Vote] = (),
) -> Choice:
    """Forecasts by `held_out` votes, one for each window, tell how wide intervals must be: the vote's own suit their windows."""
    own = [vote] * len(contest.truth.ends)
    predictions, judged = contest.together(kind, own), contest.together(kind, held_out or own)
    margins, scales = conformalize.conformalize(contest.truth, judged)
    return Choice(
        kind=kind,
        trials=tuple(replace(contest.trials[number], predictions=None) for number in vote),
        weights=tuple(vote.values()),
        scores_by_kind=scores,
        predictions=predictions,
        margins=margins,
        scales=scales,
        coverage=coverage(contest.truth, conformalize.held_out(contest.truth, judged)),
    )


def _shaped(choice: Choice, contest: "_Contest", vote: Vote, held_out: Sequence[Vote]) -> Choice:
    """The choice with intervals by the members' own quantiles, where these are clearly better on windows held out."""
    if not any(number in contest.distances for number in vote):
        return choice  # whatever other votes had, no member that answers has quantiles of its own
    sample = contest.sampled(MAX_SHAPED_CELLS)
    judged, spread = sample.together(choice.kind, held_out), sample.spread(held_out)
    best = conformalize_quantiles.chosen(sample.truth, judged, spread)
    if best is None:
        return choice
    calibration = conformalize_quantiles.calibrate(sample.truth, judged, best)
    is_alone, own = best is not spread, contest.spread([vote] * len(held_out))
    own = own.alone() if is_alone else own
    quantiles = conformalize_quantiles.held_out(sample.truth, judged, best)
    return replace(
        choice,
        shape=QuantileShape(calibration.corrections, is_alone, own.own, own.weight),
        coverage=coverage(sample.truth, quantiles),
    )


def combined(kind: str, points: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """What members [n_members, …] say together; those that say nothing (NaN) have no voice, NaN where none has.

    >>> combined("voting", np.array([[1.0, np.nan], [4.0, 2.0]]), [2 / 3, 1 / 3]).tolist()
    [2.0, 2.0]
    >>> combined("median", np.array([[1.0], [9.0], [2.0]]), [1 / 3, 1 / 3, 1 / 3]).tolist()
    [2.0]
    """
    if kind == "median":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # where nothing is known, so is the median
            return np.nanmedian(points, axis=0)
    known = np.isfinite(points)
    shares = np.asarray(weights).reshape(-1, *[1] * (points.ndim - 1)) * known
    with np.errstate(invalid="ignore"):
        return (np.where(known, points, 0.0) * shares).sum(axis=0) / shares.sum(axis=0)


def _simplest_of_the_best(scores: Mapping[Kind, float], metric: str) -> Kind:
    """The first kind that is as good as the best but for noise; kinds come in the order of their simplicity."""
    goodness = {kind: metrics.oriented(metric, value) for kind, value in scores.items() if np.isfinite(value)}
    best = max(goodness.values(), default=0.0)
    return next((kind for kind, value in goodness.items() if value >= best - WITHIN_NOISE * abs(best)), "single")


@dataclass(frozen=True)
class _Contest:
    """Trials of one group, the best first, and what their forecasts should have been."""

    trials: tuple[Trial, ...]
    points: np.ndarray  # float64 [n_trials, n_windows, n_series, horizon]
    distances: dict[int, np.ndarray]  # of quantiles from medians, of trials with such [n_windows, n_series, horizon, …]
    truth: ForecastTruth
    metric: str
    iterations: int
    seed: int

    @classmethod
    def of(
        cls, group: Group, candidates: Sequence[Candidate], settings: EnsembleSetting, seed: int
    ) -> "_Contest | None":
        metric, truth = group.problem.problem.metric, backtest.truth(group.panel, group.problem)
        finished = [trial for candidate in candidates for trial in candidate.trials if trial.is_finished]
        trials = tuple(contenders(finished, metric))
        return cls.among(trials, truth, metric, settings.iterations, seed) if trials else None

    @classmethod
    def among(
        cls, trials: tuple[Trial, ...], truth: ForecastTruth, metric: str, iterations: int = 1, seed: int = 0
    ) -> "_Contest":
        points = np.array([point_of(trial, truth) for trial in trials])
        distances = {n: _distances(trial, truth) for n, trial in enumerate(trials) if _has_quantiles(trial)}
        return cls(trials, points, distances, truth, metric, iterations, seed)

    def vote(self, kind: Kind) -> Vote | None:
        """Weights by numbers of trials; None where there are too few for the kind."""
        if kind == "median":
            return self._statistical()
        if kind == "voting":
            return self._shared_out() if len(self.trials) > 1 else None
        return {int(np.argmax(self._goodness(self.points))): 1.0}

    def held_out(self, kind: Kind) -> list[Vote]:
        """What those beside it choose for each window; with one window there are none."""
        return [self._beside(window).vote(kind) or {0: 1.0} for window in range(len(self.truth.ends))]

    def together(self, kind: Kind, votes: Sequence[Vote]) -> np.ndarray:
        """Forecasts of each window by its vote, [n_windows, n_series, horizon]."""
        pairs = enumerate(votes)
        return np.array([combined(kind, self.points[list(vote), n], list(vote.values())) for n, vote in pairs])

    def spread(self, votes: Sequence[Vote]) -> Spread:
        """What members of the vote of each window say of their quantiles there."""
        shape = (*self.points.shape[2:], len(self.truth.levels))
        none, found = np.full(shape, np.nan), []
        for window, vote in enumerate(votes):
            distances = np.stack([self.distances[n][window] if n in self.distances else none for n in vote])
            found.append(Spread.of(distances, np.ones(distances.shape[:-1], bool), np.array(list(vote.values()))))
        return Spread(np.stack([one.own for one in found]), np.stack([one.weight for one in found]))

    def _beside(self, window: int) -> "_Contest":
        if len(self.truth.ends) == 1:
            return self
        others, truth = self.truth.beside(window)
        return replace(self, points=self.points[:, others], truth=truth)

    def _on(self, windows: Any, series: Any) -> "_Contest":
        points = self.points[:, windows][:, :, series]
        distances = {number: one[windows][:, series] for number, one in self.distances.items()}
        return replace(self, points=points, distances=distances, truth=self.truth.part(windows, series))

    def _goodness(self, points: np.ndarray) -> np.ndarray:
        """The metric, greater is better, of many forecasts; the least where it has no value."""
        values = scores_of_each(self.metric, self.truth, points) * metrics.oriented(self.metric, 1.0)
        return np.where(np.isfinite(values), values, -np.inf)

    def _statistical(self) -> Vote | None:
        """The best trials of forecasters that learn series by series, one of each; a naive one is none of them."""
        order = np.argsort(-self._goodness(self.points), kind="stable").tolist()
        parts = registry.algorithms("forecasting")
        fitting = [number for number in order if _is_statistical(self.trials[number], parts)]
        best = list({self.trials[number].algorithm: number for number in reversed(fitting)}.values())[::-1]
        fewest, most = MEDIAN_MEMBERS
        return {number: 1 / len(best[:most]) for number in best[:most]} if len(best) >= fewest else None

    def _shared_out(self) -> Vote:
        """Greedy shares drawn towards equal ones, the more so the fewer windows and series there are."""
        sample = self.sampled()
        votes = greedy_votes(sample.points, sample._goodness, self.iterations, patience=PATIENCE)
        n_members, n_told = int((votes > 0).sum()), self.truth.n_apart * np.sqrt(self.truth.learnt.n_series)
        drawn = n_members / (n_members + n_told)
        weights = (1 - drawn) * votes / votes.sum() + drawn * (votes > 0) / n_members
        return {number: float(weights[number]) for number in np.flatnonzero(votes).tolist()}

    def sampled(self, most: int = MAX_CELLS) -> "_Contest":
        """The same with no more series than there is time for."""
        n_series, cells = self.truth.learnt.n_series, self.points[0].size
        if cells <= most:
            return self
        n_kept = max(1, most * n_series // cells)
        random = np.random.default_rng(self.seed)
        return self._on(slice(None), np.sort(random.choice(n_series, n_kept, replace=False)))


def _has_quantiles(trial: Trial) -> bool:
    return trial.known_predictions.shape[-1] > 1


def _distances(trial: Trial, truth: ForecastTruth) -> np.ndarray:
    """How far quantiles of a trial lie from its median, [n_windows, n_series, horizon, n_quantiles]."""
    predictions = trial.known_predictions
    return predictions - median_head(predictions, truth.levels)[..., None]


def _is_statistical(trial: Trial, parts: Mapping[str, Forecaster]) -> bool:
    part = parts.get(trial.algorithm)
    return part is not None and part.scope == "series" and not part.is_fallback


# Fitting


def _fits(
    groups: Mapping[str, Group], choices: Mapping[str, Choice | None], budget: Budget, seed: int
) -> Iterator[tuple[str, dict[int, Outcome]]]:
    """Outcomes of fits by number of member, for each group as soon as it has all."""
    found: dict[str, dict[int, Outcome]] = {key: {} for key in groups}
    wanted = {key: len(choice.trials) if choice else 0 for key, choice in choices.items()}
    yield from ((key, {}) for key, n_members in wanted.items() if not n_members)
    pieces = [
        Piece((key, number), fitted, (trial.algorithm, trial.config, group.panel, group.problem, seed), rank)
        for key, group in groups.items()
        for rank, (number, trial) in enumerate(_cheapest_first(choices[key]))
    ]
    for outcome in run_pieces(pieces, budget):
        key, number = outcome.key
        found[key][number] = outcome
        if len(found[key]) == wanted[key]:
            yield key, found[key]


def _cheapest_first(choice: Choice | None) -> list[tuple[int, Trial]]:
    """Members by number, so that every group has one before any has all."""
    members = enumerate(choice.trials if choice else ())
    return sorted(members, key=lambda member: member[1].fit_seconds)


def fitted(
    algorithm: str, config: Config, panel: Panel, problem: ForecastProblem, seed: int, deadline: float
) -> Any:  # runs in a child process
    """A model of everything there is to learn from."""
    return registry.algorithms("forecasting")[algorithm].fit(
        config, panel, ForecastContext(problem, seed=seed, deadline=deadline)
    )


def _ensemble(
    group: Group, choice: Choice | None, outcomes: Mapping[int, Outcome], candidates: Sequence[Candidate]
) -> ForecastEnsemble:
    """The chosen with their models; without those that could not be fitted, or a naive model where none could."""
    if choice is None:
        reasons = [f"{trial.name}: {trial.reason}" for candidate in candidates for trial in candidate.trials]
        return _fallen_back(group, f"no trial finished ({reasons[0]})" if reasons else "nothing was tried")
    names = [trial.name for trial in choice.trials]
    models = {names[number]: one.value for number, one in outcomes.items() if one.status == "done"}
    lost = [f"{names[n]}: {one.status}: {one.reason}" for n, one in sorted(outcomes.items()) if names[n] not in models]
    if not models:
        return _fallen_back(group, f"no member could be fitted ({lost[0]})")
    if lost:
        choice = _without_lost(group, choice, models, candidates)
    members = tuple(
        ForecastMember(trial.name, trial.algorithm, weight, trial.config, Fitted((models[trial.name],)))
        for trial, weight in zip(choice.trials, choice.weights, strict=True)
    )
    return _made(group, choice, members, "; ".join(f"left out {one}" for one in lost))


def _without_lost(group: Group, choice: Choice, kept: Mapping[str, Any], candidates: Sequence[Candidate]) -> Choice:
    """The choice as if the kept trials had been all; their weights add up to one again."""
    trials = tuple(trial for candidate in candidates for trial in candidate.trials if trial.name in kept)
    truth, metric = backtest.truth(group.panel, group.problem), group.problem.problem.metric
    contest = _Contest.among(trials, truth, metric)
    weights = {trial.name: weight for trial, weight in zip(choice.trials, choice.weights, strict=True)}
    shares = np.array([weights[trial.name] for trial in trials])
    vote = dict(enumerate((shares / shares.sum()).tolist()))
    return _choice(choice.kind if len(trials) > 1 else "single", contest, vote, choice.scores_by_kind)


def _fallen_back(group: Group, reason: str) -> ForecastEnsemble:
    """A naive model, which needs no more than one value."""
    part, problem, panel = fallback(), group.problem, group.panel
    config = next(iter(part.portfolio(problem, panel)))
    context = ForecastContext(problem)
    predictions, _ = backtested(part, config, panel, context, float("inf"))
    trial = Trial(f"{part.name}_fallback", part.name, config, "finished", predictions=predictions)
    truth = backtest.truth(panel, problem)
    contest = _Contest.among((trial,), truth, problem.problem.metric)
    choice = _choice("single", contest, {0: 1.0}, {})
    (value,) = conformalize.scores_of_each(contest.metric, truth, choice.predictions[None]).tolist()
    choice = replace(choice, scores_by_kind={"single": value})
    member = ForecastMember(trial.name, part.name, 1.0, config, Fitted((part.fit(config, panel, context),)))
    return replace(_made(group, choice, (member,), reason), is_fallback=True)


def _made(group: Group, choice: Choice, members: tuple[ForecastMember, ...], reason: str) -> ForecastEnsemble:
    return ForecastEnsemble(
        kind=choice.kind,
        members=members,
        score=choice.scores_by_kind[choice.kind],
        scores_by_kind=choice.scores_by_kind,
        predictions=choice.predictions,
        margins=choice.margins,
        scales=choice.scales,
        names=group.panel.names,
        problem=group.problem,
        reason=reason,
        coverage=choice.coverage,
        shape=choice.shape,
    )
