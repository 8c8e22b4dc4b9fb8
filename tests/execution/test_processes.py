"""Children are stopped, and what became of them is told: real processes, real signals."""

import math
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from automl_assets.execution import processes
from automl_assets.execution.processes import Job, Outcome, run_jobs, warm_up

LONG = 300.0  # seconds no test waits for
SOON = 120.0  # seconds within which a busy machine has done a small thing


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    warm_up()
    list(run_jobs([_job("first", math.factorial, 1)], 1))  # the server has loaded everything when it answers


def _job(key: Any, function: Callable[..., Any], *arguments: Any, seconds: float = LONG) -> Job:
    return Job(key, function, arguments, time.monotonic() + seconds)


def _outcome(
    function: Callable[..., Any], *arguments: Any, seconds: float = LONG, memory: int | None = None
) -> Outcome:
    (outcome,) = run_jobs([_job("only", function, *arguments, seconds=seconds)], 1, memory)
    return outcome


def test_a_value_comes_back() -> None:
    outcome = _outcome(math.factorial, 20)
    assert (outcome.key, outcome.status, outcome.value) == ("only", "done", math.factorial(20))
    assert 0 < outcome.seconds < SOON


def test_an_error_is_told() -> None:
    outcome = _outcome(operator.truediv, 1, 0)
    assert (outcome.status, outcome.reason) == ("error", "ZeroDivisionError: division by zero")


def test_a_native_crash_is_told() -> None:
    assert _outcome(os.abort).reason == f"the process ended with exit code -{signal.SIGABRT:d}"
    assert _outcome(os.abort).status == "crashed"


def test_an_exit_is_told() -> None:
    outcome = _outcome(os._exit, 3)
    assert (outcome.status, outcome.reason) == ("crashed", "the process ended with exit code 3")


def test_a_sleeper_is_stopped_at_its_deadline() -> None:
    outcome = _outcome(time.sleep, LONG, seconds=0.5)
    assert (outcome.status, outcome.value) == ("out of time", None)
    assert 0 < outcome.seconds < SOON


def test_a_deadline_in_the_past_ends_at_once() -> None:
    assert _outcome(time.sleep, LONG, seconds=-1).status == "out of time"


def test_a_greedy_child_meets_its_limit() -> None:
    outcome = _outcome(bytearray, 4 * 2**30, memory=2 * 2**30)
    assert (outcome.status, outcome.reason) == ("out of memory", "needs more than 2.0 GiB")


def test_memory_within_the_limit_is_granted() -> None:
    assert len(_outcome(bytes, 10 * 2**20, memory=2 * 2**30).value) == 10 * 2**20


def test_a_child_killed_by_the_system_is_told() -> None:
    """As the kernel's out-of-memory killer would do it."""
    outcome = _outcome(signal.raise_signal, signal.SIGKILL)
    assert (outcome.status, outcome.reason) == ("out of memory", "killed by the operating system")


def test_one_failure_costs_one_job() -> None:
    jobs = [_job(1, os.abort), _job(2, math.factorial, 3), _job(3, operator.truediv, 1, 0), _job(4, math.factorial, 4)]
    found = {outcome.key: outcome.status for outcome in run_jobs(jobs, 2)}
    assert found == {1: "crashed", 2: "done", 3: "error", 4: "done"}


@pytest.fixture
def empty_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of a test load nothing: saves seconds each."""
    monkeypatch.setattr(processes, "_loaded", [])


def _server() -> int:
    return forkserver._forkserver._forkserver_pid


def test_a_server_that_is_dead_is_replaced(empty_server: None) -> None:
    """The kernel's out-of-memory killer may choose it: what runs goes on, and what comes next has another one."""
    before = _server()

    def jobs() -> Iterator[Job]:
        yield _job("long", time.sleep, 1.0)
        os.kill(before, signal.SIGKILL)
        yield _job("next", math.factorial, 3)

    assert {one.key: one.status for one in run_jobs(jobs(), 2)} == {"long": "done", "next": "done"}
    assert _server() != before


def test_a_server_killed_as_it_makes_a_child_costs_nothing(empty_server: None) -> None:
    before = _server()
    os.kill(before, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (before, signal.SIGKILL)).start()
    assert _outcome(math.factorial, 3).value == 6
    assert _server() != before


def test_where_no_server_lives_long_enough_one_job_is_lost(empty_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(job: Job, memory_bytes: int | None) -> Any:
        raise EOFError("unexpected EOF")

    with monkeypatch.context() as patch:
        patch.setattr(processes, "_start", killed)
        lost = _outcome(math.factorial, 3)
    assert (lost.status, lost.reason) == (
        "crashed",
        "the server that makes processes was killed as it began: unexpected EOF",
    )
    assert _outcome(math.factorial, 3).value == 6


def test_jobs_are_drawn_when_there_is_room() -> None:
    drawn: list[int] = []

    def jobs() -> Iterator[Job]:
        for number in range(4):
            drawn.append(number)
            yield _job(number, math.factorial, number)

    seen = 0
    for _ in run_jobs(jobs(), 1):
        seen += 1
        assert len(drawn) == seen
    assert seen == 4


def _meet(folder: str, number: int) -> None:
    """Ends when four have begun."""
    Path(folder, str(number)).touch()
    while len(os.listdir(folder)) < 4:
        time.sleep(0.01)


def test_jobs_run_side_by_side(tmp_path: Path) -> None:
    outcomes = list(run_jobs([_job(number, _meet, str(tmp_path), number) for number in range(4)], 4))
    assert {outcome.status for outcome in outcomes} == {"done"}


def test_closing_kills_what_still_runs() -> None:
    before = set(multiprocessing.active_children())  # of other tests
    outcomes = run_jobs([_job("endless", time.sleep, LONG), _job("quick", math.factorial, 3)], 2)
    assert next(outcomes).key == "quick"
    assert len(set(multiprocessing.active_children()) - before) == 1
    outcomes.close()
    assert set(multiprocessing.active_children()) <= before


PARENT = """
import os, sys, time
from automl_assets.execution import processes
from automl_assets.execution import processes
from automl_assets.execution.processes import Job, run_jobs
processes._loaded.clear()  # no learning here: saves seconds
print("main runs", flush=True)
jobs = [Job("pid", os.getpid, (), time.monotonic() + 300), Job("long", time.sleep, (300,), time.monotonic() + 300)]
"""


def _script(folder: Path, body: str) -> subprocess.Popen:
    file = folder / "script.py"
    file.write_text(PARENT + textwrap.dedent(body), "utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True, env=environment)


def test_a_script_without_main_guard_runs_once(tmp_path: Path) -> None:
    process = _script(tmp_path, "print(next(run_jobs(jobs, 1)).status, flush=True)")
    assert process.communicate(timeout=LONG)[0].splitlines() == ["main runs", "done"]


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    process = _script(
        tmp_path,
        """
        from automl_assets.execution.processes import _start
        print(_start(jobs[1], None).process.pid, flush=True)
        time.sleep(300)
        """,
    )
    assert process.stdout is not None
    child = [process.stdout.readline() for _ in range(2)][1]
    process.kill()
    process.communicate(timeout=LONG)
    assert _is_gone_soon(int(child))


def _is_gone_soon(pid: int) -> bool:
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_a_server_that_lacks_a_module_gives_way_unless_children_are_at_work(empty_server: None) -> None:
    warm_up()
    first = _server()
    outcomes = run_jobs([_job("long", time.sleep, LONG), _job("quick", math.factorial, 3)], 2)
    next(outcomes)
    warm_up("colorsys")
    assert _server() == first  # whose child is not lost
    outcomes.close()
    warm_up("colorsys")
    assert _server() != first
    assert _outcome(_has_loaded, "colorsys").value
    second = _server()
    warm_up("colorsys")
    assert _server() == second


def _has_loaded(module: str) -> bool:
    return module in sys.modules
