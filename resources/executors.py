"""Where the steps of a run are executed: in one process, in several, or on other machines.

All are Dagster's own, chosen by environment variables that `deploy/automl.env` explains; what is not chosen is not imported.
"""

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from automl_assets.errors import SettingError, listed, nearest
from automl_assets.execution.processes import end_with_parent

EXECUTOR = "AUTOML_EXECUTOR"  # environment variable: one of EXECUTORS
WORKERS = "AUTOML_WORKERS"  # environment variable: how many steps are executed side by side
SCHEDULER = "AUTOML_DASK"  # environment variable: address of a Dask scheduler; without it Dask starts workers here
BROKER = "AUTOML_CELERY"  # environment variable: address of the Redis that Celery's workers listen to
DEFAULT_WORKERS = 2
CHILDREN = "forkserver", "spawn"  # executors whose steps are child processes of their run's
PRELOADED = ["automl_assets.definitions", "automl_assets.execution.preload"]


@dataclass(frozen=True)
class Workplace:
    """An executor, and what candidates have to know of it."""

    executor: dg.ExecutorDefinition
    n_workers: int = 1  # so many steps are executed side by side
    n_sharing: int = 1  # so many of them have the cores and the memory of one machine between them


def chosen() -> Workplace:
    """What the environment asks for. Raises SettingError for an executor that is unknown or not installed."""
    name = os.environ.get(EXECUTOR) or "in_process"
    if name not in EXECUTORS:
        raise SettingError(f"{EXECUTOR}: got {name!r}; possible: {listed(EXECUTORS)}.{nearest(name, EXECUTORS)}")
    try:
        return EXECUTORS[name](_n_workers())
    except ImportError as error:
        raise SettingError(
            f"{EXECUTOR}: {name} needs a package that is missing ({error}); pip install 'automl-assets[{name}]'"
        ) from None


def end_with_run() -> None:
    """A step in a child process does not outlive its run, which may be begun again meanwhile. Elsewhere the process of a
    step has other parents, who may well be ended and started again: workers, or the server that started the run."""
    if os.environ.get(EXECUTOR) in CHILDREN:
        end_with_parent()


def _n_workers() -> int:
    text = os.environ.get(WORKERS) or str(DEFAULT_WORKERS)
    if not text.isdigit() or int(text) < 1:
        raise SettingError(f"{WORKERS}: got {text!r}; it is a whole number from 1")
    return int(text)


def _in_process(_: int) -> Workplace:
    """A candidate's fits run in processes of their own and use all cores, so steps need none."""
    return Workplace(dg.in_process_executor)


def _forkserver(n_workers: int) -> Workplace:
    return _processes(n_workers, {"forkserver": {"preload_modules": PRELOADED}})


def _spawn(n_workers: int) -> Workplace:
    return _processes(n_workers, {"spawn": {}})


def _processes(n_workers: int, start: dict) -> Workplace:
    """Isolates whole steps, at the price that benchmarks/README.md names."""
    executor = dg.multiprocess_executor.configured({"max_concurrent": n_workers, "start_method": start})
    return Workplace(executor, n_workers, n_sharing=n_workers)


def _dask(n_workers: int) -> Workplace:
    """Workers of a Dask cluster, or of one that is started on this machine for the run."""
    import dask
    from dagster_dask import dask_executor

    dask.config.set({"distributed.worker.daemon": False})  # else a worker may start no process, and each fit is one
    logging.getLogger("distributed.sizeof").setLevel(logging.ERROR)  # it weighs events, whose keys cannot be iterated
    if os.environ.get(SCHEDULER):
        return Workplace(
            dask_executor.configured({"cluster": {"existing": {"address": {"env": SCHEDULER}}}}), n_workers
        )
    local = {"n_workers": n_workers, "dashboard_address": None}
    return Workplace(dask_executor.configured({"cluster": {"local": local}}), n_workers, n_sharing=n_workers)


def _celery(n_workers: int) -> Workplace:
    """Celery's workers, started by `dagster-celery worker start` with deploy/celery.yaml."""
    from celery.exceptions import DuplicateTaskNameWarning
    from dagster_celery import celery_executor

    warnings.simplefilter("ignore", DuplicateTaskNameWarning)  # dagster-celery declares its task again for each step
    if not os.environ.get(BROKER):
        raise SettingError(f"{EXECUTOR}: celery needs {BROKER}, the address of Redis, such as redis://localhost:6379/0")
    broker = {"env": BROKER}
    return Workplace(celery_executor.configured({"broker": broker, "backend": broker}), n_workers)


def _k8s(n_workers: int) -> Workplace:
    """A pod for each step; image, secrets and volumes are those of the run's own pod."""
    from dagster_k8s import k8s_job_executor

    return Workplace(k8s_job_executor.configured({"max_concurrent": n_workers}), n_workers)


EXECUTORS: dict[str, Callable[[int], Workplace]] = {
    "in_process": _in_process,
    "forkserver": _forkserver,
    "spawn": _spawn,
    "dask": _dask,
    "celery": _celery,
    "k8s": _k8s,
}
