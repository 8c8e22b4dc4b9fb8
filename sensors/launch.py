"""What all that starts runs has in common: what was learnt last, which run is under way, and what a run is asked with."""

import dagster as dg

from automl_assets.assets.forecasting.partitions import range_tags
from automl_assets.experiment import Experiment
from automl_assets.resources.versions import UNDER_WAY

BECAUSE = "automl/because"  # run tag: what it was started by


def learnt(instance: dg.DagsterInstance, experiment: Experiment) -> str:
    """The fingerprint of the rows that were last read in order to learn; empty before the first run."""
    event = instance.get_latest_materialization_event(dg.AssetKey([experiment.name, "dataset"]))
    made = event.asset_materialization if event else None
    return (made.tags or {}).get("dagster/data_version", "") if made else ""


def run_under_way(instance: dg.DagsterInstance, experiment: Experiment) -> str | None:
    """A run that makes assets of the experiment and has not ended, queued ones included."""
    runs = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    return next((run.run_id for run in runs if _is_of(run, experiment)), None)


def _is_of(run: dg.DagsterRun, experiment: Experiment) -> bool:
    keys = run.asset_selection or ()
    return run.job_name == experiment.name or any(key.path[0] == experiment.name for key in keys)


def request(experiment: Experiment, run_key: str, because: str, keys: list[str]) -> dg.RunRequest:
    """A run of everything; of a forecast, of those groups among `keys` that changed."""
    groups = range_tags(keys, changed=True) if experiment.is_forecasting else {}
    return dg.RunRequest(run_key=run_key, tags={BECAUSE: because, **groups})
