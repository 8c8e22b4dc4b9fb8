"""Answers an experiment again at the times that its `retrain.cron` names, whether or not its source has changed."""

import dagster as dg

from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.notifications import Notice, tell
from automl_assets.resources.partitions import add_groups, keys_of
from automl_assets.sensors import run_requests


def schedule(experiment: Experiment, cron: str) -> dg.ScheduleDefinition:
    """The schedule of one experiment."""

    @dg.schedule(
        name=f"{experiment.name}__cron",
        job_name=experiment.name,
        cron_schedule=cron,
        execution_timezone=experiment.retrain.timezone,
        description=f"Answers {experiment.name} again, whether or not its source has changed.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        try:
            return _request(context, experiment)
        except AutomlError as error:
            text = f"{experiment.name}: the data cannot be read: {error}"
            tell(Notice("source_unreadable", experiment.name, text), context.log)
            return dg.SkipReason(text)

    return due


def _request(context: dg.ScheduleEvaluationContext, experiment: Experiment) -> dg.RunRequest | dg.SkipReason:
    if run := run_requests.run_under_way(context.instance, experiment):
        return dg.SkipReason(f"the run {run} is still under way")
    add_groups(context.instance, experiment)
    time = context.scheduled_execution_time.isoformat()
    keys = keys_of(context.instance, experiment)
    return run_requests.request(f"{experiment.name}:{time}", f"due at {time}", keys)
