"""What the featurizer learns, and that its ONNX graph computes the same from raw columns, whatever they hold."""

from datetime import date, datetime

import numpy as np
import onnxruntime
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.data.typing import as_moments, seconds_since_1970
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.features.featurizer import (
    CLIP,
    MAX_LEVELS,
    MAX_ONE_HOT,
    Featurizer,
    bucket,
    densify,
    encode,
    fit_featurizer,
)
from automl_assets.features.featurizer_onnx import add_codes, add_dense, input_types
from automl_assets.features.tfidf import MAX_TEXT_COLUMNS
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.session import feed
from automl_assets.records import Kind

NAMES = [f"word{i}" for i in range(120)]
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


@pytest.mark.parametrize(
    "known", [1_767_225_600 + np.arange(1_508) * 2.0, 1e13 + np.arange(868) * 7.0], ids=["moments", "ids"]
)
def test_large_numbers_stay_apart(known: np.ndarray) -> None:
    """float32 alone keeps 29 and 6 of them."""
    featurizer = _fitted("numeric", known.tolist())
    codes = encode(featurizer, pl.DataFrame({"c": known}))
    assert len(np.unique(known.astype(np.float32))) < 30
    np.testing.assert_array_equal(codes[:, 0], known - np.sort(known)[(len(known) - 1) // 2])
    _check_parity(featurizer, pl.DataFrame({"c": [*known.tolist(), None, np.inf, 1e300]}))


def test_large_numbers_are_filled_as_asked() -> None:
    known = [1_767_225_600.0 + i for i in range(100)]
    table = pl.DataFrame({"c": [*known, None]})
    featurizer = fit_featurizer(table, {"c": "numeric"}, Wishes(imputers={"c": ("constant", known[50])}))
    codes = encode(featurizer, table)
    assert codes[-1].tolist() == [codes[50, 0], 1.0]
    assert featurizer.columns[0].transformation == "number less 1767225649, missing is 1.76723e+09"
    _check_parity(featurizer, table)


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
    assert encode(featurizer, table)[:, 1].tolist() == [1.0] * 300 + [0.0] * 100
    assert encode(featurizer, table)[[0, -1], 0].tolist() == [np.float32(1 / 400), 0.25]
    _check_parity(featurizer, pl.DataFrame({"category": [*texts, "unseen", None, "", " "]}))


def test_onnx_equals_python_where_nothing_is_known() -> None:
    known = pl.DataFrame({"number": [None], "moment": [None], "category": [None]}).cast(
        {"number": pl.Float64, "moment": pl.Date, "category": pl.String}
    )
    new = pl.DataFrame({"number": [2.5], "moment": [date(2024, 2, 29)], "category": ["a"]})
    _check_parity(fit_featurizer(known, KINDS), new)


# --- what is learnt ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learnt", [[7, 8, 8], [7.0, 8.0, 8.0, None], ["7", "8", "8"], ["7.0", "8.0", "8.0"]], ids=str)
@pytest.mark.parametrize("wide", [False, True], ids=["few", "many"])
def test_a_whole_number_is_one_category_however_it_is_spelled(learnt: list, wide: bool) -> None:
    """A gap in its column makes 7.0 of a 7, on the way through pandas or JSON."""
    known = learnt * 3 + ([type(learnt[0])(f"{i}") for i in range(100, 400)] if wide else [])
    featurizer = _fitted("categorical", known)
    for asked in ([7, 8], [7.0, 8.0, None], ["7", "8"], ["7.0", "8.0"]):
        rows = pl.DataFrame({"c": asked})
        assert encode(featurizer, rows)[:2, -1].tolist() == [1.0, 0.0]
        assert encode(featurizer, rows)[0, 0] == encode(featurizer, pl.DataFrame({"c": learnt}))[0, 0]
        _check_parity(featurizer, rows)


def test_a_truth_is_one_category_however_it_is_spelled() -> None:
    featurizer = _fitted("categorical", [True, True, False])
    assert encode(featurizer, pl.DataFrame({"c": ["True", "False", "true"]}))[:, 0].tolist() == [0.0, 1.0, 0.0]


def test_spellings_that_are_told_apart_stay_apart() -> None:
    """Versions, say."""
    featurizer = _fitted("categorical", ["1", "1", "1.0", "1.10"])
    assert encode(featurizer, pl.DataFrame({"c": ["1", "1.0", "1.10", "1.1"]}))[:3, 0].tolist() == [0.0, 1.0, 2.0]


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
        "quarter": [1, 4],
        "week_of_year": [9, 1],
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


MANY = [f"{i:03}" for i in range(MAX_LEVELS + 50)] * 2 + ["once"]


def test_categories_beyond_the_limit_share_buckets() -> None:
    featurizer = _fitted("categorical", MANY)
    levels = featurizer.categories[0]
    assert (len(levels.values), len(levels.hashed), levels.n_buckets, levels.has_other) == (MAX_LEVELS, 50, 16, True)
    table = pl.DataFrame({"c": [*MANY, "unseen", None]})
    codes = encode(featurizer, table)[:, -1]
    assert codes[: MAX_LEVELS + 50].tolist() == [
        *range(MAX_LEVELS),
        *(MAX_LEVELS + bucket(v, 16) for v in levels.hashed),
    ]
    assert codes[-3:-1].tolist() == [MAX_LEVELS + 16] * 2
    assert {code for _, code in featurizer.dense.one_hot} == {*range(MAX_ONE_HOT), *range(MAX_LEVELS, MAX_LEVELS + 16)}
    _check_parity(featurizer, table)


def test_categories_beyond_the_limit_are_taken_together_when_hashing_is_blocked() -> None:
    wishes = Wishes(blocked=frozenset({"hash_one_hot_encoder", "frequency_encoder", "one_hot_encoder"}))
    featurizer = fit_featurizer(pl.DataFrame({"c": MANY}), {"c": "categorical"}, wishes)
    assert (featurizer.categories[0].n_codes, featurizer.frequencies) == (MAX_LEVELS + 1, ())
    assert featurizer.dense.one_hot == ()
    assert len(featurizer.columns) == 1


# --- texts -------------------------------------------------------------------------------------------------------

NOTES = ["The red fox, quick", "the RED dog", "A quick red fox", "the dog sleeps", None, "", "fox  fox fox"] * 3
words = st.sampled_from(
    ["the", "The", "RED", "fox", "dog", "grün", "İ", "ǅ", "日本", "🦋", "’", "-", "\u2003", "\t", "ß", "x"]
)
notes = st.lists(words, max_size=6).map(" ".join) | st.text(letters, max_size=8) | st.none()


@settings(max_examples=60, deadline=None)
@given(
    known=st.lists(notes, min_size=1, max_size=15), new=st.lists(notes, min_size=1, max_size=15), japanese=st.booleans()
)
def test_texts_are_the_same_in_onnx(known: list, new: list, japanese: bool) -> None:
    table = pl.DataFrame({"c": pl.Series(known * 3, dtype=pl.String)})
    featurizer = fit_featurizer(table, {"c": "text"}, Wishes(language="jpn" if japanese else None))
    _check_parity(featurizer, pl.DataFrame({"c": pl.Series(known + new, dtype=pl.String)}))


def test_texts_are_the_same_in_onnx_when_no_row_has_a_word() -> None:
    _check_parity(_fitted("text", NOTES), pl.DataFrame({"c": pl.Series([None, "", " , "], dtype=pl.String)}))


def test_terms_of_a_text() -> None:
    """Terms go by length, then by rows; case and punctuation do not matter; a term of every row tells nothing."""
    featurizer = _fitted("text", NOTES)
    text = featurizer.texts[0]
    assert text.names[:3] == ("fox", "red", "the")
    assert set(text.names) >= {"red fox", "fox fox", "a quick red"}
    found = encode(featurizer, pl.DataFrame({"c": ["Dog. (ReD) dog!", "unheard of", None]}))
    places = {name: found[0, text.names.index(name)] for name in ("dog", "red", "fox")}
    twice, once = (1 + np.log(2)) * text.weights[text.names.index("dog")], 0.0  # "ReD" is no spelling anybody used
    assert places == {"dog": pytest.approx(twice / np.hypot(twice, once)), "red": 0.0, "fox": 0.0}
    assert found[:, text.n_columns - 1].tolist() == [3, 2, 0]


def test_tf_idf_is_what_scikit_learn_computes() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = [note for note in NOTES if note]
    featurizer = _fitted("text", known)
    names = featurizer.texts[0].names
    vectorizer = TfidfVectorizer(
        vocabulary=names, ngram_range=(1, 3), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"
    ).fit(known)
    expected = vectorizer.transform(known).toarray()
    np.testing.assert_allclose(encode(featurizer, pl.DataFrame({"c": known}))[:, : len(names)], expected, atol=1e-6)


def test_a_text_that_repeats_is_a_category_as_well() -> None:
    assert _fitted("text", NOTES).categories[0].values[0] == "A quick red fox"
    assert _fitted("text", [f"note {i} of many" for i in range(30)]).categories == ()


def test_terms_are_bounded_over_all_texts() -> None:
    random = np.random.default_rng(0)
    table = pl.DataFrame(
        {f"t{i}": [" ".join(random.choice(NAMES, 6)) for _ in range(200)] for i in range(4)},
        schema=dict.fromkeys(["t0", "t1", "t2", "t3"], pl.String),
    )
    featurizer = fit_featurizer(table, dict.fromkeys(table.columns, "text"))
    assert [len(text.terms) for text in featurizer.texts] == [MAX_TEXT_COLUMNS // 4] * 4
    assert featurizer.n_terms == {0: 75, 76: 75, 152: 75, 228: 75}
    few = fit_featurizer(table, dict.fromkeys(table.columns, "text"), Wishes(max_terms=5, max_length=1))
    assert [len(text.terms) for text in few.texts] == [5] * 4


def test_stop_words_go_where_scikit_learn_has_them() -> None:
    names = {
        language: fit_featurizer(pl.DataFrame({"c": NOTES}), {"c": "text"}, Wishes(language=language)).texts[0].names
        for language in ("eng", "deu")
    }
    assert "the" in names["deu"]
    assert not any("the" in name.split() for name in names["eng"])


def test_languages_without_spaces_are_split_by_character() -> None:
    table = pl.DataFrame({"c": ["日本語", "日本", "中国", "本"] * 3})
    names = fit_featurizer(table, {"c": "text"}, Wishes(language="jpn")).texts[0].names
    assert names[:2] == ("本", "日")
    assert "日 本" in names


def test_terms_share_one_scale_in_the_dense_view() -> None:
    featurizer = _fitted("text", NOTES)
    n_terms = len(featurizer.texts[0].terms)
    assert set(featurizer.dense.means[:n_terms]) == {0.0}
    assert len(set(featurizer.dense.scales[:n_terms])) == 1


# --- imputers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "value", "filled"),
    [("mean", None, 4), ("median", None, 2), ("most_frequent", None, 1), ("constant", -7, -7)],
)
def test_numbers_are_filled_as_asked_and_marked(strategy, value, filled) -> None:
    table = pl.DataFrame({"a": [1.0, 2.0, 3.0], "n": [1.0, 1.0, 3.0]}).vstack(
        pl.DataFrame({"a": [1.0, None], "n": [11.0, None]})
    )
    featurizer = fit_featurizer(
        table, dict.fromkeys(table.columns, "numeric"), Wishes(imputers={"n": (strategy, value)})
    )
    if strategy == "median":
        table = table.with_columns(n=pl.Series([1.0, 1.0, 3.0, 11.0, None]))
    codes = encode(featurizer, table)
    assert codes[:, 2].tolist() == [0, 0, 0, 0, 1]
    assert (codes[4, 1], np.isnan(codes[4, 0])) == (filled, True)
    assert [column.name for column in featurizer.columns] == ["a", "n", "n_was_missing"]
    _check_parity(featurizer, table)


@pytest.mark.parametrize(
    ("wish", "code"), [(("most_frequent", None), 0), (("constant", "v"), 1), (("constant", "?"), np.nan)]
)
def test_categories_are_filled_as_asked(wish, code) -> None:
    table = pl.DataFrame({"c": ["u", "u", "v", None, ""]})
    featurizer = fit_featurizer(table, {"c": "categorical"}, Wishes(imputers={"c": wish}))
    np.testing.assert_array_equal(encode(featurizer, table)[3:, 0], [code, code])
    _check_parity(featurizer, table)


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
