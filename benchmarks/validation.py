"""The `auto` rule of validation against Azure's, side by side: which models predict test rows better?

The rule is chosen on the validation rows of `bank_marketing` and on other splits of training files: test files of the
suite take no part. Every table's training file is divided anew, 80 to 20, with each seed.
python benchmarks/validation.py [minutes] [name ...]
"""

import statistics
import sys
import tempfile

from runs import TABULAR, experiment, run

SEEDS = (1, 2)
SMALL = ("credit_g", "car", "segment", "abalone", "ames_housing", "california_housing")


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    names = sys.argv[2:] or SMALL
    print("| data | metric | azure | auto |\n|---|---|---|---|")
    for name in names:
        metric = TABULAR[name]["metric"]
        found = {
            rule: statistics.mean(_score(name, rule, seed, minutes, metric) for seed in SEEDS)
            for rule in ("azure", "auto")
        }
        print(f"| {name} | {metric} | {found['azure']:.5g} | {found['auto']:.5g} |", flush=True)


def _score(name: str, rule: str, seed: int, minutes: float, metric: str) -> float:
    settings = {**experiment(name, validation=rule, seed=seed), "test": 0.2}
    with tempfile.TemporaryDirectory() as home:
        return run(name, settings, minutes, home)["test_metrics"][metric]


if __name__ == "__main__":
    main()
