"""Seconds of a run's wall time that are not learning, under each executor. Bar: wall <= 1.1 x learning + 5 s.

The rest is what other assets take (ensemble, evaluation, explanation, export…), and the orchestration itself: start,
events, storage, step processes. Every executor but `in_process` executes two steps side by side, on this machine: Dask's
cluster starts with each run, as it does for a person who names none; two workers of Celery and their Redis are there
before.

python benchmarks/orchestration.py [repeats] [minutes] [executor ...]
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from runs import learning_seconds, run

SETTINGS = {
    "task": "classification",
    "source": {"kind": "sklearn", "name": "breast_cancer"},
    "target": "target",
    "metric": "AUC_weighted",
}
EXECUTORS = "in_process", "forkserver", "spawn", "dask", "celery"
WORKERS = 2
BIN = Path(sys.executable).parent
DEPLOY = Path(__file__).parents[1] / "deploy"
CELERY = [str(BIN / "dagster-celery"), "worker", "start", "-A", "dagster_celery.app", "-y", str(DEPLOY / "celery.yaml")]
CELERY += ["--", "--pool", "solo"]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    print("| executor | wall s | candidates s | other assets s | orchestration s | wall / (1.1 x candidates + 5) |")
    print("|---|---|---|---|---|---|")
    for executor in sys.argv[3:] or EXECUTORS:
        with tempfile.TemporaryDirectory() as home, _workplace(executor, home) as settings:
            results = [run("overhead", SETTINGS, minutes, home, settings) for _ in range(repeats)]
        side_by_side = 1 if executor == "in_process" else WORKERS
        rows = np.array([_seconds(result, side_by_side) for result in results])
        wall, learning, other = np.median(rows, axis=0)
        bar = np.median(rows[:, 0] / (1.1 * rows[:, 1] + 5))
        cells = [f"{s:.1f}" for s in (wall, learning, other, wall - learning - other)]
        print(f"| {executor} | {' | '.join(cells)} | {bar:.2f} |", flush=True)


def _seconds(result: dict[str, Any], side_by_side: int) -> tuple[float, float, float]:
    """Wall, candidates, other assets; what ran side by side counts by its share."""
    learning, every = learning_seconds(result), sum(result["seconds_per_asset"].values())
    return result["wall_seconds"], learning / side_by_side, (every - learning) / side_by_side


@contextmanager
def _workplace(executor: str, home: str) -> Iterator[dict[str, str]]:
    """The environment variables that choose an executor; what it needs beside the run is there within the block."""
    settings = {"AUTOML_EXECUTOR": executor, "AUTOML_WORKERS": str(WORKERS), "DAGSTER_HOME": home}
    with ExitStack() as stack:
        if executor == "celery":
            settings["AUTOML_CELERY"] = stack.enter_context(_redis())
            for _ in range(WORKERS):
                stack.enter_context(_process(CELERY, settings, ready=" ready."))
        yield settings


@contextmanager
def _redis() -> Iterator[str]:
    """The address of a Redis server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""]
    with _process(command, {}, ready="Ready to accept connections"):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _process(command: list[str], settings: dict[str, str], ready: str) -> Iterator[None]:
    """A process with all that it starts, as soon as it says that it is ready."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # dagster-celery starts celery by its name
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            command,
            env=os.environ | settings | {"PATH": path},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while ready not in Path(log.name).read_text():
                if process.poll() is not None:
                    raise SystemExit(f"{' '.join(command)}\n{Path(log.name).read_text()[-4000:]}")
                time.sleep(0.1)
            yield
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    main()
