"""How far a run is, on a terminal: live, or line by line where nobody looks on. Not here: what it came to (`printing`)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from automl_assets.cli.terminal import plain


@contextmanager
def progress(console: Console, experiment: str, journal: str, home: Path | None) -> Iterator[None]:
    """Shows what the run's journal says while the body runs: live on a terminal, line by line elsewhere."""
    view = _View(console, experiment, journal, home)
    if console.is_terminal:
        with Live(get_renderable=view.render, console=console, refresh_per_second=4, transient=True):
            yield
        return
    stop = threading.Event()
    printer = threading.Thread(target=view.print_lines, args=(stop,), daemon=True)
    printer.start()
    try:
        yield
    finally:
        stop.set()
        printer.join()


class _View:
    """A run as its journal tells it."""

    def __init__(self, console: Console, experiment: str, journal: str, home: Path | None):
        self.console = console
        self.title, self.name, self.home = experiment, journal, home
        self.started, self.spinner = time.monotonic(), Spinner("dots")

    def events(self) -> list[dict[str, Any]]:
        from automl_assets.resources.home import home
        from automl_assets.resources.run_log import read_journal

        folder = Path(self.home).resolve() if self.home else home()
        return list(read_journal(folder, self.name))

    def render(self) -> Group:
        rows = Table(box=None, show_header=False, padding=(0, 1))
        for asset, (state, note) in _states(self.events()).items():
            mark: Any = {"done": Text("✓", "green"), "failed": Text("✗", "red"), "running": self.spinner}[state]
            rows.add_row(mark, asset, plain(note, "dim" if state == "done" else ""))
        return Group(Text(f"{self.title}  {time.monotonic() - self.started:.0f} s", "bold"), rows)

    def print_lines(self, stop: threading.Event) -> None:
        n_told, is_last = 0, False
        while not is_last:
            is_last = stop.wait(0.5)
            events = self.events()
            for event in events[n_told:]:
                if line := _line(event):
                    self.console.print(f"{event['ticks'] - self.started:7.1f} s  {line}", markup=False, highlight=False)
            n_told = len(events)


def _states(events: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Asset -> (running, done or failed; what there is to say)."""
    states: dict[str, tuple[str, str]] = {}
    started: dict[str, float] = {}
    for event in events:
        asset = event.get("asset") or _candidate_of(event)
        if event["event"] == "asset_started":
            started[asset], states[asset] = event["ticks"], ("running", "")
        elif event["event"] == "asset_finished":
            note = states[asset][1]
            states[asset] = ("done", f"{event['ticks'] - started[asset]:.1f} s  {note}")
        elif event["event"] == "asset_failed":
            states[asset] = ("failed", event["reason"])
        elif event["event"] in ("trial", "progress"):
            states[asset] = ("running", _line(event))
    return states


def _counted(event: dict[str, Any]) -> str:
    if event["event"] == "groups_changed":
        return f"{event['n_changed']} of {event['n_groups']} groups changed"
    return f"{event['asset']}: {event['n_done']} of {event['n_groups']} groups" if event["n_groups"] > 1 else ""


def _candidate_of(event: dict[str, Any]) -> str:
    name = event.get("candidate") or event.get("trial", "").rpartition("_")[0]
    return f"candidate_{name}"


def _line(event: dict[str, Any]) -> str:
    match event["event"]:
        case "asset_started" if not event["asset"].startswith("candidate_"):
            return event["asset"]
        case "candidate_started":
            return f"candidate_{event['candidate']}, up to {event['seconds']:.0f} s"
        case "trial":
            found = f"{event['score']:.5f}" if event["score"] is not None else f"failed: {event['reason']}"
            return f"{event['trial']}: {found}"
        case "progress" | "groups_changed":
            return _counted(event)
        case "asset_failed" | "group_lost":
            of = f" of {event['group']}" if "group" in event else ""
            return f"{event['asset']}{of} failed: {event['reason']}"
    return ""
