"""`kill -9` where Dagster's daemon runs things: the daemon, a run's process, everything at once. Nothing stays undone.

Three runs are queued at the start and one runs at a time: the daemon is killed in the first, the process of the run in
the second, and everything that runs in the third.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.resources.run_launcher import process_of
from automl_assets.resources.store import RecordStore
from tests.daemons import EVENTUALLY, Machine, machine_in
from tests.processes import kill, slow_experiment, started, until

pytestmark = [pytest.mark.slow, pytest.mark.long]

LAST = "candidate_catboost"
MADE_BEFORE = {"dataset", "profile", "split", "features", "candidate_baseline", "candidate_logistic_regression"}
RUNS = tuple(f"0000000{n}-0000-4000-8000-000000000000" for n in (1, 2, 3))
QUEUE = """
import sys
from dagster import DagsterInstance
from dagster._cli.job import execute_launch_command
from dagster_shared.cli import WorkspaceOpts
for run in sys.argv[2:]:
    workspace = WorkspaceOpts(workspace=[sys.argv[1]])
    execute_launch_command(instance=DagsterInstance.get(), workspace_opts=workspace, job_name="tiny", run_id=run)
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path]) -> Iterator[Machine]:
    """The home after all three kills, when nothing is left to do."""
    with machine_in(tmp_path_factory.mktemp("machine")) as found:
        slow_experiment(found.home / "experiments", tiny)
        queue = [sys.executable, "-c", QUEUE, found.home / "workspace.yaml", *RUNS]
        subprocess.run(queue, capture_output=True, timeout=EVENTUALLY, check=True)
        kill_in_each_run(found)
        yield found


def learning_process(machine: Machine, run_id: str) -> int:
    """The process of a run, as soon as its last candidate learns."""
    until(lambda: LAST in started(machine.home, run_id), EVENTUALLY)
    found = process_of(machine.instance, run_id)
    assert found is not None
    return found[0]


def kill_in_each_run(machine: Machine) -> None:
    first, second, third = RUNS
    machine.start()
    learning_process(machine, first)
    machine.kill_daemon()
    machine.start()
    kill([learning_process(machine, second)])
    learning_process(machine, third)
    kill(machine.everything())
    machine.start()
    for run in (*RUNS, machine.retry_of(second), machine.retry_of(third)):
        machine.end_of(run)


def test_a_run_outlives_the_daemon_that_started_it(machine: Machine) -> None:
    assert machine.end_of(RUNS[0]) == dg.DagsterRunStatus.SUCCESS


@pytest.mark.parametrize("run", RUNS[1:])
def test_a_run_whose_process_is_gone_fails_and_is_begun_again(machine: Machine, run: str) -> None:
    assert machine.end_of(run) == dg.DagsterRunStatus.FAILURE
    assert machine.end_of(machine.retry_of(run)) == dg.DagsterRunStatus.SUCCESS


@pytest.mark.parametrize("run", RUNS[1:])
def test_what_was_made_before_the_kill_is_not_made_again(machine: Machine, run: str) -> None:
    assert started(machine.home, run) >= {*MADE_BEFORE, LAST}
    assert started(machine.home, machine.retry_of(run)).isdisjoint(MADE_BEFORE)


def test_no_run_is_left_over(machine: Machine) -> None:
    assert [run.run_id for run in machine.instance.get_runs() if not run.is_finished] == []
    assert len(machine.instance.get_runs()) == len(RUNS) + 2


def test_every_record_is_whole(machine: Machine) -> None:
    """Whatever a killed process was writing, what counts can be read, and no temporary file is left."""
    store = RecordStore(root=str(machine.home / "artifacts"))
    assets = [folder.name for folder in (machine.home / "artifacts" / "tiny").iterdir()]
    assert {*MADE_BEFORE, LAST, "leaderboard", "evaluation"} <= set(assets)
    for asset in assets:
        assert store.load("tiny", asset) is not None
    (standing, *_) = store.load("tiny", "leaderboard").standings
    assert standing.rank == 1
