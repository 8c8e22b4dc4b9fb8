"""What all that starts runs has in common: what was learnt last, which run is under way, and what a run is asked with."""

import json
import time
from dataclasses import replace

import dagster as dg

from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.asked_rows import has_given_way, new_request, request_tags
from automl_assets.resources.partitions import CHOSEN_TAG, range_tags
from automl_assets.resources.record_versions import UNDER_WAY
from automl_assets.steps.detect_changes import GIVEN_WAY, Seen, settled, unsettled

BECAUSE = "automl/because"  # run tag: what it was started by
SPARE_SECONDS = 300  # a run that is so far past twice its limit is ended: something hangs
START_SECONDS = 180  # in which a run begins, else nobody will begin it; where Dagster's own limit is off
BEGINNING = dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING


def learnt(instance: dg.DagsterInstance, experiment: Experiment) -> str:
    """The fingerprint of the rows that were last read in order to learn; empty before the first run."""
    event = instance.get_latest_materialization_event(dg.AssetKey([experiment.name, "dataset"]))
    made = event.asset_materialization if event else None
    return (made.tags or {}).get("dagster/data_version", "") if made else ""


def most_seconds(timeout_minutes: float) -> int:
    """After which Dagster's run monitoring, where it is on, ends a run that was to be done in time."""
    return int(timeout_minutes * 120 + SPARE_SECONDS)


def run_under_way(instance: dg.DagsterInstance, experiment: Experiment) -> str | None:
    """A run that makes assets of the experiment and has not ended, queued ones included; one that was left behind does
    not count, lest a killed process keep every later run from beginning."""
    records = instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY))
    found = (one for one in records if _is_of(one.dagster_run, experiment))
    return next((one.dagster_run.run_id for one in found if not _is_left_behind(one, instance, experiment)), None)


def _is_of(run: dg.DagsterRun, experiment: Experiment) -> bool:
    keys = run.asset_selection or ()
    return run.job_name == experiment.name or any(key.path[0] == experiment.name for key in keys)


def _is_left_behind(record: dg.RunRecord, instance: dg.DagsterInstance, experiment: Experiment) -> bool:
    """Whether a run is past the time at which Dagster's run monitoring would have ended it: monitoring may be off, or
    unable to ask for the run's process."""
    run, now = record.dagster_run, time.time()
    if run.status in BEGINNING:
        waited = now - record.update_timestamp.timestamp()
        return waited > (instance.run_monitoring_start_timeout_seconds or START_SECONDS)
    most = float(run.tags.get(dg.MAX_RUNTIME_SECONDS_TAG) or most_seconds(experiment.limits.timeout_minutes))
    return record.start_time is not None and now - record.start_time > most


def request(run_key: str, because: str, keys: list[str], chosen: list[str] | None = None) -> dg.RunRequest:
    """A run of everything; where there are groups, of those among `keys` that changed, or of the `chosen` of them."""
    groups = range_tags(keys, changed=True) | ({CHOSEN_TAG: json.dumps(chosen)} if chosen else {})
    return dg.RunRequest(run_key=run_key, tags={BECAUSE: because, **groups})


def for_rows(seen: Seen, asked: dg.RunRequest) -> tuple[dg.RunRequest, Seen]:
    """The same run for just the rows that were seen, and what is known from now on."""
    seen = seen if seen.asked == GIVEN_WAY else replace(seen, n_given_way=0)
    name = new_request(seen.fingerprint, seen.since)
    return asked.with_replaced_attrs(tags={**asked.tags, **request_tags(name, seen.n_given_way)}), settled(seen, name)


def up_to_date(instance: dg.DagsterInstance, experiment: Experiment, seen: Seen) -> Seen:
    """What the last look left behind, seen in the light of what became of the run that it asked for."""
    return unsettled(seen) if has_given_way(instance, experiment.name, seen.request) else seen
