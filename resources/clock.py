"""Keeps the promise of `limits.timeout_minutes`: one deadline a run, and a share of what is left for each candidate.

A candidate's share is worked out when it starts, from what is left and who is still to come, so unused time is handed on.
The essential ones come first, and may take for their first trial what it needs; by what that took on this machine and
table it is judged whether a trial of the others can end in their shares.
"""

import time
from dataclasses import dataclass
from typing import Any

import dagster as dg

from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import free_bytes
from automl_assets.experiment.experiment import Experiment
from automl_assets.metrics import oriented
from automl_assets.parts import AlgorithmInfo
from automl_assets.resources import ending
from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.run_log import boot, journal_of

STARTED_TAG = "automl/started_at"  # run tag: the `Moment` at which the person began to wait
ENDING_SHARE = 0.12  # of the whole is kept for ensemble, evaluation, explanation and export
ENDING_SECONDS = (10.0, 90.0)  # but at least and at most so much; more where this machine or table is seen to need it
MOST_ENDING = 0.5
FIRST_SHARE = 0.8  # of the time for the search, for the first trials of the essential candidates
RESCUE_SECONDS = 1.5  # on a quiet machine, for a first trial while there is none, even when the time is up
GRACE_SECONDS = 5.0  # likewise, before it is ended: with nothing learnt the whole run were in vain
LEAST_SECONDS = 1.0  # a candidate gets however small its share, while there are
LARGE_TABLE = 20_000  # rows above which a part of them tells clearly less than all
SEEN_A_PART = 1.01  # times the seconds that a trial took, for all rows and folds: it has not seen them all
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
        return self._timeout(experiment) - _seconds_gone(context)

    def spare_seconds(self, context: Any, experiment: Experiment) -> float:
        """Until the run's deadline, without what is still to be made of all that the run cannot do without. Negative when
        that will not be in time."""
        return self.seconds_left(context, experiment) - self._needed(context, experiment)

    def left_out(self, context: Any, experiment: Experiment, asset: str) -> str:
        """Why there is no time for an asset that the run can do without; empty where there is."""
        spare = self.spare_seconds(context, experiment)
        takes = ending.OPTIONAL.get(asset, 0.0) * ending.slowness(journal_of(context.run).events())
        if takes <= spare:
            return ""
        left = max(0.0, self.seconds_left(context, experiment))
        return f"left out: it takes about {takes:.0f} s here, and {left:.0f} s of the limit are left for all that is to come"

    def slowness(self, context: Any) -> float:
        """How many times as long as on a quiet machine things take here and now."""
        return ending.slowness(journal_of(context.run).events())

    def _needed(self, context: Any, experiment: Experiment) -> float:
        """For what is still to be made, by what has been made so far."""
        journal = journal_of(context.run)
        events, taken = list(journal.events()), journal.seconds_per_asset()
        begun = {event["asset"] for event in events if event["event"] == "asset_started"}
        made = [name for name in ending.NEEDED if _takes_part(context, experiment, name)]
        return ending.needed(begun, made, ending.slowness(events)) + ending.table_seconds(taken)

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
        essential = set() if n_groups else _essential(experiment)  # of forecasts none climbs
        share, first_share = _share(algorithm, to_come, n_rows), _share_of_first(algorithm, to_come, essential)
        seconds, first_seconds = (
            searching * min(1.0, part * self.concurrent_candidates) for part in (share, first_share)
        )
        grace = 0.0
        if algorithm.name in essential and not _has_learnt(experiment, events):
            slow = ending.slowness(events)
            first_seconds, grace = max(first_seconds, RESCUE_SECONDS * slow), GRACE_SECONDS * slow
        is_roomy = searching >= ROOMY * LEAST_SECONDS * (1 + len(to_come))
        pace = None
        if algorithm.name not in essential:
            pace = _pace(experiment, events, essential)
            first_seconds = seconds if _has_seen_a_part(events) else 0.0
        offer = _Offer(max(seconds, first_seconds), is_roomy, n_rows, n_cores, pace)
        left_out = "" if algorithm.is_fallback else algorithm.lacks(experiment) or offer.why_not(algorithm)
        return Budget(
            seconds=max(FALLBACK_SECONDS if algorithm.is_fallback else LEAST_SECONDS, seconds),
            first_seconds=first_seconds,
            grace_seconds=grace,
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
        usual = min(max(ENDING_SHARE * timeout, low), high) + GROUP_SECONDS * n_groups
        kept = max(usual, 0.0 if n_groups else self._needed(context, experiment))
        return self.seconds_left(context, experiment) - min(kept, MOST_ENDING * timeout)

    def _timeout(self, experiment: Experiment) -> float:
        return (self.timeout_minutes or experiment.limits.timeout_minutes) * 60


@dataclass(frozen=True)
class Moment:
    """A moment by both clocks: of the wall, which may be set, and of the machine since it was started."""

    time: float  # seconds since 1970
    ticks: float  # of `time.monotonic`, which all processes of a machine share
    boot: str  # tells a start of a machine from all others; empty where unknown

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.time(), time.monotonic(), boot())

    @classmethod
    def of_tag(cls, tag: str) -> "Moment":
        """As `tag` wrote it, or as earlier versions did: the time alone."""
        moment, ticks, started, *_ = *tag.split(), "0", ""
        return cls(float(moment), float(ticks), started)

    @property
    def tag(self) -> str:
        return f"{self.time!r} {self.ticks!r} {self.boot}".rstrip()

    def seconds_gone(self, first_here: "Moment | None") -> float:
        """Since this moment. Of another boot or machine the clock of the wall tells how long it was until `first_here`,
        the run's first moment on this one; from there on nobody can set the clock."""
        now = Moment.now()
        if self.boot and self.boot == now.boot:
            return now.ticks - self.ticks
        if first_here is None:
            return max(0.0, now.time - self.time)
        return max(0.0, first_here.time - self.time) + now.ticks - first_here.ticks


def _seconds_gone(context: Any) -> float:
    """Since the person began to wait, or where nobody does since the run's first asset."""
    events = [event for event in journal_of(context.run).events() if event.get("run") == context.run.run_id]
    moments = [Moment(event["time"], event["ticks"], event["boot"]) for event in events]
    first_here = next((moment for moment in moments if moment.boot == boot()), None)
    tagged = context.run.tags.get(STARTED_TAG)
    if tagged and tagged != _tag_of_parent(context):
        return Moment.of_tag(tagged).seconds_gone(first_here)
    return moments[0].seconds_gone(first_here) if moments else 0.0


def _deserved(part: AlgorithmInfo, n_rows: int) -> float:
    """Its share of the time. In a large table, what learns from a sample alone deserves less the more it leaves aside."""
    most = part.max_rows
    if most is None or n_rows <= max(most, LARGE_TABLE):
        return part.time_share
    return part.time_share * most / n_rows


def _share(algorithm: AlgorithmInfo, to_come: list[AlgorithmInfo], n_rows: int) -> float:
    """Of the time that is left for the search, for all trials of one candidate."""
    own = _deserved(algorithm, n_rows)
    return own / (own + sum(_deserved(part, n_rows) for part in to_come))


def _essential(experiment: Experiment) -> set[str]:
    """The candidates whose first trials come before all else; where the experiment permits none of them, all are."""
    able = [part for part in experiment.candidates.values() if not part.is_fallback]
    return {part.name for part in able if part.is_essential} or {part.name for part in able}


def _has_learnt(experiment: Experiment, events: list[dict]) -> bool:
    """Whether any trial but that of a guess has a score."""
    guesses = tuple(f"{part.name}_" for part in experiment.candidates.values() if part.is_fallback)
    trials = (event for event in events if event["event"] == "trial" and event["score"] is not None)
    return any(not event["trial"].startswith(guesses) for event in trials)


def _share_of_first(algorithm: AlgorithmInfo, to_come: list[AlgorithmInfo], essential: set[str]) -> float:
    """Of the time that is left for the search, for the first trial of one candidate."""
    if algorithm.name not in essential:
        return 0.0
    others = sum(part.time_share for part in to_come if part.name in essential)
    return FIRST_SHARE * algorithm.time_share / (algorithm.time_share + others)


def _pace(experiment: Experiment, events: list[dict], essential: set[str]) -> float | None:
    """Seconds of all cores that a whole trial takes on this machine and table for each unit of `time_share`, by the
    quickest of the essential candidates; infinite where none of them came to an end, None where none was tried."""
    paces = []
    for event in events:
        name = event["trial"].rpartition("_")[0] if "whole_seconds" in event else ""
        if name in essential and name in experiment.candidates:
            seconds = float("inf") if event["whole_seconds"] is None else event["whole_seconds"]
            paces.append(seconds / experiment.limits.n_cores / experiment.candidates[name].time_share)
    return min(paces, default=None)


def _has_seen_a_part(events: list[dict]) -> bool:
    """Whether any trial had no time for all rows and folds, so that first trials had better start with a part of them."""
    whole = ((event["seconds"], event["whole_seconds"]) for event in events if event.get("whole_seconds"))
    return any(needed > taken * SEEN_A_PART for taken, needed in whole)


@dataclass(frozen=True)
class _Offer:
    """What a candidate would have, if it were tried."""

    seconds: float
    is_roomy: bool  # there is time for all candidates
    n_rows: int
    n_cores: int
    pace: float | None

    def why_not(self, part: AlgorithmInfo) -> str:
        """Why a candidate is left out, so that its time is others'; empty where it is tried."""
        needed = part.trial_seconds(self.n_rows) / self.n_cores
        if 0 < needed > self.seconds:
            return (
                f"one trial over {self.n_rows:,} rows takes about {needed:.1f} s, and its share of the time is "
                f"{self.seconds:.1f} s"
            )
        if self.seconds < LEAST_SECONDS and not self.is_roomy:
            return f"not started: {max(0.0, self.seconds):.1f} s left"
        needed = 0.0 if self.pace is None else self.pace * part.time_share
        if needed > max(self.seconds, LEAST_SECONDS):
            took = "is likely to take longer" if needed == float("inf") else f"takes about {needed:.1f} s here"
            return f"not started: {self.seconds:.1f} s left for it, and one trial {took}"
        return ""


def _to_come(context: Any, experiment: Experiment, algorithm: AlgorithmInfo, events: list[dict]) -> list[AlgorithmInfo]:
    """The candidates that have not begun yet and lack nothing, but for this one."""
    begun = {event["candidate"] for event in events if event["event"] == "candidate_started"}
    return [
        part
        for name, part in experiment.candidates.items()
        if name not in begun
        and name != algorithm.name
        and _takes_part(context, experiment, f"candidate_{name}")
        and not part.lacks(experiment)
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


def _takes_part(context: Any, experiment: Experiment, asset: str) -> bool:
    """Whether an asset is made in this run at all: a run may be of some assets only, or a re-execution."""
    key, run = asset_key(experiment.name, asset), context.run
    if run.step_keys_to_execute is not None:
        return "__".join(key.path) in run.step_keys_to_execute
    return run.asset_selection is None or key in run.asset_selection


def _free_memory(n_processes: int) -> int | None:
    """Bytes each fit may allocate, where the system tells."""
    free = free_bytes()
    return None if free is None else int(free * MEMORY_SHARE / n_processes)
