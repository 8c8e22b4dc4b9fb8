"""Rows that the program reads by itself are those that were learnt from, however stamps and cells are written."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.steps.training_program import prepare_data
from automl_assets.forecasting.steps.write_training_code import _recipe
from automl_assets.records import SOURCE, TEST_FILE
from automl_assets.steps.load import load

N = 8
STAMPS: dict[str, list[Any]] = {
    "quarters": [f"{2020 + n // 4}-Q{n % 4 + 1}" for n in range(N)],
    "years": [2000 + n for n in range(N)],
    "numbers that are days": [20240101 + n for n in range(N)],
    "with an offset": [f"2024-03-31T0{n}:00:00+01:00" for n in range(N)],
}


def tables(stamps: list[Any], n_ahead: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to learn from, and rows for the test, which have whole numbers where the others have fractions and lack a
    column."""
    table = pl.DataFrame(
        {
            "t": stamps,
            "id": ["7"] * (N // 2) + ["8"] * (N // 2),
            "y": [1.5, None, *map(float, range(N - 2))],
            "holiday": [True, False] * (N // 2),
            "past": ["a", " ", "b c", "a"] * (N // 4),
            "note": ["never looked at"] * N,
        }
    )
    return table, table.tail(n_ahead).select("t", "id", pl.col("y").cast(pl.Int64), "holiday")


def experiment_of(folder: Path, stamps: list[Any]) -> Experiment:
    learnt, tested = tables(stamps, 2)
    learnt.write_csv(folder / "rows.csv")
    tested.write_csv(folder / "test.csv")
    settings = {
        "task": "forecasting",
        "source": str(folder / "rows.csv"),
        "test": str(folder / "test.csv"),
        "target": "y",
        "time_column": "t",
        "drop_columns": ["note"],
        "forecasting": {"series_id_columns": ["id"], "horizon": 2},
    }
    return parse(settings, "odd")


def read(experiment: Experiment, mark: int) -> pl.DataFrame:
    """By the code that the program has."""
    setting = experiment.source if mark == SOURCE else experiment.test.source
    assert setting is not None
    lines = "\n".join(f"    {line}" for line in setting.part.code(setting.options).splitlines())
    namespace: dict[str, Any] = {}
    exec(f"import os\nimport polars as pl\n\n\ndef read():\n{lines}", namespace)
    return namespace["read"]()


@pytest.mark.parametrize("stamps", STAMPS.values(), ids=STAMPS)
def test_rows_are_those_learnt_from(stamps: list[Any], tmp_path: Path) -> None:
    experiment = experiment_of(tmp_path, stamps)
    expected = load(experiment)
    found = prepare_data(
        {mark: read(experiment, mark) for mark in (SOURCE, TEST_FILE)}, _recipe(experiment, expected, 2)
    )
    assert found.table.columns == ["t", "id", "y", "holiday", "past"]
    assert (
        found.table.equals(expected.table.drop("note")) and found.table.schema.items() <= expected.table.schema.items()
    )
    assert found.part.tolist() == expected.part.tolist() and found.roles == expected.roles


def test_lacking_columns_are_named(tmp_path: Path) -> None:
    experiment = experiment_of(tmp_path, STAMPS["years"])
    recipe = _recipe(experiment, load(experiment), 2)
    with pytest.raises(DataError, match='the rows have no column "holiday"; they have t, id, y'):
        prepare_data({SOURCE: read(experiment, SOURCE).select("t", "id", "y")}, recipe)
