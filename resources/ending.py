"""What the end of a run takes: from the ensemble to the last file, on this machine and for this table.

Measured as the run goes, by the steps before the search: how much longer they took than the processor was at work for them
tells how busy the machine is, and how long they took how large the table is. Not here: the run's limit, and who gets how
much of it (`clock`).
"""

from collections.abc import Collection, Iterable
from typing import Any

MOST_SLOWNESS = 12.0
# Seconds on a quiet machine, for a small table. What a run cannot do without:
NEEDED = {
    "leaderboard": 4.0,
    "ensemble": 0.7,
    "evaluation": 1.5,
    "onnx_model": 0.7,
    "registered_model": 2.0,
    "report": 0.7,
}
# and what is left out where there is no time for it:
OPTIONAL = {"pictures": 1.5, "explanation": 1.5, "error_analysis": 1.0, "fairness": 1.0, "training_code": 2.0}
COMPUTING = {"profile", "split", "features"}  # steps that wait for nothing but the processor
PREPARING = {"dataset", *COMPUTING}
TABLE_SHARE = 0.5  # of what preparing the table took, once more: it is read, answered and explained


def slowness(events: Iterable[dict[str, Any]]) -> float:
    """How many times as long as on a quiet machine things take.

    >>> slowness([{"event": "asset_finished", "asset": "split", "seconds": 3.0, "cpu_seconds": 0.75}]), slowness([])
    (4.0, 1.0)
    """
    told = (event for event in events if event["event"] == "asset_finished" and event["asset"] in COMPUTING)
    ended = [event for event in told if "cpu_seconds" in event]  # what an earlier version began says none
    seconds, cpu_seconds = (sum(event[name] for event in ended) for name in ("seconds", "cpu_seconds"))
    return min(MOST_SLOWNESS, max(1.0, seconds / cpu_seconds)) if cpu_seconds > 0 else 1.0


def table_seconds(seconds_per_asset: dict[str, float]) -> float:
    """What the table itself will take once more."""
    return TABLE_SHARE * sum(seconds for asset, seconds in seconds_per_asset.items() if asset in PREPARING)


def needed(done: Collection[str], made: Collection[str], slow: float) -> float:
    """Seconds for all that the run cannot do without, of the assets that are `made` in it and are not `done`."""
    return slow * sum(seconds for asset, seconds in NEEDED.items() if asset in made and asset not in done)
