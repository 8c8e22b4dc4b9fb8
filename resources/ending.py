"""What the end of a run takes: from the ensemble to the last file, on this machine and for this table.

Measured as the run goes: how long Dagster takes between two assets tells how busy the machine is, and the steps before the
search how large the table is. Not here: the run's limit, and who gets how much of it (`clock`).
"""

from collections.abc import Collection, Iterable
from statistics import median
from typing import Any

GAP_SECONDS = 0.1  # between two assets on a quiet machine of two cores
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
PREPARING = {"dataset", "profile", "split", "features"}
TABLE_SHARE = 0.5  # of what preparing the table took, once more: it is read, answered and explained


def slowness(events: Iterable[dict[str, Any]]) -> float:
    """How many times as long as on a quiet machine things take.

    >>> told = [{"event": f"asset_{what}", "asset": "a", "ticks": ticks}
    ...         for what, ticks in (("finished", 1.0), ("started", 1.3), ("finished", 2.0), ("started", 2.5))]
    >>> round(slowness(told), 1), slowness([])
    (4.0, 1.0)
    """
    gaps, ended = [], None
    for event in events:
        if event["event"] == "asset_started" and ended is not None:
            gaps.append(event["ticks"] - ended)
        ended = event["ticks"] if event["event"] == "asset_finished" else None
    found = [gap for gap in gaps if gap >= 0]  # not across a new start of the machine
    return min(MOST_SLOWNESS, max(1.0, median(found) / GAP_SECONDS)) if found else 1.0


def table_seconds(seconds_per_asset: dict[str, float]) -> float:
    """What the table itself will take once more."""
    return TABLE_SHARE * sum(seconds for asset, seconds in seconds_per_asset.items() if asset in PREPARING)


def needed(done: Collection[str], made: Collection[str], slow: float) -> float:
    """Seconds for all that the run cannot do without, of the assets that are `made` in it and are not `done`."""
    return slow * sum(seconds for asset, seconds in NEEDED.items() if asset in made and asset not in done)
