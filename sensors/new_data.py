"""Answers an experiment again when its source has changed: one change, one run, whatever happens between two looks.

Content, and the moment at which the change was noticed, are the run's key, under which Dagster starts no second one. The
cursor is kept by Dagster together with the run that it led to, and only then. While a run of the experiment is under way
a change waits.
"""

from dataclasses import replace

import dagster as dg

from automl_assets.errors import AutomlError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.partitions import fresh_groups, groups_of, has_groups, keys_of
from automl_assets.sensors import run_requests
from automl_assets.sensors.new_groups import MOST_ADDED
from automl_assets.sensors.poll_source import look, look_after_reading, skipped, troubled
from automl_assets.steps.detect_changes import Seen, settled
from automl_assets.steps.read_source import fingerprint

INTERVAL_SECONDS = 30


def new_data(experiment: Experiment) -> dg.SensorDefinition:
    """The sensor of one experiment. It looks where the experiment asks for it; elsewhere a person may switch it on."""
    is_asked = experiment.retrain.on_new_data

    @dg.sensor(
        name=f"{experiment.name}__new_data",
        job_name=experiment.name,
        description=f"Answers {experiment.name} again when there are new rows in {_where(experiment)}.",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if is_asked else dg.DefaultSensorStatus.STOPPED,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = run_requests.up_to_date(context.instance, experiment, Seen.of(context.cursor))
        try:
            found = _look(context.instance, experiment, seen)
        except AutomlError as error:
            return troubled(context, experiment, seen, str(error))
        if seen.told:
            context.log.info("the source can be read again")
        for request in found.run_requests or ():
            context.log.info(request.tags[run_requests.BECAUSE])
        return found

    return sensor


def _where(experiment: Experiment) -> str:
    return experiment.source.part.describe(experiment.source.options)


def _look(instance: dg.DagsterInstance, experiment: Experiment, before: Seen) -> dg.SensorResult:
    seen, reason = look(experiment, before, experiment.retrain.debounce_seconds)
    if reason:
        return skipped(seen, reason)
    if not seen.fingerprint:
        seen, reason = look_after_reading(experiment, replace(seen, fingerprint=fingerprint(experiment)))
        if reason:
            return skipped(seen, reason)
    return _acted(instance, experiment, seen)


def _acted(instance: dg.DagsterInstance, experiment: Experiment, seen: Seen) -> dg.SensorResult:
    """What a change that has come to rest leads to."""
    if _is_known(instance, experiment, seen):
        return skipped(settled(seen), f"the source holds what was learnt: {seen.fingerprint}")
    if run := run_requests.run_under_way(instance, experiment):
        return skipped(seen, f"new data {seen.fingerprint}; waits until the run {run} has ended")
    keys, fresh = keys_of(instance, experiment), fresh_groups(instance, experiment)
    seen, reason = look_after_reading(experiment, seen)
    if reason:
        return skipped(seen, reason)
    added = [groups_of(experiment).build_add_request(fresh[:MOST_ADDED])] if fresh else []
    if len(fresh) > MOST_ADDED:
        told = f"new data {seen.fingerprint}; {len(fresh)} new groups, so many that they take several looks"
        return dg.SensorResult(skip_reason=told, dynamic_partitions_requests=added, cursor=seen.as_cursor())
    because = f"new data {seen.fingerprint}" + (f", new groups: {listed(fresh, 10)}" if fresh else "")
    run_key = f"{experiment.name}:{seen.fingerprint}:{seen.since:.3f}"
    asked, seen = run_requests.for_rows(seen, run_requests.request(run_key, because, [*keys, *fresh]))
    return dg.SensorResult(run_requests=[asked], dynamic_partitions_requests=added, cursor=seen.as_cursor())


def _is_known(instance: dg.DagsterInstance, experiment: Experiment, seen: Seen) -> bool:
    """Whether a run was asked for this content, or a person has had it learnt meanwhile.

    A run of some groups may have read rows of others that it was not asked for: then only the first look goes by what
    was read.
    """
    if seen.fingerprint == seen.asked:
        return True
    is_first = not seen.asked
    return (is_first or not has_groups(experiment)) and seen.fingerprint == run_requests.learnt(instance, experiment)
