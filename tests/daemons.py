"""A home with Dagster's real daemon, for tests: started, killed at any moment or at a given one, and started again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.resources.home import prepare
from automl_assets.steps.detect_changes import Seen
from tests.processes import environment_of, kill, processes, until

EVENTUALLY = 240  # seconds: a run, a start of the daemon, all on a busy machine
LOCATION = """
from automl_assets.definitions import defs
from automl_assets.sensors import new_data, poll_source

poll_source.REST_SECONDS, new_data.INTERVAL_SECONDS = 0, -1  # Dagster takes 0 for its own 30
"""
IMPATIENT = """
load_from:
  - python_file: {relative_path: location.py, attribute: defs, location_name: automl}
"""
DAEMON = """
import os
import signal
import sys

from dagster import DagsterInstance
from dagster._daemon import sensor
from dagster._daemon.cli import cli

write_state = DagsterInstance.update_instigator_state


def reach(_, moment):
    if moment == os.environ.get("KILLED_AT"):
        os.kill(os.getpid(), signal.SIGKILL)


def write(instance, state):
    if state.instigator_name.endswith("__new_data") and state.instigator_data.last_tick_success_timestamp:
        reach(None, "TICK_WRITTEN")
    return write_state(instance, state)


DagsterInstance.update_instigator_state = write
sensor.check_for_debug_crash, sensor.MIN_INTERVAL_LOOP_TIME = reach, 0.2
cli(["run", "-w", sys.argv[1]])
"""


@dataclass
class Machine:
    """A home with experiments, and the daemon that starts its runs in processes of their own."""

    home: Path
    instance: dg.DagsterInstance
    daemon: subprocess.Popen[bytes] | None = None

    def start(self, killed_at: str = "") -> None:
        """Starts the daemon; it ends itself by `kill -9` when its sensors reach that moment."""
        with (self.home / "daemon.log").open("ab") as log:
            given = [sys.executable, "-c", DAEMON, self.home / "workspace.yaml"]
            environment = os.environ | {"KILLED_AT": killed_at}
            self.daemon = subprocess.Popen(given, cwd=self.home, stdout=log, stderr=log, env=environment)

    def kill_daemon(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()

    def everything(self) -> list[int]:
        """All processes that work for the home, orphans included."""
        mark = f"DAGSTER_HOME={self.home}".encode()
        return [process for process in processes() if mark in environment_of(process).split(b"\0")]

    def is_settled(self, experiment: str) -> bool:
        """Whether the sensor knows what there is, and of no change that it has not acted upon."""
        for state in self.instance.all_instigator_state():
            if state.instigator_name == f"{experiment}__new_data" and state.instigator_data:
                seen = Seen.of(getattr(state.instigator_data, "cursor", None))
                return bool(seen.asked) and not seen.since
        return False

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None, f"run {run_id} is lost"
        return found

    def end_of(self, run_id: str) -> dg.DagsterRunStatus:
        until(lambda: self.run(run_id).is_finished, EVENTUALLY)
        return self.run(run_id).status

    def retry_of(self, run_id: str) -> str:
        """The run that Dagster begins by itself in the place of one that was killed."""
        again = dg.RunsFilter(tags={"dagster/parent_run_id": run_id})
        return until(lambda: [run.run_id for run in self.instance.get_runs(again)], EVENTUALLY)[0]


@contextmanager
def machine_in(home: Path, most_runs: int = 1) -> Iterator[Machine]:
    """A home whose daemon looks after runs every two seconds, and lets so many begin at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS", "1")
        prepare(home)
        file = home / "dagster.yaml"
        text = file.read_text().replace("poll_interval_seconds: 10\n", "poll_interval_seconds: 2\n")
        file.write_text(text.replace("max_concurrent_runs: 1\n", f"max_concurrent_runs: {most_runs}\n"))
        with dg.DagsterInstance.get() as instance:
            machine = Machine(home, instance)
            try:
                yield machine
            finally:
                kill(machine.everything())


def look_without_pause(home: Path) -> None:
    """Lets the sensors of a home look at sources all the time."""
    (home / "location.py").write_text(LOCATION)
    (home / "workspace.yaml").write_text(IMPATIENT)
