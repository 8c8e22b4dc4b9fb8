"""Compares the rows to be predicted with those that were learnt, says which columns moved, and has it all learnt again.

Rows are compared when they or the model are others than at the last look. Learning the same rows again changes nothing: where a
run is asked for, it waits until the source has others than those that were learnt, and has come to rest.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import dagster as dg

from automl_assets.assets.predictions import drift_evaluation, is_far
from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import Experiment, SourceSetting
from automl_assets.model_records import ColumnDrift
from automl_assets.resources.asked_rows import has_given_way, new_request, request_tags
from automl_assets.resources.notifications import Notice, tell
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore
from automl_assets.sensors import run_requests
from automl_assets.steps.drift import drift, told
from automl_assets.steps.read_source import fingerprint, read_by

INTERVAL_SECONDS = 300


@dataclass(frozen=True)
class Compared:
    """What the last look left behind."""

    rows: str = ""  # fingerprint of the rows to be predicted
    learnt: str = ""  # of those learnt from
    moved: str = ""  # what moved between the two, where it is to be learnt again; empty otherwise
    source: str = ""  # fingerprint of what a run would learn from, at the last look
    trouble: str = ""  # that people know of
    request: str = ""  # by which a run was last asked for
    because: str = ""  # what had moved then
    n_given_way: int = 0  # runs that made nothing, as the source had changed before they came to read it

    def as_cursor(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Watch:
    """What of an experiment is compared, and where the figures are shown."""

    experiment: Experiment
    source: SourceSetting
    name: str  # of the sensor, after the experiment's
    lines: Callable[[RecordStore], tuple[ColumnDrift, ...]]
    event: Callable[[tuple[ColumnDrift, ...]], dg.AssetCheckEvaluation | dg.AssetObservation]


def prediction_drift(experiment: Experiment, source: SourceSetting) -> dg.SensorDefinition:
    """Rows of `predict_source` against those that were learnt; the figures go to the check of the predictions."""

    def lines(records: RecordStore) -> tuple[ColumnDrift, ...]:
        profile = records.load(experiment.name, "profile")
        return drift(profile, read_by(profile.schema, source).table, experiment.retrain.drift)

    return drift_sensor(
        Watch(experiment, source, "drift", lines, lambda found: drift_evaluation(found, experiment)),
    )


def drift_sensor(watch: Watch) -> dg.SensorDefinition:
    """The sensor of one experiment. It looks where the experiment asks for it; elsewhere a person may switch it on."""
    experiment, source = watch.experiment, watch.source
    is_asked = experiment.retrain.drift.action != "none"

    @dg.sensor(
        name=f"{experiment.name}__{watch.name}",
        job_name=experiment.name,
        description=f"Says whether the rows of {source.part.describe(source.options)} still look like those learnt from.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if is_asked else dg.DefaultSensorStatus.STOPPED,
    )
    def sensor(context: dg.SensorEvaluationContext, records: dg.ResourceParam[RecordStore]) -> dg.SensorResult:
        before = _up_to_date(context.instance, experiment, Compared(**json.loads(context.cursor or "{}")))
        learnt = run_requests.learnt(context.instance, experiment)
        if not learnt:
            return dg.SensorResult(skip_reason="nothing was learnt yet", cursor=context.cursor)
        try:
            seen = source.part.fingerprint(source.options)
            if (seen, learnt) == (before.rows, before.learnt):
                return _again(context.instance, experiment, replace(before, trouble=""))
            lines = watch.lines(records)
        except AutomlError as error:
            return _troubled(context, experiment, before, str(error))
        n_given_way = before.n_given_way if learnt == before.learnt else 0
        now = replace(before, rows=seen, learnt=learnt, source="", trouble="", n_given_way=n_given_way)
        return _compared(context, watch, now, lines)

    return sensor


def _compared(
    context: dg.SensorEvaluationContext, watch: Watch, now: Compared, lines: tuple[ColumnDrift, ...]
) -> dg.SensorResult:
    """The figures are shown, and what moved is told."""
    experiment = watch.experiment
    moved = told(lines) if is_far(lines, experiment) else ""
    if moved:
        tell(Notice("drift", experiment.name, f"{experiment.name}: rows to be predicted have {moved}"), context.log)
    is_pending = moved and experiment.retrain.drift.action == "retrain"
    return dg.SensorResult(
        skip_reason=told(lines),
        asset_events=[watch.event(lines)] if lines else [],
        cursor=replace(now, moved=moved if is_pending else "").as_cursor(),
    )


def _again(instance: dg.DagsterInstance, experiment: Experiment, seen: Compared) -> dg.SensorResult:
    """Nothing new to compare; what moved before may by now be learnt."""
    if not seen.moved:
        return _skipped(seen, "neither rows nor model have changed")
    now = replace(seen, source=fingerprint(experiment))
    if now.source == seen.learnt:
        return _skipped(now, f"{seen.moved}; the source holds what was learnt already, so a run waits for new rows")
    if now.source != seen.source:
        return _skipped(now, f"{seen.moved}; the source has new rows, which must rest until the next look")
    if run := run_requests.run_under_way(instance, experiment):
        return _skipped(now, f"{seen.moved}; waits until the run {run} has ended")
    name = new_request(now.source, seen.n_given_way)
    run_key = f"{experiment.name}:drift:{seen.rows}:{name}"
    asked = run_requests.request(run_key, f"drift: {seen.moved}", keys_of(instance, experiment))
    asked = asked.with_replaced_attrs(tags={**asked.tags, **request_tags(name, seen.n_given_way)})
    return dg.SensorResult(
        run_requests=[asked], cursor=replace(now, moved="", request=name, because=seen.moved).as_cursor()
    )


def _up_to_date(instance: dg.DagsterInstance, experiment: Experiment, before: Compared) -> Compared:
    """What the last look left behind; where the run that it asked for made nothing, what moved is still to be learnt."""
    if not has_given_way(instance, experiment.name, before.request):
        return before
    return replace(before, moved=before.because, source="", request="", n_given_way=before.n_given_way + 1)


def _skipped(seen: Compared, reason: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=seen.as_cursor())


def _troubled(
    context: dg.SensorEvaluationContext, experiment: Experiment, before: Compared, trouble: str
) -> dg.SensorResult:
    """Tells a trouble once, and tries again at the next look."""
    text = f"{experiment.name}: the rows to be predicted cannot be compared: {trouble}"
    if not before.trouble:
        tell(Notice("source_unreadable", experiment.name, text), context.log)
    return _skipped(replace(before, trouble=trouble), text)
