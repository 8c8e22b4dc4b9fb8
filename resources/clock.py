"""Keeps the promise of `limits.timeout_minutes`: one deadline a run, and a share of what is left for each candidate.

A candidate's share is worked out when it starts, from what is left and who is still to come, so unused time is handed on.
"""

import time
from typing import Any

import dagster as dg

from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import free_bytes
from automl_assets.experiment.experiment import Experiment
from automl_assets.metrics import oriented
from automl_assets.parts import AlgorithmInfo
from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.run_log import boot, journal_of

STARTED_TAG = "automl/started_at"  # run tag: seconds since 1970 at which the person began to wait
ENDING_SHARE = 0.12  # of the whole is kept for ensemble, evaluation, explanation and export
ENDING_SECONDS = (10.0, 90.0)  # but at least and at most so much
MOST_ENDING = 0.4
LEAST_SECONDS = 1.0  # a candidate gets however small its share, while there are
LARGE_TABLE = 20_000  # rows above which a part of them tells clearly less than all
ROOMY = 2.0  # times as many for everyone still to come; else it is left out, and its time is theirs
FALLBACK_SECONDS = 20.0  # at least, for what answers where nothing else does; it takes a fraction of one
GROUP_SECONDS = 0.3  # more of it for each group of a forecast: to fit, judge, export and write down
BLEND_SHARE = 0.4  # of what is left then, for ensembles of all groups
OVERTIME_SHARE = 0.3  # more of it, where the best models would else have no time for their last fit
MEMORY_SHARE = 0.9  # of the memory that is free may be used by fits


class Clock(dg.ConfigurableResource):
    """The time of a run. `timeout_minutes`, when given, takes the place of the experiment's own limit."""

    timeout_minutes: float | None = None
    concurrent_candidates: int = 1  # how many run side by side under the executor in use
    candidates_per_machine: int = 1  # how many of them share the cores and the memory of one machine

    def seconds_left(self, context: Any, experiment: Experiment) -> float:
        """Until the run's deadline; negative when it is past."""
        return self._started(context) + self._timeout(experiment) - _now(context)

    def budget(
        self,
        context: Any,
        experiment: Experiment,
        algorithm: AlgorithmInfo,
        n_groups: int = 0,
        n_rows: int = 0,
    ) -> Budget:
        """What a candidate that starts now may use: for all groups of a forecast together, or to learn from a table of
        `n_rows`."""
        limits, events = experiment.limits, list(journal_of(context.run).events())
        searching = self._search_seconds(context, experiment, n_groups)
        n_cores = max(1, limits.n_cores // self.candidates_per_machine)
        to_come = _to_come(context, experiment, algorithm, events)
        own = _deserved(algorithm, n_rows)
        share = own / (own + sum(_deserved(part, n_rows) for part in to_come))
        seconds = searching * min(1.0, share * self.concurrent_candidates)
        is_roomy = searching >= ROOMY * LEAST_SECONDS * (1 + len(to_come))
        left_out = "" if algorithm.is_fallback else _why_not(algorithm, seconds, is_roomy, n_rows, n_cores)
        return Budget(
            seconds=max(FALLBACK_SECONDS if algorithm.is_fallback else LEAST_SECONDS, seconds),
            n_cores=n_cores,
            max_trials=0 if left_out else _trials_left(experiment, events, share),
            trial_seconds=None if limits.trial_timeout_minutes is None else limits.trial_timeout_minutes * 60,
            exit_score=limits.exit_score,
            memory_bytes=_free_memory(n_cores * self.candidates_per_machine),
            early_stopping=limits.early_stopping,
            left_out=left_out,
            best_score=_best_score(experiment, events),
        )

    def blending(self, context: Any, experiment: Experiment) -> Budget:
        """What the ensembles of a forecast may use."""
        left, n_cores = max(0.0, self.seconds_left(context, experiment)), experiment.limits.n_cores
        seconds = max(FALLBACK_SECONDS, BLEND_SHARE * left)
        return Budget(seconds, n_cores, memory_bytes=_free_memory(n_cores), overtime=OVERTIME_SHARE * left)

    def _search_seconds(self, context: Any, experiment: Experiment, n_groups: int) -> float:
        timeout = self._timeout(experiment)
        low, high = ENDING_SECONDS
        ending = min(max(ENDING_SHARE * timeout, low), high) + GROUP_SECONDS * n_groups
        return self.seconds_left(context, experiment) - min(ending, MOST_ENDING * timeout)

    def _timeout(self, experiment: Experiment) -> float:
        return (self.timeout_minutes or experiment.limits.timeout_minutes) * 60

    def _started(self, context: Any) -> float:
        tagged = context.run.tags.get(STARTED_TAG)
        if tagged and tagged != _tag_of_parent(context):
            return float(tagged)
        record = context.instance.get_run_record_by_id(context.run.run_id)
        return (record.start_time if record else None) or time.time()


def _now(context: Any) -> float:
    """Seconds since 1970 by the clock as it was when the run began on this machine: setting it moves no deadline."""
    here = (event for event in journal_of(context.run).events() if event.get("run") == context.run.run_id)
    first = next((event for event in here if event["boot"] == boot()), None)
    return first["time"] + time.monotonic() - first["ticks"] if first else time.time()


def _deserved(part: AlgorithmInfo, n_rows: int) -> float:
    """Its share of the time. In a large table, what learns from a sample alone deserves less the more it leaves aside."""
    most = part.max_rows
    if most is None or n_rows <= max(most, LARGE_TABLE):
        return part.time_share
    return part.time_share * most / n_rows


def _why_not(part: AlgorithmInfo, seconds: float, is_roomy: bool, n_rows: int, n_cores: int) -> str:
    """Why a candidate is left out, so that its time is others'; empty where it is tried."""
    needed = part.trial_seconds(n_rows) / n_cores
    if needed > seconds:
        return (
            f"one trial over {n_rows:,} rows takes about {needed:.1f} s, and its share of the time is {seconds:.1f} s"
        )
    if seconds < LEAST_SECONDS and not is_roomy:
        return f"its share of the time is {max(0.0, seconds):.1f} s"
    return ""


def _to_come(context: Any, experiment: Experiment, algorithm: AlgorithmInfo, events: list[dict]) -> list[AlgorithmInfo]:
    """The candidates that have not begun yet, but for this one."""
    begun = {event["candidate"] for event in events if event["event"] == "candidate_started"}
    return [
        part
        for name, part in experiment.candidates.items()
        if name not in begun and name != algorithm.name and _takes_part(context, experiment, name)
    ]


def _tag_of_parent(context: Any) -> str | None:
    """When the run that this one re-executes began: Dagster copies tags when it tries again by itself, and the time of
    the first attempt must not be taken from the second."""
    parent = context.run.parent_run_id and context.instance.get_run_by_id(context.run.parent_run_id)
    return parent.tags.get(STARTED_TAG) if parent else None


def _trials_left(experiment: Experiment, events: list[dict], share: float) -> int | None:
    """How many trials a candidate may still start: none once the exit score is reached or the trials are used up."""
    limits, metric, best = experiment.limits, experiment.metric, _best_score(experiment, events)
    wanted = limits.exit_score
    if best is not None and wanted is not None and oriented(metric, best) >= oriented(metric, wanted):
        return 0
    if limits.max_trials is None:
        return None
    left = limits.max_trials - sum(event["event"] == "trial" for event in events)
    return 0 if left <= 0 else max(1, round(left * share))


def _best_score(experiment: Experiment, events: list[dict]) -> float | None:
    """Of the trials of this run; None where none has one. Of a forecast of many groups no trial is told of."""
    scores = [event["score"] for event in events if event["event"] == "trial" and event["score"] is not None]
    return max(scores, key=lambda score: oriented(experiment.metric, score), default=None)


def _takes_part(context: Any, experiment: Experiment, name: str) -> bool:
    """Whether a candidate is made in this run at all: a run may be of some assets only, or a re-execution."""
    key, run = asset_key(experiment.name, f"candidate_{name}"), context.run
    if run.step_keys_to_execute is not None:
        return "__".join(key.path) in run.step_keys_to_execute
    return run.asset_selection is None or key in run.asset_selection


def _free_memory(n_processes: int) -> int | None:
    """Bytes each fit may allocate, where the system tells."""
    free = free_bytes()
    return None if free is None else int(free * MEMORY_SHARE / n_processes)
