"""From rows to groups of regular series: keys, tests at the end, and rows as people really bring them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.experiment import Experiment, parse
from automl_assets.series import Group
from automl_assets.steps.forecasting.arrange import arrange, group_keys
from automl_assets.steps.load import load

Ask = Callable[..., dict[str, Group | DataError]]
START = datetime(2024, 1, 1)


def days(n_rows: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(days=day) for day in range(n_rows)]


def experiment_of(folder: Path, table: pl.DataFrame, test: Any, **settings: Any) -> Experiment:
    table.write_parquet(folder / "rows.parquet")
    if isinstance(test, pl.DataFrame):
        test.write_parquet(folder / "test.parquet")
        test = str(folder / "test.parquet")
    top = {key: settings.pop(key) for key in ("featurization", "drop_columns") if key in settings}
    named = {"task": "forecasting", "source": str(folder / "rows.parquet"), "target": "y", "time_column": "t"}
    return parse(named | top | {"test": test, "forecasting": {"horizon": 2} | settings}, "tried")


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def make(table: pl.DataFrame, test: Any = "none", **settings: Any) -> dict[str, Group | DataError]:
        experiment = experiment_of(tmp_path, table, test, **settings)
        dataset = load(experiment)
        return dict(arrange(dataset, experiment, group_keys(dataset, experiment)))

    return make


def only(found: dict[str, Group | DataError]) -> Group:
    (group,) = found.values()
    assert isinstance(group, Group), group
    return group


def guardrail(group: Group, name: str) -> Any:
    return next(one for one in group.guardrails if one.name == name)


def two_shops(n_rows: int = 20) -> pl.DataFrame:
    return pl.DataFrame(
        {"shop": ["a"] * n_rows + ["b"] * n_rows, "t": days(n_rows) * 2, "y": [float(i) for i in range(2 * n_rows)]}
    )


def test_unsorted_rows_become_sorted_series(ask: Ask) -> None:
    shuffled = two_shops().sample(fraction=1.0, shuffle=True, seed=1)
    panel = only(ask(shuffled, series_id_columns="shop")).panel
    assert panel.names == ("a", "b")
    assert panel.y.tolist() == [float(i) for i in range(40)]
    assert panel.stamps[:2].tolist() == days(2)


def test_a_group_for_each_value(ask: Ask) -> None:
    found = ask(two_shops(), series_id_columns="shop", partition_by="shop")
    assert {key: group.values for key, group in found.items()} == {"a": ("a",), "b": ("b",)}
    assert found["b"].panel.y[0] == 20


def test_the_last_rows_of_each_series_are_the_test(ask: Ask) -> None:
    group = only(ask(two_shops(), test=0.2, series_id_columns="shop"))
    assert group.panel.lengths.tolist() == [16, 16]
    assert group.test is not None
    assert group.test.y.tolist() == [16, 17, 18, 19, 36, 37, 38, 39]
    assert (group.test.stamps[0] - group.panel.stamps[15]) == np.timedelta64(1, "D")
