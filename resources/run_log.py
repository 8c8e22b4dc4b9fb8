"""What happens in a run, line by line as it happens: for the command line's display, and for candidates to know of each
other. One JSON object a line; lines are appended whole, so that several processes may write."""

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from automl_assets.masking import masked_value
from automl_assets.resources.home import home

FOLDER = "journals"
SECONDS_BETWEEN = 0.5  # two tellings of how far an asset is
TAG = "automl/journal"  # run tag that names the journal when somebody outside the run wants to read it


class Journal:
    """The journal of one run."""

    def __init__(self, name: str):
        self.path = home() / FOLDER / f"{name}.jsonl"

    def write(self, event: str, **details: Any) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        when = {"time": time.time(), "ticks": time.monotonic(), "process": os.getpid()}
        line = json.dumps({"event": event, **when, **masked_value(details)}) + "\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _append(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def keep(self, text: str) -> Path:
        """A file beside the journal that the owner alone may read: it may hold what no database should."""
        path = self.path.with_suffix(".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def events(self) -> Iterator[dict[str, Any]]:
        """Every complete line so far."""
        return read_journal(self.path.parent.parent, self.path.stem)

    def seconds_per_asset(self) -> dict[str, float]:
        """How long each asset took that is finished."""
        started: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for event in self.events():
            if event["event"] == "asset_started":
                started[event["asset"]] = event["ticks"]
            elif event["event"] == "asset_finished":
                seconds[event["asset"]] = event["ticks"] - started[event["asset"]]
        return seconds


class Progress:
    """Tells a journal how many of an asset's groups are done, a few times a second at most."""

    def __init__(self, journal: Journal, asset: str, n_groups: int):
        self.journal, self.asset, self.n_groups = journal, asset, n_groups
        self.n_done, self.told_at = 0, 0.0

    def tick(self) -> None:
        """One more is done."""
        self.n_done += 1
        if self.n_done == self.n_groups or time.monotonic() - self.told_at >= SECONDS_BETWEEN:
            self.told_at = time.monotonic()
            self.journal.write("progress", asset=self.asset, n_done=self.n_done, n_groups=self.n_groups)


def boot() -> str:
    """Tells a start of this machine from all others, so that `ticks` may be compared; empty where unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _append(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":  # the line before was cut short
        line = b"\n" + line
    if os.write(descriptor, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_journal(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """What the journal `name` under the home `folder` says so far; nothing while it does not exist. A line that a full
    disk cut short is left out."""
    path = folder / FOLDER / f"{name}.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for line in lines:
        with suppress(ValueError):
            yield json.loads(line)


def journal_of(run: Any) -> Journal:
    """The journal of a Dagster run."""
    return Journal(Path(run.tags.get(TAG, run.run_id)).name)
