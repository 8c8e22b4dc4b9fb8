"""Rows are known again by their content, however they come."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.data.row_ids import identities, kinds, shuffled

ROWS = pl.DataFrame(
    {
        "number": [1, 2, None, 2],
        "text": ["a", None, "", "a"],
        "day": [date(2024, 1, 1), None, date(2024, 1, 2), date(2024, 1, 2)],
        "flag": [True, False, None, True],
    }
)
KNOWN = [16159140326676408824, 430476873384341583, 2909886099659321513, 3599797780240114964]


def test_they_are_the_same_in_every_version_of_every_library() -> None:
    """Written down once: a registered model keeps those of its rows for years."""
    assert identities(ROWS).tolist() == KNOWN


WRITTEN = {
    "columns in another order": lambda rows: rows.select(reversed(rows.columns)),
    "numbers as fractions": lambda rows: rows.with_columns(pl.col("number").cast(pl.Float64)),
    "gaps as NaN": lambda rows: rows.with_columns(pl.col("number").cast(pl.Float64).fill_null(float("nan"))),
    "days as moments": lambda rows: rows.with_columns(pl.col("day").cast(pl.Datetime("ms"))),
    "flags as numbers": lambda rows: rows.with_columns(pl.col("flag").cast(pl.Int8)),
    "texts as categories": lambda rows: rows.with_columns(pl.col("text").cast(pl.Categorical)),
}


@pytest.mark.parametrize("change", WRITTEN.values(), ids=WRITTEN)
def test_how_values_are_written_makes_no_difference(change) -> None:
    assert kinds(change(ROWS)).items() == kinds(ROWS).items()
    assert identities(change(ROWS)).tolist() == identities(ROWS).tolist()


def test_any_other_value_or_name_makes_one() -> None:
    changed = [ROWS.with_columns(pl.lit(7).alias("number")), ROWS.rename({"text": "words"}), ROWS.drop("flag")]
    assert not any(np.isin(identities(other), identities(ROWS)).any() for other in changed)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["a", "b", None])), min_size=1, max_size=40), st.randoms()
)
def test_order_and_further_rows_make_no_difference(rows: list, random) -> None:
    table = pl.DataFrame(rows, schema={"x": pl.Int64, "y": pl.String}, orient="row")
    order = list(range(len(rows)))
    random.shuffle(order)
    found = identities(table)
    assert len(set(found.tolist())) == len(rows)
    assert set(identities(table[order]).tolist()) == set(found.tolist())
    assert set(identities(table.head(len(rows) // 2)).tolist()) <= set(found.tolist())


def test_every_seed_shuffles_otherwise() -> None:
    rows = identities(pl.DataFrame({"x": np.arange(1000)}))
    orders = [np.argsort(shuffled(rows, seed)) for seed in range(3)]
    assert all(
        abs(np.corrcoef(first, second)[0, 1]) < 0.15
        for first, second in ((orders[0], orders[1]), (orders[1], orders[2]))
    )
    assert (np.argsort(shuffled(rows, 0)) == orders[0]).all()
