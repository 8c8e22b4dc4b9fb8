"""The health of a run is the health of its process."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from automl_assets.resources.run_launcher import HOST_TAG, is_alive


@dg.op
def nothing() -> None: ...


@dg.job
def empty() -> None:
    nothing()


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as found:
        yield found


def health(instance: dg.DagsterInstance, process: int | None, **tags: str) -> tuple[WorkerStatus, str | None]:
    """What the launcher says of a run that was started as `process`."""
    run = instance.create_run_for_job(empty, tags=tags)
    if process is not None:
        instance.report_engine_event(f"Started process for run (pid: {process}).", run)
    found = instance.run_launcher.check_run_worker_health(run)
    return found.status, found.msg


@pytest.fixture
def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_dagster_may_ask(instance: dg.DagsterInstance) -> None:
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_run_whose_process_runs_is_healthy(instance: dg.DagsterInstance) -> None:
    assert health(instance, os.getpid()) == (WorkerStatus.RUNNING, None)


def test_a_run_whose_process_is_gone_has_failed(instance: dg.DagsterInstance, ended_process: int) -> None:
    assert health(instance, ended_process) == (WorkerStatus.FAILED, f"process {ended_process} is gone")


def test_processes_of_another_machine_are_not_looked_for_here(instance: dg.DagsterInstance, ended_process: int) -> None:
    """A person's run on a laptop, and the daemon of a server with the same database."""
    assert health(instance, ended_process, **{HOST_TAG: "elsewhere"}) == (WorkerStatus.RUNNING, None)
    assert health(instance, ended_process, **{HOST_TAG: platform.node()})[0] == WorkerStatus.FAILED


def test_a_run_that_has_no_process_yet_is_left_to_the_start_timeout(instance: dg.DagsterInstance) -> None:
    assert health(instance, None) == (WorkerStatus.RUNNING, None)


def test_a_run_that_was_killed_as_it_began_has_failed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wall, ticks = instance.create_run_for_job(empty), time.time, time.monotonic
    instance.handle_run_event(run.run_id, dg.DagsterEvent("PIPELINE_START", run.job_name))
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    monkeypatch.setattr(time, "time", lambda: wall() + 86_400)  # set, in the meantime
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    monkeypatch.setattr(time, "monotonic", lambda: ticks() + 200)
    found = instance.run_launcher.check_run_worker_health(run)
    assert (found.status, found.msg) == (WorkerStatus.FAILED, "no process has told its number within 90 s")


def test_the_last_process_of_a_run_counts(instance: dg.DagsterInstance, ended_process: int) -> None:
    run = instance.create_run_for_job(empty)
    for process in (os.getpid(), ended_process):
        instance.report_engine_event(f"Started process for run (pid: {process}).", run)
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.FAILED


def test_a_process_that_nobody_waits_for_is_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 120
    while is_alive(process.pid, time.time()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert Path(f"/proc/{process.pid}").exists(), "the process should still be there, as a zombie"
    assert not is_alive(process.pid, time.time())
    process.wait()


def test_a_process_that_began_later_is_another_one() -> None:
    assert is_alive(os.getpid(), time.time())
    assert not is_alive(os.getpid(), time.time() - 3600)


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_is_set_ends_no_run(jump: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, wall = time.time(), time.time
    monkeypatch.setattr(time, "time", lambda: wall() + jump)
    assert is_alive(os.getpid(), seen)
