"""search: tries the configurations of one forecaster on the backtest of many groups at once.

Every configuration learns from each window's history and forecasts its future. Groups, and of a forecaster that learns
series by series also parts of a group, are pieces of work that `execution.batches` shares out to child processes.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from automl_assets import metrics, registry
from automl_assets.execution.batches import PRELOAD, Piece, run_pieces
from automl_assets.execution.budget import Budget, has_stalled
from automl_assets.execution.processes import Outcome, wait_until_warm
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster
from automl_assets.forecasting.metrics import ForecastTruth, median_head
from automl_assets.forecasting.records import ForecastProblem, Group, Panel
from automl_assets.forecasting.steps import backtest, conformalize
from automl_assets.forecasting.steps.safe_forecast import Carried, answers, carried, n_heads, part_of
from automl_assets.forecasting.tasks import FURTHER_METRICS
from automl_assets.parts import Config
from automl_assets.records import Candidate, Trial
from automl_assets.steps.suggest import most_trials, new_study

CHUNK = 16  # series of one piece of work, for forecasters that learn series by series
MOST_TUNED = 50  # groups for which configurations beyond the portfolio are looked for
TRIED_SHARE = 0.3  # of its time after which a forecaster may be given up, when it has forecast so many of the series:
SEEN_SHARE = 0.2
FAR_BEHIND = 1.5  # times the error of the best one so far, both beside naive forecasts of the same series

Report = Callable[[str, Trial], None]


def search(
    groups: Mapping[str, Group],
    forecaster: Forecaster,
    budget: Budget,
    seed: int,
    report: Report = lambda key, trial: None,
) -> Iterator[tuple[str, Candidate]]:
    """The candidate of every group by its key, each as soon as it is finished.

    Never raises for a bad fit: what crashed, or ran out of time or memory, is a failed trial with its reason. A trial
    that forecasts only some of the series is scored with naive forecasts in the gaps, as it would answer, and says so.
    """
    started = time.monotonic()
    wait_until_warm(PRELOAD, *registry.family_modules("forecasting"), *forecaster.preload)
    budget = budget.after(time.monotonic() - started)
    deadline = time.monotonic() + budget.seconds
    efforts = {key: _Effort(key, group, forecaster, budget, seed) for key, group in groups.items()}
    is_tuned = forecaster.space is not None and len(groups) <= MOST_TUNED
    for effort in _tried(efforts, budget):
        if not is_tuned:
            yield effort.key, effort.candidate(report)
    if is_tuned:
        _tune(efforts, budget, deadline)
        yield from ((key, effort.candidate(report)) for key, effort in efforts.items())


def _tried(efforts: Mapping[str, "_Effort"], budget: Budget) -> Iterator["_Effort"]:
    """Tries what is still untried, the first configuration of every group before the second; efforts as they end."""
    pieces = [piece for effort in efforts.values() for piece in effort.pieces()]
    yield from (effort for effort in efforts.values() if effort.is_complete)
    may_give_up = time.monotonic() + TRIED_SHARE * budget.seconds
    for outcome in run_pieces(pieces, budget):
        effort = efforts[outcome.key[0]]
        effort.outcomes[outcome.key[1:]] = outcome
        if effort.is_complete:
            yield effort
        elif len(efforts) == 1 and time.monotonic() > may_give_up and effort.is_far_behind:
            effort.give_up()
            yield effort
            return


@dataclass
class _Effort:
    """The search of one group under way."""

    key: str
    group: Group
    forecaster: Forecaster
    budget: Budget
    seed: int
    outcomes: dict[tuple[int, int], Outcome] = field(default_factory=dict)  # by numbers of configuration and chunk
    trials: list[Trial] = field(default_factory=list)
    reason: str = ""  # why nothing could be tried

    @cached_property
    def configs(self) -> list[Config]:
        try:
            portfolio = self.forecaster.portfolio(self.group.problem, self.group.panel)
        except Exception as error:
            self.reason = f"{type(error).__name__}: {error}"
            return []
        return list(portfolio)[: self.budget.max_trials]

    @cached_property
    def chunks(self) -> list[np.ndarray]:
        """Numbers of the series of each piece of work."""
        n_series = self.group.panel.n_series
        size = CHUNK if self.forecaster.scope == "series" else n_series
        return [np.arange(start, min(start + size, n_series)) for start in range(0, n_series, size)]

    @cached_property
    def truth(self) -> ForecastTruth:
        return backtest.truth(self.group.panel, self.group.problem)

    @property
    def is_complete(self) -> bool:
        return len(self.outcomes) == len(self.configs) * len(self.chunks)

    def pieces(self) -> Iterator[Piece]:
        """Work on configurations that have not been tried."""
        panel, n_tried = self.group.panel, len(self.outcomes) // len(self.chunks)
        parts = [panel] if len(self.chunks) == 1 else [panel.of(chunk) for chunk in self.chunks]
        context = ForecastContext(self.group.problem, seed=self.seed)
        for number, config in list(enumerate(self.configs))[n_tried:]:
            for place, part in enumerate(parts):
                arguments = (carried(self.forecaster), config, part, context)
                yield Piece((self.key, number, place), backtested, arguments, rank=number)

    @property
    def is_far_behind(self) -> bool:
        """All that is known of its errors is far above the best score there is, beside naive forecasts."""
        metric, best = self.group.problem.problem.metric, self.budget.best_score
        if best is None or metrics.oriented(metric, 1.0) > 0:
            return False
        usual = float(conformalize.scores_of_each(metric, self.truth, self.truth.seasonal_naive))
        ratios = [self._beside_naive(number) for number in range(len(self.configs)) if self._is_seen(number)]
        return bool(ratios) and min(ratios) * usual > FAR_BEHIND * best

    def _is_seen(self, number: int) -> bool:
        n_seen = sum(len(chunk) for chunk in self._answered(number).values())
        return n_seen >= max(1, SEEN_SHARE * self.group.panel.n_series)

    def _beside_naive(self, number: int) -> float:
        """The error of a configuration on the series that it has forecast, beside that of naive forecasts."""
        series = np.concatenate(list(self._answered(number).values()))
        truth = self.truth.part(np.arange(len(self.truth.ends)), series)
        point = point_of(self._attempt(number), self.truth)[:, series]
        metric = self.group.problem.problem.metric
        error, naive = conformalize.scores_of_each(metric, truth, np.array([point, truth.seasonal_naive]))
        return float(error / naive) if naive > 0 else np.inf

    def _answered(self, number: int) -> dict[int, np.ndarray]:
        """Chunks of series that a configuration has forecast, or some of them, by their places."""
        outcomes = {place: self.outcomes.get((number, place)) for place in range(len(self.chunks))}
        done = {place: one.value[0] for place, one in outcomes.items() if one is not None and one.status == "done"}
        return {place: self.chunks[place] for place, forecasts in done.items() if np.isfinite(forecasts).any()}

    def give_up(self) -> None:
        """All that has not been tried has failed."""
        told = Outcome(None, "error", reason="given up: what was tried is far behind the best so far")
        self.outcomes = dict.fromkeys(product(range(len(self.configs)), range(len(self.chunks))), told) | self.outcomes

    def candidate(self, report: Report) -> Candidate:
        trials = self.finished()
        if self.reason:
            trials = [Trial(f"{self.forecaster.name}_1", self.forecaster.name, {}, "failed", self.reason)]
        for trial in trials:
            report(self.key, trial)
        seconds = sum(outcome.seconds for outcome in self.outcomes.values())
        return Candidate(self.forecaster.name, tuple(trials), seconds)

    def finished(self) -> list[Trial]:
        """Trials of all that was tried."""
        untold = [self._attempt(number) for number in range(len(self.trials), len(self.configs))]
        self.trials += scored(untold, self.truth, self.group.problem)
        return self.trials

    def _attempt(self, number: int) -> Trial:
        """A trial without its scores yet: the forecasts of all chunks, NaN where one is lost, or not there yet."""
        outcomes = [one for place in range(len(self.chunks)) if (one := self.outcomes.get((number, place)))]
        forecasts = _nothing(self.forecaster, self.group.panel, self.group.problem)
        for place, chunk in self._answered(number).items():
            forecasts[:, chunk] = self.outcomes[number, place].value[0]
        return Trial(
            name=f"{self.forecaster.name}_{number + 1}",
            algorithm=self.forecaster.name,
            config=self.configs[number],
            status="finished" if np.isfinite(forecasts).any() else "failed",
            reason=next((_lost(outcome) for outcome in outcomes if _lost(outcome)), ""),
            fit_seconds=sum(outcome.seconds for outcome in outcomes),
            predictions=forecasts,
        )


def _lost(outcome: Outcome) -> str:
    """Why forecasts of a piece are missing; empty where none are."""
    if outcome.status == "done":
        return outcome.value[1]
    return outcome.reason if outcome.status == "error" else f"{outcome.status}: {outcome.reason}"


def _nothing(forecaster: Forecaster, panel: Panel, problem: ForecastProblem) -> np.ndarray:
    """Forecasts not made, NaN [n_windows, n_series, horizon, n_heads]."""
    return np.full((problem.n_windows, panel.n_series, problem.horizon, n_heads(forecaster, problem)), np.nan)


def backtested(
    part: Carried, config: Config, panel: Panel, context: ForecastContext, deadline: float
) -> tuple[np.ndarray, str]:  # runs in a child process
    """Forecasts of every window [n_windows, n_series, horizon, n_heads], and why some are missing."""
    forecaster, problem, reason = part_of(part), context.problem, ""
    forecasts = _nothing(forecaster, panel, problem)
    for number, window in enumerate(backtest.windows(panel, problem)):
        if not len(window.series):
            continue
        now = time.monotonic()
        until = now + max(0.0, deadline - now) / (problem.n_windows - number)
        try:
            model = forecaster.fit(config, window.history, replace(context, deadline=until))
            forecasts[number, window.series] = answers(forecaster, model, window.history, window.future, problem)
        except Exception as error:  # an early window may be too short for what the others can
            reason = f"{type(error).__name__}: {error}"
    if not np.isfinite(forecasts).any():
        reason = reason or "no series can be forecast, or none is long enough for the backtest"
    return forecasts, reason


# Scores


def point_of(trial: Trial, truth: ForecastTruth) -> np.ndarray:
    """The point forecasts of a trial [n_windows, n_series, horizon], naive ones where it has none."""
    point = median_head(trial.known_predictions, truth.levels)
    return np.where(np.isfinite(point), point, truth.seasonal_naive)


def scored(trials: Sequence[Trial], truth: ForecastTruth, problem: ForecastProblem) -> list[Trial]:
    """Trials with their scores; those that failed without forecasts."""
    finished = [trial for trial in trials if trial.is_finished]
    names = tuple(dict.fromkeys((problem.problem.metric, *FURTHER_METRICS)))
    points = np.array([point_of(trial, truth) for trial in finished]).reshape(-1, *truth.y.shape)
    columns = [conformalize.scores_of_each(name, truth, points) for name in names]
    rows = {trial.name: scores for trial, *scores in zip(finished, *columns, strict=True)}
    return [
        _with_scores(trial, dict(zip(names, rows[trial.name], strict=True)), truth)
        if trial.is_finished
        else replace(trial, predictions=None)
        for trial in trials
    ]


def _with_scores(trial: Trial, scores: dict[str, float], truth: ForecastTruth) -> Trial:
    """The first score is the one that ranks; without a value the trial has failed."""
    metric, value = next(iter(scores.items()))
    if not np.isfinite(value):
        reason = f"{metric} has no value for what the backtest holds; another metric may have one"
        return replace(trial, status="failed", reason=reason, predictions=None)
    answered = np.isfinite(median_head(trial.known_predictions, truth.levels))[truth.is_known].mean()
    known = {name: float(score) for name, score in scores.items() if np.isfinite(score)}
    return replace(trial, score=float(value), scores={**known, "answered": float(answered)})


# Beyond the portfolio


def _tune(efforts: Mapping[str, "_Effort"], budget: Budget, deadline: float) -> None:
    """Rounds of what Optuna's sampler makes of the scores so far, while time and hope last."""
    studies = {key: _Study(effort) for key, effort in efforts.items()}
    n_each = max(1, budget.n_cores // len(studies)) if studies else 0
    while studies:
        for key in [key for key, study in studies.items() if not study.may_go_on(deadline)]:
            del studies[key]
        for study in studies.values():
            study.ask(n_each)
        left = replace(budget, seconds=deadline - time.monotonic())
        for _ in _tried({key: efforts[key] for key in studies}, left):
            pass
        for study in studies.values():
            study.tell()


class _Study:
    """What one group's search asks Optuna, which is loaded when it is first asked."""

    def __init__(self, effort: _Effort):
        self.effort, self.metric = effort, effort.group.problem.problem.metric
        self.space: Any = effort.forecaster.space
        self.study: Any = None
        self.asked: list[Any] = []
        self.most = min(most_trials(int(effort.truth.counts.sum())), effort.budget.max_trials or 10**9)

    def may_go_on(self, deadline: float) -> bool:
        trials, budget = self.effort.finished(), self.effort.budget
        scores = [metrics.oriented(self.metric, trial.score) for trial in trials if trial.score is not None]
        seconds = float(np.mean([trial.fit_seconds for trial in trials])) if trials else 0.0
        if not scores or len(trials) >= self.most or time.monotonic() + seconds > deadline or self.effort.is_far_behind:
            return False
        is_good = budget.exit_score is not None and max(scores) >= metrics.oriented(self.metric, budget.exit_score)
        return not is_good and not (budget.early_stopping and has_stalled(trials, self.metric))

    def ask(self, n_wished: int) -> None:
        self.study = self.study or new_study(self.effort.seed)
        self.asked = [self.study.ask() for _ in range(min(n_wished, self.most - len(self.effort.configs)))]
        self.effort.configs += [self.space(one, self.effort.group.problem) for one in self.asked]

    def tell(self) -> None:
        import optuna

        for one, trial in zip(self.asked, self.effort.finished()[-len(self.asked) :], strict=True):
            if trial.score is None:
                self.study.tell(one, state=optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(one, metrics.oriented(self.metric, trial.score))
