"""What the asset `split` shows of rows that nobody can answer."""

from pathlib import Path

import polars as pl
import pytest

from automl_assets.assets.split import _unseen
from automl_assets.steps.load import load
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["a", "c", None, "b", "c", "d"], {"n_test_of_unseen_classes": 3, "unseen_classes": "c, d"}),
        (["a", "b", None], {}),
    ],
)
def test_test_rows_of_unseen_classes_are_counted(ask, tmp_path: Path, labels: list, shown: dict) -> None:
    rows = pl.DataFrame({"x": range(40), "y": ["a", "b"] * 20})
    pl.DataFrame({"x": range(len(labels)), "y": labels}).write_parquet(tmp_path / "test.parquet")
    experiment = ask(rows, test=str(tmp_path / "test.parquet"))
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    divided = split_rows(dataset, profile, experiment)
    assert divided.is_test.sum() == sum(label in ("a", "b") for label in labels)
    assert _unseen(divided, dataset, experiment) == shown
