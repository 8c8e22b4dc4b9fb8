"""How a forecasting run grows with its groups: seconds, memory, and bytes left behind, each group one series of 60 months.

Two cheap forecasters learn, so that what is seen is the road and not the learning. No step of the curve should be worse
than linear. Above `partition_limit` groups share partitions. With AUTOML_DATABASE in the environment what Dagster and
MLflow note goes to PostgreSQL.

python benchmarks/growth.py [groups ...]
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from runs import run
from sqlalchemy import NullPool, create_engine, text

GROUPS = (10, 100, 1_000, 10_000)
MONTHS = 60
MINUTES = 30.0
SETTINGS = {
    "task": "forecasting",
    "target": "sold",
    "time_column": "month",
    "test": 0.1,
    "algorithms": ["theta"],
    "forecasting": {"series_id_columns": "shop", "partition_by": "shop", "horizon": 6, "frequency": "MS"},
}


def main() -> None:
    print("| groups | partitions | wall s | s per group | peak MB | event log MB | artifacts MB |\n|" + "---|" * 7)
    for n_groups in map(int, sys.argv[1:] or GROUPS):
        with tempfile.TemporaryDirectory() as folder:
            source, home = Path(folder) / "sales.parquet", Path(folder) / "home"
            _sales(n_groups).write_parquet(source)
            before = _noted(home)
            found = run("growth", {**SETTINGS, "source": str(source)}, MINUTES, str(home))
            seconds, n_partitions = found["wall_seconds"], len(found["groups"])
            left = [_noted(home) - before, _megabytes(home / "artifacts")]
        cells = [f"{seconds:.0f}", f"{seconds / n_groups:.3f}", f"{found['peak_megabytes']:.0f}"]
        print(f"| {n_groups} | {n_partitions} | {' | '.join(cells + [f'{size:.1f}' for size in left])} |", flush=True)


def _sales(n_groups: int) -> pl.DataFrame:
    """Trend, season and noise of each shop."""
    random = np.random.default_rng(0)
    months = pl.datetime_range(pl.datetime(2019, 1, 1), pl.datetime(2023, 12, 1), "1mo", eager=True)
    season = 10 * np.sin(2 * np.pi * np.arange(MONTHS) / 12)
    sold = (
        100
        + random.normal(0, 0.5, (n_groups, 1)) * np.arange(MONTHS)
        + season
        + random.normal(0, 3, (n_groups, MONTHS))
    )
    shops = np.repeat([f"shop_{i}" for i in range(n_groups)], MONTHS)
    return pl.DataFrame({"shop": shops, "month": pl.concat([months] * n_groups), "sold": sold.ravel()})


def _noted(home: Path) -> float:
    """Megabytes of Dagster's events in the home, or of the whole database."""
    url = os.environ.get("AUTOML_DATABASE")
    if not url:
        return _megabytes(home / "history")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return float(connection.execute(text("select pg_database_size(current_database())")).scalar_one()) / 1e6


def _megabytes(folder: Path) -> float:
    """What the files of a folder take on the disk."""
    sizes = [os.stat(file).st_blocks * 512 for file in folder.rglob("*") if file.is_file()]
    return sum(sizes) / 1e6


if __name__ == "__main__":
    main()
