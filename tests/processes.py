"""What tests of killed processes have in common: waiting, who started whom, and a run slow enough to be killed in."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from automl_assets.resources.run_log import read_journal

AUTOML = Path(sys.executable).with_name("automl")
SLOW = """
algorithms: [logistic_regression, catboost]
limits: {timeout_minutes: 1, max_trials: 3}
onnx: false
explain: false
"""


def slow_experiment(folder: Path, tiny: Callable[..., Path]) -> Path:
    """Its last candidate takes a second or more to learn."""
    file = tiny(folder)
    kept = [line for line in file.read_text().splitlines() if not line.startswith(("algorithms", "limits"))]
    file.write_text("\n".join(kept) + SLOW)
    return file


def command(*arguments: object, **more: Any) -> subprocess.CompletedProcess:
    """What `automl` says to the arguments."""
    given = [AUTOML, *map(str, arguments)]
    return subprocess.run(given, capture_output=True, text=True, timeout=400, check=False, **more)


def until(condition: Callable[[], Any], seconds: float) -> Any:
    """What `condition` gives once it gives something; fails when that takes longer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def children(process: int) -> list[int]:
    """Numbers of the processes that `process` started and that still run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended meanwhile
            continue
        if int(parent) == process and state != "Z":
            found.append(int(entry.parent.name))
    return found


def processes() -> list[int]:
    """Numbers of all processes there are."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def environment_of(process: int) -> bytes:
    """The environment that a process was started with; nothing of one that has ended or is another user's."""
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return b""


def kill(processes: Iterable[int]) -> None:
    """`kill -9`."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def journals(home: Path) -> list[str]:
    """Names of all journals, in the order in which they were begun."""
    files = list((home / "journals").glob("*.jsonl"))
    return [file.stem for file in sorted(files, key=lambda file: _begun(home, file.stem))]


def _begun(home: Path, name: str) -> float:
    return next((event["time"] for event in read_journal(home, name)), float("inf"))


def started(home: Path, journal: str) -> set[str]:
    """The assets that a run has begun to make."""
    return {event["asset"] for event in read_journal(home, journal) if event["event"] == "asset_started"}


def is_making(home: Path, asset: str) -> bool:
    """Whether the newest run has begun to make an asset."""
    names = journals(home)
    return bool(names) and asset in started(home, names[-1])
