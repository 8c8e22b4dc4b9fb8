"""search: fits one algorithm's configurations on every fold, each fit in a process that can be stopped."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets import metrics, registry
from automl_assets.execution.budget import SOFT_SHARE, Budget, has_stalled
from automl_assets.execution.processes import Job, Outcome, run_jobs, wait_until_warm
from automl_assets.learning.fit_fold import REFIT, FoldFit
from automl_assets.parts import Algorithm, Config, link_scores
from automl_assets.records import Candidate, Features, Fitted, Trial, Truth
from automl_assets.steps.suggest import Suggestions

Report = Callable[[Trial], None]
RunJobs = Callable[[Iterable[Job], int, int | None], Iterator[Outcome]]  # as `processes.run_jobs`


def search(
    features: Features,
    algorithm: Algorithm,
    budget: Budget,
    seed: int,
    report: Report = lambda trial: None,
    run: RunJobs = run_jobs,
) -> Candidate:
    """Tries configurations as `suggest` names them until time, trials or patience end. Never raises for a bad fit:
    a trial that crashed or ran out of time or memory is part of the candidate, with its reason. `run` runs the fits."""
    started = time.monotonic()
    wait_until_warm()
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        registry.family_of(features.truth.problem.task).steps.lay_out(Path(folder), features, algorithm)
        trials = _Search(features, folder, algorithm, budget, seed, report).trials(run)
    return Candidate(algorithm.name, trials, time.monotonic() - started)


@dataclass
class _Attempt:
    """A trial under way: the outcomes of its folds as they come in."""

    name: str
    config: Config
    outcomes: dict[int, Outcome] = field(default_factory=dict)


class _Search:
    """The state of one candidate's search: which trials run, which are done, and whether another may start."""

    def __init__(
        self, features: Features, folder: str, algorithm: Algorithm, budget: Budget, seed: int, report: Report
    ):
        self.features, self.truth, self.folder = features, features.truth, folder
        self.family = registry.family_of(features.truth.problem.task)
        self.steps = self.family.steps
        self.algorithm, self.budget, self.seed, self.report = algorithm, budget, seed, report
        self.deadline = time.monotonic() + budget.seconds
        self.folds = [*range(self.truth.split.n_folds), *([REFIT] if algorithm.is_refitted else [])]
        self.n_processes = min(budget.n_processes or budget.n_cores, max(2, len(self.folds)))
        self.suggestions = Suggestions(algorithm, features, seed)
        self.finished: list[Trial] = []
        self.attempts: dict[str, _Attempt] = {}

    def trials(self, run: RunJobs) -> tuple[Trial, ...]:
        outcomes = run(self._jobs(), self.n_processes, self.budget.memory_bytes)
        for outcome in outcomes:
            name, fold = outcome.key
            attempt = self.attempts[name]
            attempt.outcomes[fold] = outcome
            if len(attempt.outcomes) == len(self.folds):
                self._finish(attempt)
        order = list(self.attempts)
        return tuple(sorted(self.finished, key=lambda trial: order.index(trial.name)))

    def _finish(self, attempt: _Attempt) -> None:
        trial = _trial(attempt, self.truth, self.algorithm)
        self.finished.append(trial)
        self.suggestions.tell(trial)
        self.report(trial)

    def _jobs(self) -> Iterator[Job]:
        """Jobs in order; drawn one by one, so every decision is made as late as possible."""
        suggested = islice(self.suggestions, self.budget.max_trials)
        for number, config in enumerate(suggested, start=1):
            if not self._may_start():
                return
            attempt = _Attempt(f"{self.algorithm.name}_{number}", config)
            self.attempts[attempt.name] = attempt
            trial_deadline = self._trial_deadline()
            for position, fold in enumerate(self.folds):
                yield self._job(attempt, fold, len(self.folds) - position, trial_deadline)

    def _trial_deadline(self) -> float:
        seconds = self.budget.trial_seconds
        return self.deadline if seconds is None else min(self.deadline, time.monotonic() + seconds)

    def _job(self, attempt: _Attempt, fold: int, n_left: int, deadline: float) -> Job:
        """The fits of a trial that are left share the time that is left, in rounds of as many as run side by side."""
        now = time.monotonic()
        n_rounds = -(-n_left // self.n_processes)
        share = max(0.0, deadline - now) / n_rounds
        context = replace(
            self.steps.fit_context(self.features, self.seed),
            n_threads=max(1, self.budget.n_cores // self.n_processes),
            deadline=now + SOFT_SHARE * share,
        )
        arguments = (self.folder, self.family.name, self.algorithm.name, attempt.config, fold, context)
        return Job((attempt.name, fold), self.steps.fit_fold, arguments, deadline)

    def _may_start(self) -> bool:
        if not self.attempts:
            return True
        now, scores = time.monotonic(), [trial.score for trial in self.finished if trial.is_finished]
        if now >= self.deadline or self._has_exit_score(scores):
            return False
        if self.finished and not scores:
            return False  # the default configuration failed: more of the same would too
        if self.budget.early_stopping and has_stalled(self.finished, self.truth.problem.metric):
            return False
        return now + self._expected_seconds() <= self.deadline

    def _expected_seconds(self) -> float:
        """Of one more trial, by the fits that are done; those of a trial under way count as well."""
        seconds = [outcome.seconds for attempt in self.attempts.values() for outcome in attempt.outcomes.values()]
        n_rounds = -(-len(self.folds) // self.n_processes)
        return n_rounds * float(np.median(seconds)) if seconds else 0.0

    def _has_exit_score(self, scores: list[float | None]) -> bool:
        exit_score, name = self.budget.exit_score, self.truth.problem.metric
        if exit_score is None:
            return False
        return any(metrics.oriented(name, s) >= metrics.oriented(name, exit_score) for s in scores if s is not None)


def _trial(attempt: _Attempt, truth: Truth, algorithm: Algorithm) -> Trial:
    """Joins the folds of a trial; one failed fold fails it."""
    failed = [outcome for outcome in attempt.outcomes.values() if outcome.status != "done"]
    seconds = sum(outcome.seconds for outcome in attempt.outcomes.values())
    if failed:
        reason = f"{failed[0].status}: {failed[0].reason}" if failed[0].status != "error" else failed[0].reason
        return Trial(attempt.name, algorithm.name, attempt.config, "failed", reason, fit_seconds=seconds)
    fits = {fold: outcome.value for fold, outcome in sorted(attempt.outcomes.items())}
    predictions = out_of_fold(fits, truth, algorithm)
    scores = _scores(predictions, truth)
    if not np.isfinite(scores.get(truth.problem.metric, np.nan)):
        reason = f"{truth.problem.metric} of its predictions is not a number"
        return Trial(attempt.name, algorithm.name, attempt.config, "failed", reason, fit_seconds=seconds)
    return Trial(
        name=attempt.name,
        algorithm=algorithm.name,
        config=attempt.config,
        status="finished",
        score=scores[truth.problem.metric],
        scores=scores,
        fit_seconds=seconds,
        predictions=predictions,
        fitted=Fitted(_answering(fits)),
    )


def _answering(fits: dict[int, FoldFit]) -> tuple[Any, ...]:
    """The models that answer for new rows: one fitted on all rows, or those of the folds."""
    return tuple(fit.model for fit in fits.values() if fit.model is not None)


def out_of_fold(fits: dict[int, FoldFit], truth: Truth, algorithm: Algorithm) -> np.ndarray:
    """Predictions for each row by models that never saw it, float64 [n_rows, n_outputs]; NaN where there is none."""
    problem, n_rows = truth.problem, len(truth.y)
    link = algorithm.link if problem.classes else "value"
    total = np.zeros((n_rows, problem.n_outputs))
    count = np.zeros(n_rows)
    for fold, fit in fits.items():
        if fit.raw is not None:
            valid = truth.split.fold(fold)[1]
            total[valid] += link_scores(fit.raw, link)
            count[valid] += 1
    with np.errstate(invalid="ignore"):
        return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)


def _scores(predictions: np.ndarray, truth: Truth) -> dict[str, float]:
    """The metric and some further ones on the validated rows; none when a prediction is not a number."""
    known = ~np.isnan(predictions).all(axis=1)
    if not np.isfinite(predictions[known]).all():
        return {}
    names = dict.fromkeys((truth.problem.metric, *registry.tasks()[truth.problem.task].further_metrics))
    return metrics.scores_of(names, truth.y[known], predictions[known], truth.weights_of(known), truth.problem)
