"""Holds what was forecast against what has come true since, says which groups have gone astray, and has them learnt again.

New rows are the truth, and what a run would learn from: there is nothing more to wait for. Groups that do well are left
alone, whatever rows they have got.
"""

from dataclasses import replace

import dagster as dg

from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.sensors.observed import observed
from automl_assets.forecasting.steps.build_groups import build_groups
from automl_assets.forecasting.steps.drift import drift, told
from automl_assets.forecasting.steps.future_index import whole
from automl_assets.model_records import ColumnDrift
from automl_assets.records import Dataset
from automl_assets.resources.notifications import Notice, tell
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore
from automl_assets.sensors import run_requests
from automl_assets.sensors.poll_source import look, look_after_reading, skipped, troubled
from automl_assets.steps.detect_changes import Seen, settled
from automl_assets.steps.load import load

INTERVAL_SECONDS = 300


def errors_since(experiment: Experiment) -> dg.SensorDefinition:
    """The sensor of one forecasting experiment."""

    @dg.sensor(
        name=f"{experiment.name}__drift",
        job_name=experiment.name,
        description=f"Says whether forecasts of {experiment.name} are still as good as they were when it was learnt.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext, records: dg.ResourceParam[RecordStore]) -> dg.SensorResult:
        seen = run_requests.up_to_date(context.instance, experiment, Seen.of(context.cursor))
        try:
            return _looked(context, experiment, records, seen)
        except AutomlError as error:
            return troubled(context, experiment, seen, str(error))

    return sensor


def _looked(
    context: dg.SensorEvaluationContext, experiment: Experiment, records: RecordStore, before: Seen
) -> dg.SensorResult:
    seen, reason = look(experiment, before, experiment.retrain.debounce_seconds)
    if reason:
        return skipped(seen, reason)
    if run := run_requests.run_under_way(context.instance, experiment):
        return skipped(seen, f"the source has new rows; waits until the run {run} has ended")
    dataset = load(experiment)
    seen, reason = look_after_reading(experiment, replace(seen, fingerprint=dataset.fingerprint))
    if reason:
        return skipped(seen, reason)
    lines = _lines(context.instance, experiment, dataset, records)
    grown = [line.column for line in lines if line.is_drifted]
    is_far = len(grown) >= experiment.retrain.drift.least_columns
    if is_far:
        tell(Notice("drift", experiment.name, f"{experiment.name}: {told(lines)}"), context.log)
    if not is_far or experiment.retrain.drift.action != "retrain":
        return _shown(experiment, lines, skipped(settled(seen), told(lines)))
    run_key, keys = f"{experiment.name}:drift:{seen.stamp}:{seen.since:.3f}", keys_of(context.instance, experiment)
    asked, seen = run_requests.for_rows(seen, run_requests.request(run_key, f"drift: {told(lines)}", keys, grown))
    return _shown(experiment, lines, dg.SensorResult(run_requests=[asked], cursor=seen.as_cursor()))


def _lines(
    instance: dg.DagsterInstance, experiment: Experiment, dataset: Dataset, records: RecordStore
) -> tuple[ColumnDrift, ...]:
    """A line per group of which something has come true, the worst first."""
    made, judged = (records.shelf(experiment.name, asset) for asset in ("forecast", "evaluation"))
    keys = [key for key in keys_of(instance, experiment) if made.has(key) and judged.has(key)]
    limit = experiment.retrain.drift.error
    found = (
        drift(key, made.read(key), judged.read(key), whole(group), limit)
        for key, group in (build_groups(dataset, experiment, keys) if keys else ())
        if isinstance(group, Group)
    )
    return tuple(sorted((line for line in found if line), key=lambda line: -line.excess))


def _shown(experiment: Experiment, lines: tuple[ColumnDrift, ...], result: dg.SensorResult) -> dg.SensorResult:
    """The figures stand with the page of all groups."""
    return result._replace(asset_events=[observed(experiment, "errors_since", lines, told(lines))]) if lines else result
