"""Whatever rows come: series on one grid without a gap, values where the data has them, the test right after."""

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.data.time_grid import grid
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import parse
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.steps import assign_roles
from automl_assets.forecasting.steps.build_groups import build_groups, group_keys
from automl_assets.records import Dataset

FREQUENCIES = ("h", "D", "B", "W-WED", "MS", "QE")


@st.composite
def tables(draw: Any) -> tuple[pl.DataFrame, str]:
    """Rows of one to four series on a grid, some of them missing, empty or written twice, in any order."""
    frequency = draw(st.sampled_from(FREQUENCIES))
    one = grid(frequency)
    start = int(one.numbers(np.array(["2021-01-04"], "datetime64[us]"))[0])
    rows = []
    for name in ["a", "a/b", "ü", ""][: draw(st.integers(1, 4))]:
        places = draw(st.sets(st.integers(0, 40), min_size=1, max_size=30))
        for place in places:
            value = draw(st.one_of(st.none(), st.floats(-1e6, 1e6)))
            rows += [(name, int(start + place), value, float(place))] * draw(st.sampled_from([1, 1, 1, 2]))
    names, numbers, values, prices = zip(*draw(st.permutations(rows)), strict=True)
    stamps = one.stamps(np.array(numbers))
    return pl.DataFrame(
        {"id": names, "t": stamps, "y": pl.Series(values, dtype=pl.Float64), "price": prices}
    ), frequency


def _arranged(table: pl.DataFrame, **changes: Any) -> dict[str, Group | DataError]:
    named = {
        "task": "forecasting",
        "source": "rows.csv",
        "target": "y",
        "time_column": "t",
        "test": changes.pop("test"),
    }
    given_ = {"series_id_columns": "id", "horizon": 2, "known_covariates": "price"}
    experiment = parse(named | {"forecasting": given_ | changes}, "tried")
    dataset = Dataset(table, np.zeros(table.height, np.int8), assign_roles.assign_roles(table, experiment, ()), "0")
    return dict(build_groups(dataset, experiment, group_keys(dataset, experiment)))


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(["none", 0.2]), st.sampled_from(["", "id"]), st.sampled_from(["auto", "keep", "pad"]))
def test_series_are_whole(given_: tuple[pl.DataFrame, str], test: Any, by: str, short_series: str) -> None:
    table, frequency = given_
    written = {(name, stamp): (y, price) for name, stamp, y, price in table.iter_rows()}
    try:
        found = _arranged(table, test=test, partition_by=by or [], short_series=short_series, frequency=frequency)
    except DataError as error:  # by chance all distances are whole multiples
        assert "which is finer than the data's" in str(error)
        return
    groups = [group for group in found.values() if isinstance(group, Group)]
    for group in groups:
        whole = group.panel if group.test is None else group.panel.then(group.test)
        _check_grid(whole, group)
        for number, name in enumerate(whole.names):
            _check_values(whole, number, {key[1]: values for key, values in written.items() if key[0] == name})
    n_valued = table.filter(pl.col("y").is_not_null())["id"].n_unique()
    if short_series != "auto" and groups:
        assert sum(group.panel.n_series for group in groups) == n_valued


def _check_grid(whole: Any, group: Group) -> None:
    one = grid(group.problem.frequency).anchored(whole.stamps)
    numbers = one.numbers(whole.stamps)
    inside = np.diff(np.repeat(np.arange(whole.n_series), whole.lengths)) == 0
    assert (np.diff(numbers)[inside] == 1).all()
    assert one.holds(whole.stamps).all()
    assert (group.panel.lengths > 0).all()
    assert np.isfinite(whole.y).all() and np.isfinite(whole.covariates).all()
    assert len(group.guardrails) == 9


def _check_values(whole: Any, number: int, written: dict[Any, tuple[float | None, float]]) -> None:
    rows = slice(whole.offsets[number], whole.offsets[number + 1])
    last = None
    for stamp, y, is_filled, price in zip(
        whole.stamps[rows].tolist(), whole.y[rows], whole.is_filled[rows], whole.covariates[rows, 0], strict=True
    ):
        value, known_price = written.get(stamp, (None, None))
        assert is_filled == (value is None)
        if value is not None:
            assert y == value and price == np.float32(known_price)
            last = y
        elif last is not None:
            assert y == last
