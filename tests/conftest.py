"""What every test may rely on: the data folder, a home of its own, and rows so few that a run takes seconds."""

import csv
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

from automl_assets.experiment.experiment import Experiment, parse
from tests.cpu_seconds import CpuSeconds
from tests.homes import bare_home, dagster_home, home, mlflow_home, new_home
from tests.learned import answered, learned
from tests.services import bucket, database, postgres, postgres_server, redis, s3

DATA = Path(__file__).parents[2] / "shared" / "data"

if "AUTOML_DATA" not in os.environ and DATA.is_dir():
    os.environ["AUTOML_DATA"] = str(DATA)

# The halves of `make test` share the cores: threads that wait for threads which get none spin, for minutes on end. Whoever
# asks for more threads by name gets them.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})  # of what is loaded later, and of processes
threadpool_limits(1)

# The same examples at every run of `make test`; `make test-all` looks for others.
settings.register_profile("repeatable", derandomize=True)

Ask = Callable[..., Experiment]

__all__ = [  # fixtures for every test
    "answered",
    "bare_home",
    "bucket",
    "dagster_home",
    "database",
    "home",
    "learned",
    "mlflow_home",
    "new_home",
    "postgres",
    "postgres_server",
    "redis",
    "s3",
]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CpuSeconds(), "cpu_seconds")


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Writes rows to a Parquet file and asks for its column `y`, with such settings as are given."""

    def make(table: pl.DataFrame, task: str = "classification", **settings: Any) -> Experiment:
        table.write_parquet(tmp_path / "rows.parquet")
        given = {"task": task, "source": str(tmp_path / "rows.parquet"), "target": "y"}
        return parse(given | settings, "asked")

    return make


os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"

N_ROWS = 120
TINY = """\
task: {task}
source: tiny.csv
target: {target}
drop_columns: [{other}, weight]
validation: {{folds: 2}}
algorithms: [{algorithm}]
limits: {{timeout_minutes: 4}}
"""
CLASSIFICATION = {"task": "classification", "target": "answer", "other": "bill", "algorithm": "logistic_regression"}
REGRESSION = {"task": "regression", "target": "bill", "other": "answer", "algorithm": "elastic_net"}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Path]:
    """`tiny(folder, name, task, more)` writes an experiment of 120 rows that takes seconds, and gives its YAML."""
    return _write_experiment


SCRIPT = """\
import automl_assets
import pandas as pd

result = automl_assets.run("flowers.yaml", home="home")
print("made once")
result.predict(pd.read_csv("unlabelled.csv")).to_csv("predicted.csv", index=False)
with open("result.html", "w") as file:
    file.write(result._repr_html_())
"""


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a script without `if __name__ == "__main__"` has answered an experiment with everything."""
    folder = tmp_path_factory.mktemp("scripted")
    _write_experiment(folder, "flowers", more="predict_source: unlabelled.csv\nsensitive_columns: [colour]\n")
    (folder / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "output").write_text(done.stdout)
    return folder


def _write_experiment(folder: Path, name: str = "tiny", task: str = "classification", more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _write_rows(folder)
    path = folder / f"{name}.yaml"
    path.write_text(TINY.format(**(CLASSIFICATION if task == "classification" else REGRESSION)) + more)
    return path


def _write_rows(folder: Path) -> None:
    """`tiny.csv`: numbers and texts with gaps, dates, a weight and both kinds of target; `unlabelled.csv` beside it."""
    chance = random.Random(0)
    rows = [_row(i, chance) for i in range(N_ROWS)]
    _write(folder / "tiny.csv", rows)
    _write(folder / "unlabelled.csv", [{k: v for k, v in r.items() if k not in ("bill", "answer")} for r in rows[:12]])


def _row(i: int, chance: random.Random) -> dict[str, object]:
    size, colour = chance.gauss(0, 1), chance.choice(["red", "green", "blue"])
    bill = 10 + 3 * size + (2 if colour == "red" else 0) + chance.gauss(0, 0.3)
    return {
        "size": f"{size:.4f}" if i % 9 else "",
        "colour": colour if i % 13 else "",
        "bought": f"2024-01-{1 + i % 28:02d}",
        "pieces": 1 + i % 7,
        "weight": 1 + i % 3,
        "bill": f"{bill:.3f}",
        "answer": "yes" if bill > 10.5 else "no",
    }


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
