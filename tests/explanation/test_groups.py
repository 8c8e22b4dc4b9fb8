"""Every row is in one group, the names are told apart, and they say what is inside."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from automl_assets.explanation.groups import grouped

COLUMNS = {
    "ties": [5] * 90 + [6, 7, 8, 9, None],
    "ties_at_the_top": [1, 2, 3, 4] + [9] * 90,
    "close": [1000.0001 + i * 1e-7 for i in range(95)],
    "huge": [(-1.0) ** i * 10.0**i for i in range(95)],
    "texts": ["(missing)", "(others)", None, "a", "b", "c", "d", "e"] * 10,
    "nothing": [None] * 20,
    "days": [date(2024, 1, 1 + i % 31) for i in range(95)],
    "flags": [True, False, None] * 10,
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("most", [2, 4])
def test_names_are_told_apart_and_hold_every_row(values: list, most: int) -> None:
    found = grouped(pl.Series(values), most)
    assert len(set(found.names)) == len(found.names) <= most + 2
    assert len(found.codes) == len(values)
    assert set(found.codes) == set(range(len(found.names)))


def test_a_whole_number_lies_in_the_range_that_names_it() -> None:
    values = np.random.default_rng(0).integers(18, 90, 500)
    found = grouped(pl.Series(values), 4)
    assert len(found.names) == 4
    for code, name in list(enumerate(found.names))[1:-1]:
        low, high = map(int, name.split(" to "))
        inside = values[found.codes == code]
        assert (inside.min(), inside.max()) == (low, high)


def test_missing_values_are_a_group_and_rare_texts_another() -> None:
    found = grouped(pl.Series(["a", "a", "b", "b", "b", None, "z"]), 2)
    assert found.names == ("b", "a", "(others)", "(missing)")
    assert found.codes.tolist() == [1, 1, 0, 0, 0, 3, 2]
