"""`automl predict` on more rows than it holds at once: as much memory for many as for few, and the same answers."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

AUTOML = Path(sys.executable).with_name("automl")
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""
MOST_GROWTH = 120  # megabytes; the larger file alone has more than that as text cells


def _predicted(folder: Path, rows: pl.DataFrame) -> tuple[int, Path]:
    """Megabytes at the peak, and the file of predictions."""
    data, out = folder / f"{rows.height}.csv", folder / f"{rows.height}_out.parquet"
    rows.write_csv(data)
    command = [AUTOML, "predict", "flowers", data, "-o", out, "--home", folder / "home"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, command)], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout), out


@pytest.mark.slow
def test_memory_does_not_grow_with_rows(scripted: Path) -> None:
    few = pl.read_csv(scripted / "unlabelled.csv", try_parse_dates=True)
    notes = [
        pl.concat_str(pl.lit("a longer note of no use, number "), pl.int_range(pl.len())).alias(f"note_{i}")
        for i in range(6)
    ]
    peaks, tables = [], []
    for n_rows in (20_000, 400_000):
        rows = pl.concat([few] * (n_rows // few.height + 1)).head(n_rows).with_columns(notes)
        peak, out = _predicted(scripted, rows)
        peaks.append(peak)
        tables.append(pl.read_parquet(out, columns=["prediction", "probability_yes"]))
    assert peaks[1] - peaks[0] < MOST_GROWTH
    assert [table.height for table in tables] == [20_000, 400_000]
    expected = pl.read_csv(scripted / "predicted.csv")
    for table in tables:
        assert table["prediction"].head(12).to_list() == table["prediction"][-(table.height % 12 + 12) :][:12].to_list()
        assert table["prediction"].head(12).equals(expected["prediction"])
        assert table["probability_yes"].head(12).to_list() == pytest.approx(
            expected["probability_yes"].to_list(), abs=1e-4
        )
