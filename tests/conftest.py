"""What every test may rely on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automl_assets.experiment import Experiment, parse

DATA = Path(__file__).parents[2] / "shared" / "data"

if "AUTOML_DATA" not in os.environ and DATA.is_dir():
    os.environ["AUTOML_DATA"] = str(DATA)

Ask = Callable[..., Experiment]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Writes rows to a Parquet file and asks for its column `y`, with such settings as are given."""

    def make(table: pl.DataFrame, task: str = "classification", **settings: Any) -> Experiment:
        table.write_parquet(tmp_path / "rows.parquet")
        given = {"task": task, "source": str(tmp_path / "rows.parquet"), "target": "y"}
        return parse(given | settings, "asked")

    return make
