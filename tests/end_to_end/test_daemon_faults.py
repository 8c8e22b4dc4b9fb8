"""`kill -9` where Dagster's daemon runs things: the daemon, a run's process, everything at once. Nothing stays undone.

Three runs are queued at the start and one runs at a time: the daemon is killed in the first, the process of the run in
the second, and everything that runs in the third.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.resources.home import prepare
from automl_assets.resources.run_launcher import process_of
from automl_assets.resources.store import RecordStore
from tests.processes import environment_of, kill, processes, slow_experiment, started, until

pytestmark = pytest.mark.slow

EVENTUALLY = 240  # seconds: a run, a start of the daemon, all on a busy machine
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


@dataclass
class Machine:
    """A home with an experiment, and the daemon that starts its runs in processes of their own."""

    home: Path
    instance: dg.DagsterInstance
    daemon: int = 0

    def start(self) -> None:
        program = Path(sys.executable).with_name("dagster-daemon")
        with (self.home / "daemon.log").open("ab") as log:
            given = [program, "run", "-w", self.home / "workspace.yaml"]
            self.daemon = subprocess.Popen(given, cwd=self.home, stdout=log, stderr=log).pid

    def everything(self) -> list[int]:
        """All processes that work for the home, orphans included."""
        mark = f"DAGSTER_HOME={self.home}".encode()
        return [process for process in processes() if mark in environment_of(process).split(b"\0")]

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None, f"run {run_id} is lost"
        return found

    def learning_process(self, run_id: str) -> int:
        """The process of a run, as soon as its last candidate learns."""
        until(lambda: LAST in started(self.home, run_id), EVENTUALLY)
        found = process_of(self.instance, run_id)
        assert found is not None
        return found[0]

    def end_of(self, run_id: str) -> dg.DagsterRunStatus:
        until(lambda: self.run(run_id).is_finished, EVENTUALLY)
        return self.run(run_id).status

    def retry_of(self, run_id: str) -> str:
        """The run that Dagster begins by itself in the place of one that was killed."""
        again = dg.RunsFilter(tags={"dagster/parent_run_id": run_id})
        return until(lambda: [run.run_id for run in self.instance.get_runs(again)], EVENTUALLY)[0]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path]) -> Iterator[Machine]:
    """The home after all three kills, when nothing is left to do."""
    home = tmp_path_factory.mktemp("machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS", "1")
        make_ready(home, tiny)
        with dg.DagsterInstance.get() as instance:
            found = Machine(home, instance)
            try:
                queue = [sys.executable, "-c", QUEUE, home / "workspace.yaml", *RUNS]
                subprocess.run(queue, capture_output=True, timeout=EVENTUALLY, check=True)
                kill_in_each_run(found)
                yield found
            finally:
                kill(found.everything())


def make_ready(home: Path, tiny: Callable[..., Path]) -> None:
    """A home whose daemon looks after runs every two seconds."""
    prepare(home)
    slow_experiment(home / "experiments", tiny)
    settings = home / "dagster.yaml"
    settings.write_text(
        settings.read_text().replace("run_monitoring:\n", "run_monitoring:\n  poll_interval_seconds: 2\n")
    )


def kill_in_each_run(machine: Machine) -> None:
    first, second, third = RUNS
    machine.start()
    machine.learning_process(first)
    kill([machine.daemon])
    machine.start()
    kill([machine.learning_process(second)])
    machine.learning_process(third)
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
