"""The only wiring: experiments, resources and executor become Dagster definitions."""

import os
from pathlib import Path

import dagster as dg

from automl_assets.component import ExperimentFolder
from automl_assets.resources.clock import Clock
from automl_assets.resources.executors import chosen
from automl_assets.resources.fit_workers import FITS, FitWorkers
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.sensors.failure import failed_runs

PACKAGE = Path(__file__).parent


def shared() -> dg.Definitions:
    """Resources, executor and what tells of failures, the same for every experiment."""
    workplace = chosen()
    resources = {
        "records": RecordStore(),
        "clock": Clock(concurrent_candidates=workplace.n_workers, candidates_per_machine=workplace.n_sharing),
        "fit_workers": FitWorkers(address=os.environ.get(FITS, "")),
        "tracker": Tracker(),
    }
    return dg.Definitions(resources=resources, executor=workplace.executor, sensors=[failed_runs])


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster loads. Installed without its project folder, the experiments still load."""
    if (PACKAGE.parent / "pyproject.toml").exists():
        found = dg.load_from_defs_folder(path_within_project=PACKAGE)
    else:
        found = ExperimentFolder().build_defs()
    return dg.Definitions.merge(found, shared())
