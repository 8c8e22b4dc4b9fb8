"""Tells people about every run that failed: which assets could not be made, why, and whether it is tried again."""

import dagster as dg

from automl_assets.resources.asset_keys import asset_of_step
from automl_assets.resources.dagster_internals import WILL_RETRY_TAG
from automl_assets.resources.notifications import Notice, tell
from automl_assets.resources.run_log import journal_of

MOST_TOLD = 10  # assets in one message


@dg.run_failure_sensor(
    name="failed_runs",
    description="Tells about failed runs: in the log, and by webhook and mail where the environment says so.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    run = context.dagster_run
    tell(Notice("run_failed", _experiment(run), _told(context), run.run_id), context.log)


def step_failure(event: dg.DagsterEvent) -> tuple[str, str]:
    """The asset, and what Dagster says of it; of a failure outside our code, of a constraint on the data set, say."""
    data = event.step_failure_data
    message = data.error.message.rpartition("Description: ")[2].strip() if data.error else "failed"
    if data.user_failure_data and data.user_failure_data.description:
        message = data.user_failure_data.description
    return asset_of_step(event.step_handle.to_key()) if event.step_handle else "run", message


def _told(context: dg.RunFailureSensorContext) -> str:
    """What failed and why; where no asset did, how the run ended."""
    run = context.dagster_run
    written = journal_of(run).events()
    reasons = dict(map(step_failure, context.get_step_failure_events()))
    reasons |= {event["asset"]: event["reason"] for event in written if event["event"] == "asset_failed"}
    told = "".join(f"\n{asset}: {reason}" for asset, reason in list(reasons.items())[:MOST_TOLD])
    again = "\nIt is tried again by itself." if run.tags.get(WILL_RETRY_TAG) == "true" else ""
    return f"{_experiment(run)}: the run failed:{told or f' {context.failure_event.message}'}{again}"


def _experiment(run: dg.DagsterRun) -> str:
    """Of a run of some assets alone, the experiment that they are of."""
    keys = sorted(run.asset_selection or ())
    return run.tags.get("automl/experiment") or (keys[0].path[0] if keys else run.job_name)
