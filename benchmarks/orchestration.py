"""Seconds of a run's wall time that are not learning, under each executor. Bar: wall <= 1.1 x learning + 5 s.

python benchmarks/orchestration.py [repeats]
"""

import statistics
import sys
import tempfile

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
    print("| executor | wall s | candidates s | rest s | wall / (1.1 x candidates + 5) |\n|---|---|---|---|---|")
    for executor in ("in_process", "forkserver", "spawn"):
        with tempfile.TemporaryDirectory() as home:
            results = [run("overhead", SETTINGS, MINUTES, home, executor) for _ in range(repeats)]
        side_by_side = 1 if executor == "in_process" else 2
        walls = [result["wall_seconds"] for result in results]
        learning = [learning_seconds(result) / side_by_side for result in results]
        rest = [wall - learnt for wall, learnt in zip(walls, learning, strict=True)]
        bar = [wall / (1.1 * learnt + 5) for wall, learnt in zip(walls, learning, strict=True)]
        figures = [statistics.median(values) for values in (walls, learning, rest)]
        print(f"| {executor} | " + " | ".join(f"{f:.1f}" for f in figures) + f" | {statistics.median(bar):.2f} |")


if __name__ == "__main__":
    main()
