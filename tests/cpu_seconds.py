"""CPU seconds of each folder of tests, told at the end: of this process and of all that it started.

What a killed process leaves behind, a run of a killed daemon, say, counts as long as it is this process's descendant.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

BUDGET_MINUTES = 25  # of CPU time, for each of the halves that `make test` runs side by side


class CpuSeconds:
    """A plugin of pytest; looks at the clocks whenever the tests go on to another folder."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.started, self.seen = time.monotonic(), 0.0

    def pytest_collection_finish(self) -> None:
        self._count("starting and collecting")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        done = yield
        if nextitem is None or nextitem.path.parent != item.path.parent:
            self._count(folder_of(item.path, item.config.rootpath))
        return done

    def _count(self, folder: str) -> None:
        now = cpu_seconds()
        self.seconds[folder] += max(0.0, now - self.seen)
        self.seen = now

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self.seconds) > 2:  # one folder says nothing of the suite
            for line in self.lines():
                terminalreporter.write_line(line)

    def lines(self) -> list[str]:
        """A table, the dearest folder first, and the total beside what it may be."""
        minutes, wall = self.seconds.total() / 60, (time.monotonic() - self.started) / 60
        table = [f"{seconds:9.1f}  {folder}" for folder, seconds in self.seconds.most_common()]
        told = f"{minutes:.1f} CPU minutes in {wall:.1f} minutes; half of `make test` may take {BUDGET_MINUTES} of them"
        over = "ABOVE THE BUDGET: let tests that only look share what they look at, see CONTRIBUTING.md"
        return ["CPU seconds by folder", *table, told, *([over] if minutes > BUDGET_MINUTES else [])]


def cpu_seconds() -> float:
    """So far: of this process, of its children that have ended, and of its descendants that still run."""
    return sum(os.times()[:4]) + sum(map(_of, psutil.Process().children(recursive=True)))


def folder_of(file: Path, root: Path) -> str:
    return file.parent.relative_to(root).as_posix() if file.is_relative_to(root) else file.parent.as_posix()


def _of(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:  # it ended meanwhile
        return 0.0
