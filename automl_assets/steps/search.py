"""search: fits one algorithm's configurations on every fold, each fit in a process that can be stopped."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets import metrics, preparation, registry
from automl_assets.isolation import Job, Outcome, run_jobs, wait_until_warm
from automl_assets.parts import Algorithm, Config, FitContext, Rows, link_scores
from automl_assets.records import TRAIN, VALID, Candidate, Features, Fitted, Problem, Trial
from automl_assets.steps.suggest import Suggestions

PATIENCE = 10  # trials without a better score after which a candidate ends, as in Azure
SOFT_SHARE = 0.85  # of a fit's time is offered to the algorithm; the rest is for predicting and sending back
REFIT = -1  # in place of a fold's number: learn from all training rows

FURTHER_METRICS = {  # shown on the leaderboard beside the experiment's own
    "classification": ("accuracy", "AUC_weighted", "log_loss", "norm_macro_recall"),
    "regression": ("root_mean_squared_error", "mean_absolute_error", "r2_score", "spearman_correlation"),
}

Report = Callable[[Trial], None]
RunJobs = Callable[[Iterable[Job], int, int | None], Iterator[Outcome]]  # as `isolation.run_jobs`


@dataclass(frozen=True)
class Budget:
    """What one candidate may use."""

    seconds: float
    n_cores: int = 1
    n_processes: int | None = None  # fits side by side, at most; None: as many as there are cores
    max_trials: int | None = None
    trial_seconds: float | None = None
    exit_score: float | None = None
    memory_bytes: int | None = None
    early_stopping: bool = True
    left_out: str = ""  # why nothing is to be tried
    best_score: float | None = None  # of what was tried before, where that is known: what stays far behind is given up
    overtime: float = 0.0  # seconds more, where else nothing good would come of it


@dataclass(frozen=True)
class FoldFit:
    """What comes back from a fit: the model, unless another one will answer, and its raw scores on validation rows."""

    model: Any
    raw: np.ndarray | None  # [n_valid, n_scores]
    seconds: float


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
        _lay_out(Path(folder), features, algorithm)
        trials = _Search(features, folder, algorithm, budget, seed, report).trials(run)
    return Candidate(algorithm.name, trials, time.monotonic() - started)


def _lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Writes what fits read, so that every process maps the same memory."""
    np.save(folder / "x.npy", features.dense if algorithm.view == "dense" else features.codes)
    np.save(folder / "y.npy", features.y)
    np.save(folder / "assignment.npy", features.split.assignment)
    if features.weight is not None:
        np.save(folder / "weight.npy", features.weight)


def fit_fold(
    folder: str, family: str, name: str, config: Config, fold: int, context: FitContext
) -> FoldFit:  # runs in a child process
    """Fits one configuration on one fold (or on all training rows) of the data laid out in `folder`."""
    from threadpoolctl import threadpool_limits

    algorithm = registry.algorithms(family)[name]
    started = time.monotonic()
    with threadpool_limits(context.n_threads):
        train, valid = _rows_of(Path(folder), fold, algorithm.max_rows, context.seed)
        model = preparation.fit(algorithm, config, train, valid, context)
        raw = preparation.predict_raw(algorithm, model, valid.x) if valid is not None else None
    is_needed = fold == REFIT or not algorithm.is_refitted
    return FoldFit(model if is_needed else None, raw, time.monotonic() - started)


def _rows_of(folder: Path, fold: int, max_rows: int | None, seed: int) -> tuple[Rows, Rows | None]:
    assignment = np.load(folder / "assignment.npy", mmap_mode="r")
    if fold == REFIT:
        return _read_rows(folder, sampled(np.flatnonzero((assignment > 0).any(axis=1)), max_rows, seed)), None
    train = sampled(np.flatnonzero(assignment[:, fold] == TRAIN), max_rows, seed)
    return _read_rows(folder, train), _read_rows(folder, np.flatnonzero(assignment[:, fold] == VALID))


def context_of(featurizer: Any, problem: Problem, seed: int) -> FitContext:
    """What every fit is told about the features and the question; threads and deadline are the caller's."""
    return FitContext(problem=problem, categories=featurizer.n_levels, terms=featurizer.n_terms, seed=seed)


def sampled(rows: np.ndarray, max_rows: int | None, seed: int) -> np.ndarray:
    """Row numbers an algorithm learns from: all, or a seeded sample of as many as it takes."""
    if max_rows is None or len(rows) <= max_rows:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, max_rows, replace=False))


def _read_rows(folder: Path, rows: np.ndarray) -> Rows:
    x, y = np.load(folder / "x.npy", mmap_mode="r")[rows], np.load(folder / "y.npy", mmap_mode="r")[rows]
    weight = folder / "weight.npy"
    return Rows(x, y, np.load(weight, mmap_mode="r")[rows] if weight.exists() else None)


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
        self.features, self.folder = features, folder
        self.algorithm, self.budget, self.seed, self.report = algorithm, budget, seed, report
        self.deadline = time.monotonic() + budget.seconds
        self.folds = [*range(features.split.n_folds), *([REFIT] if algorithm.is_refitted else [])]
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
        trial = _trial(attempt, self.features, self.algorithm)
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
            context_of(self.features.featurizer, self.features.problem, self.seed),
            n_threads=max(1, self.budget.n_cores // self.n_processes),
            deadline=now + SOFT_SHARE * share,
        )
        family = registry.tasks()[self.features.problem.task].family
        arguments = (self.folder, family, self.algorithm.name, attempt.config, fold, context)
        return Job((attempt.name, fold), fit_fold, arguments, deadline)

    def _may_start(self) -> bool:
        if not self.attempts:
            return True
        now, scores = time.monotonic(), [trial.score for trial in self.finished if trial.is_finished]
        if now >= self.deadline or self._has_exit_score(scores):
            return False
        if self.finished and not scores:
            return False  # the default configuration failed: more of the same would too
        if self.budget.early_stopping and has_stalled(self.finished, self.features.problem.metric):
            return False
        return now + self._expected_seconds() <= self.deadline

    def _expected_seconds(self) -> float:
        """Of one more trial, by the fits that are done; those of a trial under way count as well."""
        seconds = [outcome.seconds for attempt in self.attempts.values() for outcome in attempt.outcomes.values()]
        n_rounds = -(-len(self.folds) // self.n_processes)
        return n_rounds * float(np.median(seconds)) if seconds else 0.0

    def _has_exit_score(self, scores: list[float | None]) -> bool:
        exit_score, name = self.budget.exit_score, self.features.problem.metric
        if exit_score is None:
            return False
        return any(metrics.oriented(name, s) >= metrics.oriented(name, exit_score) for s in scores if s is not None)


def has_stalled(trials: list[Trial], metric: str) -> bool:
    """Whether the last trials brought no better score."""
    scores = [metrics.oriented(metric, trial.score) for trial in trials if trial.score is not None]
    return len(scores) > PATIENCE and max(scores[-PATIENCE:]) <= max(scores[:-PATIENCE])


def _trial(attempt: _Attempt, features: Features, algorithm: Algorithm) -> Trial:
    """Joins the folds of a trial; one failed fold fails it."""
    failed = [outcome for outcome in attempt.outcomes.values() if outcome.status != "done"]
    seconds = sum(outcome.seconds for outcome in attempt.outcomes.values())
    if failed:
        reason = f"{failed[0].status}: {failed[0].reason}" if failed[0].status != "error" else failed[0].reason
        return Trial(attempt.name, algorithm.name, attempt.config, "failed", reason, fit_seconds=seconds)
    fits = {fold: outcome.value for fold, outcome in sorted(attempt.outcomes.items())}
    predictions = out_of_fold(fits, features, algorithm)
    scores = _scores(predictions, features)
    if not np.isfinite(scores.get(features.problem.metric, np.nan)):
        reason = f"{features.problem.metric} of its predictions is not a number"
        return Trial(attempt.name, algorithm.name, attempt.config, "failed", reason, fit_seconds=seconds)
    return Trial(
        name=attempt.name,
        algorithm=algorithm.name,
        config=attempt.config,
        status="finished",
        score=scores[features.problem.metric],
        scores=scores,
        fit_seconds=seconds,
        predictions=predictions,
        fitted=Fitted(_answering(fits)),
    )


def _answering(fits: dict[int, FoldFit]) -> tuple[Any, ...]:
    """The models that answer for new rows: the one fitted on all rows, or those of the folds."""
    return (fits[REFIT].model,) if REFIT in fits else tuple(fit.model for fit in fits.values())


def out_of_fold(fits: dict[int, FoldFit], features: Features, algorithm: Algorithm) -> np.ndarray:
    """Predictions for each row by models that never saw it, float64 [n_rows, n_outputs]; NaN where there is none."""
    problem, n_rows = features.problem, len(features.y)
    link = algorithm.link if problem.classes else "value"
    total = np.zeros((n_rows, problem.n_outputs))
    count = np.zeros(n_rows)
    for fold, fit in fits.items():
        if fit.raw is not None:
            valid = features.split.fold(fold)[1]
            total[valid] += link_scores(fit.raw, link)
            count[valid] += 1
    with np.errstate(invalid="ignore"):
        return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)


def _scores(predictions: np.ndarray, features: Features) -> dict[str, float]:
    """The metric and some further ones on the validated rows; none when a prediction is not a number."""
    known = ~np.isnan(predictions).all(axis=1)
    if not np.isfinite(predictions[known]).all():
        return {}
    weight = features.weight[known] if features.weight is not None else None
    names = dict.fromkeys((features.problem.metric, *FURTHER_METRICS[features.problem.task]))
    return metrics.scores_of(names, features.y[known], predictions[known], weight, features.problem)
