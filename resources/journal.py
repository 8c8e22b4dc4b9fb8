"""What happens in a run, line by line as it happens: for the command line's display, and for candidates to know of each
other. One JSON object a line; lines are appended whole, so that several processes may write."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
        line = json.dumps({"event": event, "time": time.time(), "process": os.getpid(), **details}) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def events(self) -> Iterator[dict[str, Any]]:
        """Every complete line so far."""
        return read_journal(self.path.parent.parent, self.path.stem)

    def seconds_per_asset(self) -> dict[str, float]:
        """How long each asset took that is finished."""
        started: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for event in self.events():
            if event["event"] == "asset_started":
                started[event["asset"]] = event["time"]
            elif event["event"] == "asset_finished":
                seconds[event["asset"]] = event["time"] - started[event["asset"]]
        return seconds


class Pace:
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


def read_journal(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """What the journal `name` under the home `folder` says so far; nothing while it does not exist."""
    path = folder / FOLDER / f"{name}.jsonl"
    if path.exists():
        yield from (json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))


def journal_of(run: Any) -> Journal:
    """The journal of a Dagster run."""
    return Journal(Path(run.tags.get(TAG, run.run_id)).name)
