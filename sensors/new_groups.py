"""Keeps the partitions of an experiment in step with its data: a group seen for the first time gets one.

The groups that are there are told when the source changes; nothing is made. Those that are gone keep what was made of them.
"""

import dagster as dg

from automl_assets.errors import AutomlError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.partitions import fresh_groups, groups_of
from automl_assets.sensors.poll_source import look, look_after_reading, skipped
from automl_assets.steps.detect_changes import Seen, settled

INTERVAL_SECONDS = 60
MOST_ADDED = 25_000  # by one tick, as Dagster asks; the next one goes on


def new_groups(experiment: Experiment) -> dg.SensorDefinition:
    """The sensor of one experiment that is made group by group."""

    @dg.sensor(
        name=f"{experiment.name}__new_groups",
        description=f"Adds a partition for each new group in {experiment.source.part.describe(experiment.source.options)}.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        try:
            return _looked(context, experiment)
        except AutomlError as error:  # told in the tick, and tried again with the next
            return dg.SensorResult(skip_reason=f"the data cannot be read: {error}", cursor=context.cursor)

    return sensor


def _looked(context: dg.SensorEvaluationContext, experiment: Experiment) -> dg.SensorResult:
    seen, reason = look(experiment, Seen.of(context.cursor), debounce=0)
    if reason:
        return skipped(seen, reason)
    fresh = fresh_groups(context.instance, experiment)
    seen, reason = look_after_reading(experiment, seen)
    if reason:
        return skipped(seen, reason)
    added = fresh[:MOST_ADDED]
    return dg.SensorResult(
        skip_reason=_told(added),
        dynamic_partitions_requests=[groups_of(experiment).build_add_request(added)] if added else [],
        cursor=(settled(seen) if len(added) == len(fresh) else seen).as_cursor(),
    )


def _told(added: list[str]) -> str:
    """Dagster calls a look skipped that starts no run, whatever else it did."""
    if not added:
        return "the source has no new group"
    partitions = "1 partition was" if len(added) == 1 else f"{len(added)} partitions were"
    return f"{partitions} added, no run is asked for: {listed(added, 10)}"
