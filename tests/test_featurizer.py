"""What the featurizer learns, and that its ONNX graph computes the same from raw columns, whatever they hold."""

from datetime import date, datetime

import numpy as np
import onnxruntime
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.featurizer import (
    CLIP,
    MAX_LEVELS,
    Featurizer,
    as_moments,
    densify,
    encode,
    fit_featurizer,
    seconds_since_1970,
)
from automl_assets.featurizer_graph import FLOAT, add_codes, add_dense
from automl_assets.onnx_graph import Graph
from automl_assets.records import Kind
from automl_assets.steps.export import feed, input_types

KINDS: dict[str, Kind] = {"number": "numeric", "moment": "datetime", "category": "categorical"}


def _fitted(kind: Kind, values: list) -> Featurizer:
    return fit_featurizer(pl.DataFrame({"c": values}), {"c": kind})


def _onnx(featurizer: Featurizer, table: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Both views, computed by ONNX Runtime from raw columns."""
    graph = Graph()
    codes = add_codes(graph, featurizer)
    graph.output("codes", codes, FLOAT, [None, None])
    graph.output("dense", add_dense(graph, featurizer, codes), FLOAT, [None, None])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.build().SerializeToString(), options)
    feeds = {name: feed(table[name], kind) for name, kind in input_types(featurizer).items()}
    return tuple(session.run(["codes", "dense"], feeds))


def _check_parity(featurizer: Featurizer, table: pl.DataFrame) -> None:
    codes = encode(featurizer, table)
    found, found_dense = _onnx(featurizer, table)
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_allclose(found_dense, densify(featurizer, codes), atol=1e-6, rtol=1e-6)


# --- the same in ONNX --------------------------------------------------------------------------------------------

numbers = st.floats(width=64) | st.integers(-10, 10) | st.none() | st.sampled_from([1e300, -1e39, 3e38, 1e-45, -0.0])
moments = st.datetimes(datetime(1600, 1, 1), datetime(2400, 12, 31)) | st.none()
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
categories = st.text(letters, max_size=3) | st.sampled_from(["", " ", "red", "grün", "日本", "🦋"]) | st.none()
rows = st.tuples(numbers, moments, categories)


def _table(rows: list[tuple]) -> pl.DataFrame:
    number, moment, category = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "number": pl.Series([None if n is None else float(n) for n in number], dtype=pl.Float64),
            "moment": pl.Series(moment, dtype=pl.Datetime("us")),
            "category": pl.Series(category, dtype=pl.String),
        }
    )


@settings(max_examples=60, deadline=None)
@given(known=st.lists(rows, min_size=1, max_size=12), new=st.lists(rows, min_size=1, max_size=12))
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_onnx_equals_python(known: list[tuple], new: list[tuple]) -> None:
    featurizer = fit_featurizer(_table(known), KINDS)
    _check_parity(featurizer, _table(known + new))


def test_onnx_equals_python_on_every_day_of_leap_and_century_years() -> None:
    days = pl.concat(
        [pl.date_range(date(y, 1, 1), date(y, 12, 31), eager=True) for y in (1599, 1900, 1970, 2000, 2024)]
    )
    table = pl.DataFrame({"moment": days})
    _check_parity(fit_featurizer(table, {"moment": "datetime"}), table)


def test_onnx_equals_python_above_many_rare_categories() -> None:
    texts = [f"rare {i}" for i in range(300)] + ["often"] * 100
    table = pl.DataFrame({"category": texts})
    featurizer = fit_featurizer(table, {"category": "categorical"})
    assert featurizer.categories[0].values == ("often",)
    assert encode(featurizer, table).ravel().tolist() == [1.0] * 300 + [0.0] * 100
    _check_parity(featurizer, pl.DataFrame({"category": [*texts, "unseen", None, "", " "]}))


def test_onnx_equals_python_where_nothing_is_known() -> None:
    known = pl.DataFrame({"number": [None], "moment": [None], "category": [None]}).cast(
        {"number": pl.Float64, "moment": pl.Date, "category": pl.String}
    )
    new = pl.DataFrame({"number": [2.5], "moment": [date(2024, 2, 29)], "category": ["a"]})
    _check_parity(fit_featurizer(known, KINDS), new)


# --- what is learnt ----------------------------------------------------------------------------------------------


def test_parts_of_a_date() -> None:
    """29 February 2024 was a Thursday, the 60th day of its year."""
    values = [datetime(2024, 2, 29, 13, 45, 6), datetime(1969, 12, 31, 23, 59, 59)]
    featurizer = _fitted("datetime", values)
    codes = encode(featurizer, pl.DataFrame({"c": values}))
    found = dict(zip(featurizer.dates[0].parts, codes.T.tolist(), strict=True))
    assert found.pop("days") == pytest.approx([19782.5730, -1 / 86400], abs=1e-2)
    assert found == {
        "year": [2024, 1969],
        "month": [2, 12],
        "day": [29, 31],
        "day_of_week": [3, 2],
        "day_of_year": [60, 365],
        "hour": [13, 23],
        "minute": [45, 59],
        "second": [6, 59],
    }


def test_only_parts_that_vary_are_kept() -> None:
    featurizer = _fitted("datetime", [date(2024, 1, 1), date(2025, 1, 1), None])
    assert featurizer.dates[0].parts == ("days", "year", "day_of_week")
    assert _fitted("datetime", [date(2024, 1, 1), None]).dates[0].parts == ("days",)


def test_moments_in_a_time_zone_are_utc() -> None:
    paris = pl.Series([datetime(2024, 7, 1, 0)]).dt.replace_time_zone("Europe/Paris")
    assert seconds_since_1970(paris)[0] == datetime(2024, 6, 30, 22).timestamp() - datetime(1970, 1, 1).timestamp()


def test_texts_are_read_as_the_dates_they_mostly_are() -> None:
    assert as_moments(pl.Series(["2024-02-29", "soon", None])).to_list() == [datetime(2024, 2, 29), None, None]
    assert as_moments(pl.Series([None, None])).to_list() == [None, None]


def test_infinite_and_huge_numbers_are_missing() -> None:
    codes = encode(_fitted("numeric", [1.0, 2.0]), pl.DataFrame({"c": [float("inf"), float("-inf"), 1e300, None, 2.0]}))
    assert np.isnan(codes[:4, 0]).all()
    assert codes[4, 0] == 2.0


def test_codes_follow_frequency_then_the_alphabet() -> None:
    featurizer = _fitted("categorical", ["b", "c", "a", "c", None, ""])
    assert featurizer.categories[0].values == ("c", "a", "b")
    codes = encode(featurizer, pl.DataFrame({"c": ["a", "b", "c", "unseen", None, " "]}))
    np.testing.assert_array_equal(codes[:, 0], [1, 2, 0, np.nan, np.nan, np.nan])


def test_categories_beyond_the_limit_are_taken_together() -> None:
    levels = _fitted("categorical", [f"{i:03}" for i in range(MAX_LEVELS + 1)] * 2).categories[0]
    assert (len(levels.values), levels.has_other, levels.n_codes) == (MAX_LEVELS, True, MAX_LEVELS + 1)


def test_the_dense_view_is_standardised_marked_and_one_hot() -> None:
    table = pl.DataFrame({"n": [1.0, 3.0, None, 5.0], "two": ["a", "b", "a", "a"], "gap": ["u", "v", None, "u"]})
    featurizer = fit_featurizer(table, {"n": "numeric", "two": "categorical", "gap": "categorical"})
    dense = densify(featurizer, encode(featurizer, table))
    root = np.sqrt(8 / 3)
    assert featurizer.dense.one_hot == ((1, 1), (2, 0), (2, 1), (2, -1))
    np.testing.assert_allclose(dense[:, 0], [-2 / root, 0, 0, 2 / root], rtol=1e-6)
    assert dense[:, 1:].tolist() == [[0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0, 0, 1, 0, 0]]


def test_the_dense_view_has_no_gap_and_no_outlier() -> None:
    featurizer = _fitted("numeric", [1.0, 2.0, 3.0])
    dense = densify(featurizer, encode(featurizer, pl.DataFrame({"c": [None, 1e30, -1e30, 2.0]})))
    assert dense.ravel().tolist() == [0.0, CLIP, -CLIP, 0.0]


@pytest.mark.parametrize("value", [0.0, 1e-44, 3e38, 0.1])
def test_a_constant_does_not_divide_by_nothing(value: float) -> None:
    featurizer = _fitted("numeric", [value] * 7)
    assert densify(featurizer, encode(featurizer, pl.DataFrame({"c": [value]}))).item() == pytest.approx(0, abs=1e-6)


def test_a_spread_too_small_for_float32_does_not_divide_by_nothing() -> None:
    table = pl.DataFrame({"c": [0.0] * 30 + [1.4e-45]})
    featurizer = _fitted("numeric", table["c"].to_list())
    assert np.abs(densify(featurizer, encode(featurizer, table))).max() < 1e-6
    _check_parity(featurizer, table)


def test_ignored_columns_are_left_out() -> None:
    table = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    featurizer = fit_featurizer(table, {"a": "ignored", "b": "numeric"})
    assert featurizer.raw_columns == ("b",)
    assert [column.source for column in featurizer.columns] == ["b"]
