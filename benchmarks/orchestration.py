"""Seconds of a run's wall time that are not learning, under each executor. Bar: wall <= 1.1 x learning + 5 s.

The rest is what other assets take (ensemble, evaluation, explanation, export…), and the orchestration itself: start,
events, storage, step processes.

python benchmarks/orchestration.py [repeats]
"""

import sys
import tempfile
from typing import Any

import numpy as np
from runs import learning_seconds, run

SETTINGS = {
    "task": "classification",
    "source": {"kind": "sklearn", "name": "breast_cancer"},
    "target": "target",
    "metric": "AUC_weighted",
}
MINUTES = 1.0


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("| executor | wall s | candidates s | other assets s | orchestration s | wall / (1.1 x candidates + 5) |")
    print("|---|---|---|---|---|---|")
    for executor in ("in_process", "forkserver", "spawn"):
        with tempfile.TemporaryDirectory() as home:
            results = [run("overhead", SETTINGS, MINUTES, home, executor) for _ in range(repeats)]
        side_by_side = 1 if executor == "in_process" else 2
        rows = np.array([_seconds(result, side_by_side) for result in results])
        wall, learning, other = np.median(rows, axis=0)
        bar = np.median(rows[:, 0] / (1.1 * rows[:, 1] + 5))
        cells = [f"{s:.1f}" for s in (wall, learning, other, wall - learning - other)]
        print(f"| {executor} | {' | '.join(cells)} | {bar:.2f} |", flush=True)


def _seconds(result: dict[str, Any], side_by_side: int) -> tuple[float, float, float]:
    """Wall, candidates, other assets; what ran side by side counts by its share."""
    learning, every = learning_seconds(result), sum(result["seconds_per_asset"].values())
    return result["wall_seconds"], learning / side_by_side, (every - learning) / side_by_side


if __name__ == "__main__":
    main()
