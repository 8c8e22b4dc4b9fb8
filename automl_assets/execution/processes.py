"""Runs functions in child processes that can be stopped: at a deadline, out of memory, or when they crash.

Children are forked from a server that has the learning libraries loaded already (a few milliseconds each), so a native
crash or a fit that never ends costs one task, not the run. Knows nothing of what the functions do.
"""

import multiprocessing
import os
import pickle
import resource
import signal
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from automl_assets.errors import told

PRELOAD = "automl_assets.execution.preload"
N_STARTS = 2  # of a child, where the server that makes it is killed meanwhile
_loaded = [PRELOAD]  # modules that the server has been asked to load


@dataclass(frozen=True)
class Job:
    """A module-level function with picklable arguments; `key` comes back with its outcome."""

    key: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    deadline: float  # time.monotonic() at which it is killed


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its value, or why there is none."""

    key: Any
    status: Literal["done", "error", "out of time", "out of memory", "crashed"]
    value: Any = None
    reason: str = ""
    seconds: float = 0.0


@dataclass
class _Running:
    job: Job
    process: Any
    connection: Connection
    started: float = field(default_factory=time.monotonic)


def warm_up(*modules: str) -> None:
    """Starts the server that children are forked from, so that it loads libraries while the caller does other work.

    `modules` are loaded beside what every child needs. A server that was asked for fewer gives way to another one, unless
    children are at work: what is lacking they load themselves.
    """
    from multiprocessing import forkserver

    lacking = [module for module in dict.fromkeys(modules) if module not in _loaded]
    if lacking and not multiprocessing.active_children():
        _loaded.extend(lacking)
        _end_server()
    with _hidden_main():
        _context()
        forkserver.ensure_running()


def wait_until_warm(*modules: str) -> None:
    """Returns when the server has loaded its libraries, as `warm_up` names them, so that no job's deadline pays for it."""
    warm_up(*modules)
    for _ in run_jobs([Job("warm", int, (), float("inf"))], 1):
        pass


def run_jobs(jobs: Iterable[Job], n_processes: int, memory_bytes: int | None = None) -> Iterator[Outcome]:
    """Runs jobs at most `n_processes` at a time and yields outcomes as they come; `jobs` is drawn from lazily.

    Closing the iterator kills what still runs. `memory_bytes` limits what each child may allocate.
    """
    waiting, running = iter(jobs), deque[_Running]()
    try:
        while True:
            while len(running) < n_processes and (job := next(waiting, None)) is not None:
                started = _started(job, memory_bytes)
                if isinstance(started, Outcome):
                    yield started
                else:
                    running.append(started)
            if not running:
                return
            for child in _finished(running):
                running.remove(child)
                yield _outcome(child)
    finally:
        for child in running:
            _kill(child)


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_loaded)
    return context


def _started(job: Job, memory_bytes: int | None) -> "_Running | Outcome":
    """A child at work. The server may be killed while it makes one, as what holds most memory: then another server makes
    it, and where that is killed too the job is lost, and no other."""
    reason = ""
    for _ in range(N_STARTS):
        try:
            return _start(job, memory_bytes)
        except (EOFError, OSError) as error:
            reason = f"the server that makes processes was killed as it began: {error}"
            _end_server()
    return Outcome(job.key, "crashed", reason=reason)


def _end_server() -> None:
    """Ends what is left of the server, and takes note: the next child is made by another one."""
    from multiprocessing import forkserver

    server: Any = forkserver._forkserver  # type: ignore[attr-defined]  # multiprocessing has no other way to be rid of it
    if server._forkserver_pid is not None:
        with suppress(OSError):
            os.kill(server._forkserver_pid, signal.SIGKILL)
        with suppress(OSError):
            server._stop()


def _start(job: Job, memory_bytes: int | None) -> _Running:
    context = _context()
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sending, job.function, job.arguments, memory_bytes), daemon=True)
    try:
        with _hidden_main():
            process.start()
    except (EOFError, OSError):
        receiving.close()
        raise
    finally:
        sending.close()
    return _Running(job, process, receiving)


def _finished(running: Iterable[_Running]) -> list[_Running]:
    """Children that answered, ended or are past their deadline; waits until there is at least one."""
    children = list(running)
    seconds_left = min(child.job.deadline for child in children) - time.monotonic()
    timeout = None if seconds_left == float("inf") else max(0.0, seconds_left)
    ready = wait([child.connection for child in children], timeout)
    now = time.monotonic()
    return [child for child in children if child.connection in ready or child.job.deadline <= now]


def _outcome(child: _Running) -> Outcome:
    seconds = time.monotonic() - child.started
    if not child.connection.poll():
        _kill(child)
        return Outcome(child.job.key, "out of time", reason=f"stopped after {seconds:.0f} s", seconds=seconds)
    try:
        status, value, reason = child.connection.recv()
    except EOFError:
        return _crashed(child, seconds)
    child.process.join()
    child.connection.close()
    return Outcome(child.job.key, status, value, reason, seconds)


def _crashed(child: _Running, seconds: float) -> Outcome:
    child.process.join()
    code = child.process.exitcode
    if code == -9:  # nobody here killed it: the kernel did
        return Outcome(child.job.key, "out of memory", reason="killed by the operating system", seconds=seconds)
    return Outcome(child.job.key, "crashed", reason=f"the process ended with exit code {code}", seconds=seconds)


def _kill(child: _Running) -> None:
    child.process.kill()
    child.process.join()
    child.connection.close()


def _work(connection: Connection, function: Callable[..., Any], arguments: tuple, memory_bytes: int | None) -> None:
    """Body of a child: runs the function and sends (status, value, reason)."""
    end_with_parent()
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    try:
        answer = ("done", function(*arguments), "")
    except MemoryError:
        answer = ("out of memory", None, f"needs more than {_readable(memory_bytes)}")
    except Exception as error:
        answer = ("error", None, told(error))
    try:
        connection.send(answer)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        connection.send(("error", None, f"its result cannot be sent back: {error}"))
    connection.close()


def end_with_parent() -> None:
    """From now on this process does not outlive the one that asked for it, even when that is killed outright."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _readable(memory_bytes: int | None) -> str:
    return "there is" if memory_bytes is None else f"{memory_bytes / 2**30:.1f} GiB"


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Hides `__main__` while a process starts: children need only our package, and a user's script must not run twice."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def free_bytes() -> int | None:
    """Memory that processes may still take, where the system tells."""
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
