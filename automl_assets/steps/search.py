"""search: fits one algorithm's configurations on every fold, each fit in a process that can be stopped."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets import metrics, registry
from automl_assets.answer_kinds import answers_of
from automl_assets.execution.budget import SOFT_SHARE, Budget, has_stalled
from automl_assets.execution.processes import Job, Outcome, run_jobs, wait_until_warm
from automl_assets.learning.fit_fold import REFIT, FoldFit
from automl_assets.learning.preparation import SAMPLED_ROWS
from automl_assets.parts import Algorithm, Config, link_of, link_scores
from automl_assets.records import TRAIN, VALID, Candidate, Features, Fitted, Split, Trial, Truth
from automl_assets.steps.climb import FIRST_TIME, Climb, Rung
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
    family = registry.tasks()[features.truth.problem.task].family
    wait_until_warm(*registry.family_modules(family), *algorithm.preload)
    budget = budget.after(time.monotonic() - started)
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        registry.family_of(features.truth.problem.task).steps.lay_out(Path(folder), features, algorithm)
        trials = _Search(features, folder, algorithm, budget, seed, report).trials(run)
    return Candidate(algorithm.name, trials, time.monotonic() - started)


@dataclass
class _Attempt:
    """A trial under way: the outcomes of its folds as they come in."""

    name: str
    config: Config
    folds: list[int]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return len(self.outcomes) == len(self.folds)


class _Search:
    """The state of one candidate's search: which trials run, which are done, and whether another may start."""

    def __init__(
        self, features: Features, folder: str, algorithm: Algorithm, budget: Budget, seed: int, report: Report
    ):
        self.features, self.truth, self.folder = features, features.truth, folder
        self.family = registry.family_of(features.truth.problem.task)
        self.steps = self.family.steps
        self.algorithm, self.budget, self.seed, self.report = algorithm, budget, seed, report
        self.started = time.monotonic()
        self.deadline = self.started + budget.seconds
        self.validated = in_order_of_worth(self.truth.split)
        self.folds = [*self.validated, *([REFIT] if algorithm.is_refitted else [])]
        self.n_processes = min(budget.n_processes or budget.n_cores, max(2, len(self.folds)))
        self.suggestions = Suggestions(algorithm, features, seed)
        self.suggested = islice(self.suggestions, budget.max_trials)
        self.finished: list[Trial] = []
        self.attempts: dict[str, _Attempt] = {}

    def trials(self, run: RunJobs) -> tuple[Trial, ...]:
        climb, seconds = self._climb(), max(self.budget.seconds, self.budget.first_seconds)
        if self.budget.first_seconds and climb.is_short(seconds):
            self._first_trial(climb, run, self._trial_deadline())
        if not self.attempts or self._is_whole:
            self._gather(run, self._jobs())
        order = list(self.attempts)
        return tuple(sorted(self.finished, key=lambda trial: order.index(trial.name)))

    def _gather(self, run: RunJobs, jobs: Iterator[Job]) -> None:
        for outcome in run(jobs, self.n_processes, self.budget.memory_bytes):
            name, fold = outcome.key
            attempt = self.attempts[name]
            attempt.outcomes[fold] = outcome
            if attempt.is_complete:
                self._finish(attempt)

    # A first trial that may be too large for its time

    def _climb(self) -> Climb:
        problem, n_train = self.truth.problem, (self.truth.split.assignment == TRAIN).sum(axis=0).max()
        return Climb(
            n_rows=min(int(n_train), self.algorithm.max_rows or int(n_train)),
            n_folds=self.truth.split.n_folds,
            n_cells_a_row=max(1, self.steps.cells_a_row(self.features, self.algorithm)) * problem.n_scores,
            n_classes=problem.n_classes,
            n_cores=self.budget.n_cores,
            is_refitted=self.algorithm.is_refitted,
        )

    def _first_trial(self, climb: Climb, run: RunJobs, end: float) -> None:
        """The default configuration, rung by rung; the last one that ended in time is the trial."""
        config = next(self.suggested, None)
        if config is None:
            return
        rung: Rung | None = climb.first()
        best: _Attempt | None = None
        while rung is not None:
            tried, now = self._attempt(climb, rung, config, best), time.monotonic()
            until = end if best or rung.is_top or self.algorithm.fills_time else now + FIRST_TIME * (end - now)
            n_threads = self._run_rung(tried, run, until, end if best else end + self.budget.grace_seconds)
            if any(outcome.status != "done" for outcome in tried.outcomes.values()):
                tried = _done(tried, best)
                break
            best, seconds = tried, max(outcome.seconds for outcome in tried.outcomes.values())
            rung = climb.next(rung, seconds * n_threads, end - time.monotonic())
        self.attempts = {tried.name: tried}
        self._finish(tried)

    def _attempt(self, climb: Climb, rung: Rung, config: Config, before: _Attempt | None) -> _Attempt:
        """What is to be fitted; what the rung before has fitted on the same rows stands."""
        sample = {} if rung.n_rows == climb.n_rows else {SAMPLED_ROWS: rung.n_rows}
        folds = [*self.validated[: rung.n_folds], *([REFIT] if climb.is_refitted else [])]
        asked = config | sample
        outcomes = dict(before.outcomes) if before and before.config == asked else {}
        return _Attempt(f"{self.algorithm.name}_1", asked, folds, outcomes)

    def _run_rung(self, attempt: _Attempt, run: RunJobs, until: float, end: float) -> int:
        """Fits what is left of an attempt, side by side as far as there are cores: to be done by `until`, and ended at
        `end`. Returns the threads of each fit."""
        left = [fold for fold in attempt.folds if fold not in attempt.outcomes]
        n_beside = max(1, min(self.n_processes, len(left)))
        planned = (self._job(attempt, fold, len(left) - i, until, n_beside) for i, fold in enumerate(left))
        jobs = (replace(job, deadline=end) for job in planned)
        for outcome in run(jobs, n_beside, self.budget.memory_bytes):
            attempt.outcomes[outcome.key[1]] = outcome
        return self._n_threads(n_beside)

    def _n_threads(self, n_beside: int) -> int:
        """Of one fit among those side by side; no more than a machine has where fits run on several."""
        return max(1, self.budget.n_cores // max(n_beside, self.budget.n_processes or 1))

    @property
    def _is_whole(self) -> bool:
        """Whether the first trial came through all rows and folds, so that others may."""
        return all(trial.is_finished and is_whole(trial, self.truth) for trial in self.finished)

    def _finish(self, attempt: _Attempt) -> None:
        trial = _trial(attempt, self.truth, self.algorithm)
        self.finished.append(trial)
        self.suggestions.tell(trial)
        self.report(trial)

    def _jobs(self) -> Iterator[Job]:
        """Jobs in order; drawn one by one, so every decision is made as late as possible."""
        for number, config in enumerate(self.suggested, start=1 + len(self.attempts)):
            if not self._may_start():
                return
            trial_deadline = self._trial_deadline()
            attempt = _Attempt(f"{self.algorithm.name}_{number}", config, self.folds)
            self.attempts[attempt.name] = attempt
            for position, fold in enumerate(self.folds):
                yield self._job(attempt, fold, len(self.folds) - position, trial_deadline, self.n_processes)

    def _trial_deadline(self) -> float:
        """The first trial may take more than the share of all."""
        end, seconds = self.deadline, self.budget.trial_seconds
        if not self.attempts:
            end = max(end, self.started + self.budget.first_seconds)
        return end if seconds is None else min(end, time.monotonic() + seconds)

    def _job(self, attempt: _Attempt, fold: int, n_left: int, deadline: float, n_beside: int) -> Job:
        """The fits of a trial that are left share the time that is left, in rounds of as many as run side by side."""
        now = time.monotonic()
        n_rounds = -(-n_left // n_beside)
        share = max(0.0, deadline - now) / n_rounds
        context = replace(
            self.steps.fit_context(self.features, self.seed),
            n_threads=self._n_threads(n_beside),
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


def _done(cut_off: _Attempt, before: _Attempt | None) -> _Attempt:
    """What counts of a rung that was cut off: its first folds, where they are more than those of the rung before."""
    if before is None or before.config != cut_off.config:
        return before or cut_off
    validated = (fold for fold in cut_off.folds if fold != REFIT)
    kept = set(takewhile(lambda fold: cut_off.outcomes[fold].status == "done", validated))
    folds = [fold for fold in cut_off.folds if fold == REFIT or fold in kept]
    return replace(cut_off, folds=folds, outcomes={fold: cut_off.outcomes[fold] for fold in folds})


def in_order_of_worth(split: Split) -> list[int]:
    """The folds, first the one that a trial of a single fold should have: where folds leave rows out, the last, whose
    model is fitted again on all of them."""
    folds = list(range(split.n_folds))
    return folds[::-1] if split.leaves_out else folds


def is_whole(trial: Trial, truth: Truth) -> bool:
    """Whether a trial learnt from all rows and validated on all that there are to validate on."""
    if trial.predictions is None or SAMPLED_ROWS in trial.config:
        return False
    return bool(np.isfinite(trial.predictions[(truth.split.assignment == VALID).any(axis=1)]).all())


def whole_seconds(trial: Trial, truth: Truth) -> float | None:
    """What the fits of a finished trial would have taken together with all rows and folds, had they had them."""
    if trial.predictions is None:
        return None
    split, is_validated = truth.split, (truth.split.assignment == VALID).any(axis=1)
    n_rows = int((split.assignment == TRAIN).sum(axis=0).max())
    of_rows = n_rows / min(n_rows, trial.config.get(SAMPLED_ROWS, n_rows))
    return trial.fit_seconds * of_rows / float(np.isfinite(trial.predictions[is_validated]).all(axis=1).mean())


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
    link, can_be_averaged = link_of(algorithm.link, problem), answers_of(problem).can_be_averaged
    total = np.zeros((n_rows, problem.n_outputs))
    count = np.zeros(n_rows)
    for fold, fit in fits.items():
        if fit.raw is not None:
            valid = truth.split.fold(fold)[1]
            is_fresh = can_be_averaged | (count[valid] == 0)
            total[valid[is_fresh]] += link_scores(fit.raw[is_fresh], link)
            count[valid[is_fresh]] += 1
    with np.errstate(invalid="ignore"):
        return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)


def _scores(predictions: np.ndarray, truth: Truth) -> dict[str, float]:
    """The metric and some further ones on the validated rows; none when a prediction is not a number."""
    known = ~np.isnan(predictions).all(axis=1)
    if not np.isfinite(predictions[known]).all():
        return {}
    names = dict.fromkeys((truth.problem.metric, *registry.tasks()[truth.problem.task].further_metrics))
    return metrics.scores_of(names, truth.y[known], predictions[known], truth.weights_of(known), truth.problem)
