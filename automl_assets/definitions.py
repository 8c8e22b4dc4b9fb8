"""The only wiring: experiments, resources and executor become Dagster definitions."""

import gc
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import dagster as dg

from automl_assets.component import ExperimentFolder, only
from automl_assets.masking import mask_logs
from automl_assets.resources.clock import Clock
from automl_assets.resources.dagster_internals import DefinitionsLoadContext, DefinitionsLoadType
from automl_assets.resources.executors import chosen
from automl_assets.resources.fit_workers import FITS, FitWorkers
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.sensors.failure import failed_runs

PACKAGE = Path(__file__).parent
REPOSITORY = "__repository__"  # the name that Dagster gives to definitions
_seen: list[dg.Definitions] = []  # what a code server has seen and is about to serve; one at most


def shared() -> dg.Definitions:
    """Resources, executor and what tells of failures, the same for every experiment."""
    mask_logs()
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
    """What Dagster loads. A code server asks twice, to see what there is and to serve it: all is built once for both.
    The process of a run asks for one job: it builds nothing before it knows which.

    From Python, ask for `everything`.
    """
    context = DefinitionsLoadContext
    if context.is_set() and context.get().load_type == DefinitionsLoadType.RECONSTRUCTION:
        return _seen.pop() if _seen else cast(dg.Definitions, on_demand())
    made = everything()
    _seen[:] = [made] if context.is_set() else []
    return made


def on_demand() -> dg.RepositoryDefinition:
    """Definitions that are built when they are asked for."""
    return dg.RepositoryDefinition(REPOSITORY, repository_data=OnDemand())


def everything() -> dg.Definitions:
    """All experiments with what they share."""
    with _no_search_for_garbage():
        found = dg.load_from_defs_folder(path_within_project=PACKAGE) if _is_project() else _experiments()
        return dg.Definitions.merge(found, shared())


def alone(experiment: str) -> dg.Definitions:
    """One experiment with what all share, and without what Dagster's UI shows about components."""
    with only(experiment), _no_search_for_garbage():
        return dg.Definitions.merge(_experiments(), shared())


def _experiments() -> dg.Definitions:
    """Of the project's folder `defs`. Installed without a project, those of the folders still load."""
    with warnings.catch_warnings():
        for kind in (dg.BetaWarning, dg.PreviewWarning):  # one for each asset, else
            warnings.simplefilter("ignore", kind)
        if _is_project():
            return dg.ComponentTree.for_project(PACKAGE).build_defs(PACKAGE / "defs")
        return ExperimentFolder().build_defs()


def _is_project() -> bool:
    return (PACKAGE.parent / "pyproject.toml").exists()


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Nothing of what is built here is garbage yet, and looking for it would take a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class OnDemand(dg.RepositoryData):
    """Of everything, only the experiment whose job is asked for; all of it, as soon as anything else is."""

    def __init__(self) -> None:
        self._parts: dict[str, dg.RepositoryDefinition] = {}  # job -> the least that has it

    @cached_property
    def _all(self) -> dg.RepositoryDefinition:
        return everything().get_repository_def()

    def get_job(self, job_name: str) -> dg.JobDefinition:
        return self._of(job_name).get_job(job_name)

    def has_job(self, job_name: str) -> bool:
        return self._of(job_name).has_job(job_name)

    def _of(self, job_name: str) -> dg.RepositoryDefinition:
        if "_all" not in vars(self) and job_name not in self._parts:
            part = alone(job_name).get_repository_def()
            self._parts[job_name] = part if _is_of_experiment(job_name, part) else self._all
        return self._parts.get(job_name) or self._all

    def get_all_jobs(self) -> Sequence[dg.JobDefinition]:
        return self._all.get_all_jobs()

    def get_top_level_resources(self) -> Mapping[str, dg.ResourceDefinition]:
        return self._all.get_top_level_resources()

    def get_env_vars_by_top_level_resource(self) -> Mapping[str, Any]:
        return self._all.get_env_vars_by_top_level_resource()

    def get_all_schedules(self) -> Sequence[dg.ScheduleDefinition]:
        return self._all.schedule_defs

    def get_all_sensors(self) -> Sequence[dg.SensorDefinition]:
        return self._all.sensor_defs

    def get_source_assets_by_key(self) -> Mapping[dg.AssetKey, dg.SourceAsset]:
        return self._all.source_assets_by_key

    def get_assets_defs_by_key(self) -> Mapping[dg.AssetKey, dg.AssetsDefinition]:
        return self._all.assets_defs_by_key

    def get_asset_checks_defs_by_key(self) -> Mapping[dg.AssetCheckKey, Any]:
        return self._all.asset_checks_defs_by_key

    def get_component_tree(self) -> Any:
        return self._all.get_component_tree()


def _is_of_experiment(job_name: str, part: dg.RepositoryDefinition) -> bool:
    """Other jobs, Dagster's own among them, may need the assets of any experiment."""
    return part.has_job(job_name) and part.get_job(job_name).tags.get("automl/experiment") == job_name
