"""The only wiring: experiments, resources and executor become Dagster definitions."""

import os
from pathlib import Path

import dagster as dg

from automl_assets.component import ExperimentFolder
from automl_assets.errors import SettingError, listed
from automl_assets.resources.clock import Clock
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.sensors.failure import failed_runs

PACKAGE = Path(__file__).parent
EXECUTOR = "AUTOML_EXECUTOR"  # environment variable: one of EXECUTORS
SIDE_BY_SIDE = 2

# A candidate's fits run in processes of their own and use all cores, so steps need none. The others isolate whole steps,
# at the price that benchmarks/README.md names.
EXECUTORS = {
    "in_process": dg.in_process_executor,
    "forkserver": dg.multiprocess_executor.configured(
        {
            "max_concurrent": SIDE_BY_SIDE,
            "start_method": {"forkserver": {"preload_modules": ["automl_assets.definitions", "automl_assets.preload"]}},
        }
    ),
    "spawn": dg.multiprocess_executor.configured({"max_concurrent": SIDE_BY_SIDE, "start_method": {"spawn": {}}}),
}


def executor_name() -> str:
    """The executor chosen by the environment."""
    name = os.environ.get(EXECUTOR, "in_process")
    if name not in EXECUTORS:
        raise SettingError(f"{EXECUTOR}: got {name!r}; possible: {listed(EXECUTORS)}")
    return name


def shared() -> dg.Definitions:
    """Resources, executor and what tells of failures, the same for every experiment."""
    name = executor_name()
    resources = {
        "records": RecordStore(),
        "clock": Clock(concurrent_candidates=1 if name == "in_process" else SIDE_BY_SIDE),
        "tracker": Tracker(),
    }
    return dg.Definitions(resources=resources, executor=EXECUTORS[name], sensors=[failed_runs])


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster loads. Installed without its project folder, the experiments still load."""
    if (PACKAGE.parent / "pyproject.toml").exists():
        found = dg.load_from_defs_folder(path_within_project=PACKAGE)
    else:
        found = ExperimentFolder().build_defs()
    return dg.Definitions.merge(found, shared())
