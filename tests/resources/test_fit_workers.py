"""Fits on a Dask cluster: the same trials as here, and nothing lost with a worker."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest

from automl_assets.errors import SettingError
from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import Job
from automl_assets.experiment.experiment import parse
from automl_assets.records import Features
from automl_assets.registry import algorithms, tasks
from automl_assets.resources.fit_workers import FitWorkers
from automl_assets.steps.load import load
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize
from tests.servers import free_port

pytest.importorskip("distributed")

BUDGET = Budget(seconds=120, max_trials=2)
LONG = 300  # seconds that no fit takes, however busy the machine


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    import dask
    from distributed import LocalCluster

    folder = tmp_path_factory.mktemp("dask")
    asked = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(folder)}
    with dask.config.set({"distributed.worker.daemon": False}), LocalCluster(**asked) as made:
        made.folder = folder
        yield made


def _features(folder: Path) -> Features:
    """The sample of a regression."""
    table, target = tasks()["regression"].sample(0)
    table.write_parquet(folder / "rows.parquet")
    asked = {"task": "regression", "source": str(folder / "rows.parquet"), "target": target, "validation": {"folds": 2}}
    experiment = parse(asked, "there")
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    return featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)


def test_trials_are_those_of_this_machine(cluster: Any, tmp_path: Path) -> None:
    features, tree = _features(tmp_path), algorithms("tabular")["decision_tree"]
    here = search(features, tree, BUDGET, seed=0)
    with FitWorkers(address=cluster.scheduler_address).hired(BUDGET) as (budget, run):
        assert (budget.n_cores, budget.n_processes) == (2, 2)
        there = search(features, tree, budget, 0, run=run)
    assert [trial.config for trial in there.trials] == [trial.config for trial in here.trials]
    for one, other in zip(there.trials, here.trials, strict=True):
        np.testing.assert_array_equal(one.predictions, other.predictions)
        assert len(one.fitted.models) == len(other.fitted.models)
    folders = list(cluster.folder.rglob("automl"))
    assert [list(folder.iterdir()) for folder in folders] == [[], []]


def test_the_fit_of_a_lost_worker_is_done_by_another(cluster: Any, tmp_path: Path) -> None:
    """It is killed while both workers are at a fit."""
    with FitWorkers(address=cluster.scheduler_address).hired(BUDGET) as (_, run):
        victim = next(iter(cluster.workers.values())).pid
        timer = Timer(1.0, os.kill, (victim, signal.SIGKILL))
        timer.start()
        outcomes = list(run([_job(number, tmp_path, _slow, time.monotonic() + LONG) for number in range(4)], 2, None))
        timer.join()
    assert sorted(one.key for one in outcomes) == [0, 1, 2, 3]
    assert {one.status for one in outcomes} == {"done"}
    assert victim not in {one.value for one in outcomes if one.key > 1}


@pytest.mark.parametrize(
    ("function", "seconds", "status"), [(os._exit, LONG, "crashed"), (time.sleep, 2, "out of time")]
)
def test_a_bad_fit_costs_itself_and_no_worker(
    cluster: Any, tmp_path: Path, function: Any, seconds: int, status: str
) -> None:
    """One ends at once, whenever a busy machine lets it begin; the other would go on beyond its deadline."""
    with FitWorkers(address=cluster.scheduler_address).hired(BUDGET) as (_, run):
        bad = Job("bad", _beside_data, (str(tmp_path), function, 90), time.monotonic() + seconds)
        outcomes = {
            one.key: one.status for one in run([bad, _job("good", tmp_path, _slow, bad.deadline + LONG)], 2, None)
        }
    assert outcomes == {"bad": status, "good": "done"}


def test_nobody_answers() -> None:
    workers = FitWorkers(address=f"tcp://127.0.0.1:{free_port()}")
    message = r"AUTOML_FITS: no Dask scheduler answers at tcp://127\.0\.0\.1:\d+"
    with pytest.raises(SettingError, match=message), workers.hired(BUDGET):
        pass


def _job(key: Any, folder: Path, function: Any, deadline: float) -> Job:
    return Job(key, function, (str(folder),), deadline)


def _slow(folder: str) -> int:
    """The worker that it ran on."""
    time.sleep(1.5)
    return os.getppid()


def _beside_data(folder: str, function: Any, argument: int) -> None:
    function(argument)
