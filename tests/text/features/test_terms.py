"""Python and ONNX cut texts alike and count the same terms, in the scripts of eight languages and whatever else comes."""

import numpy as np
import onnxruntime
import polars as pl
import pytest

from automl_assets.onnx.graph import Graph
from automl_assets.text.features.terms import Terms, fit_terms, term_matrix
from automl_assets.text.features.terms_onnx import add_joined, add_terms
from automl_assets.text.features.tokens import MOST_CHARACTERS, MOST_WORDS, characters, joined_texts, words

LANGUAGES = (
    *(
        "The Straße is LONG, isn't it? STRASSE!",
        "Ceci n'est PAS une pipe ; À BIENTÔT",
        "ÇA VA? ça va, İstanbul ısı ŞEHİR",
    ),
    *(
        "Привет, МИР! Как дела?",
        "مرحبا بالعالم، كيف الحال؟",
        "नमस्ते दुनिया, आप कैसे हैं?",
        "東京タワーはとても高いです。",
        "ไทยแลนด์สวยมาก",
    ),
)
ODD = (
    *(
        "",
        "   ",
        "\0\0",
        "a\0b",
        "😂😂 love 👍🏽",
        "\u202eabc\u202c",
        "e\u0301 é ﬁ",
        "\ufffd Ã©t",
        "tab\tline\nend\r\n",
    ),
    *("x" * (MOST_CHARACTERS + 5), "ab " * (MOST_WORDS + 5), "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
)
TRAINING = pl.Series([*LANGUAGES, *(text.lower() for text in LANGUAGES), *ODD[:8]])


def _onnx(terms: Terms, texts: pl.Series) -> np.ndarray:
    graph = Graph()
    graph.output("y", add_terms(graph, terms, graph.input("text", str, [None, 1])), np.float32, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    return session.run(None, {"text": np.array(texts.to_list(), object)[:, None]})[0]


@pytest.mark.parametrize("unit", ["word", "character"])
def test_onnx_counts_the_same_terms(unit) -> None:
    terms = fit_terms(TRAINING, unit, 5_000)
    new = pl.Series([*(text.upper() for text in LANGUAGES), *(text[::-1] for text in LANGUAGES), *ODD])
    expected = term_matrix(new, terms).toarray()
    assert (expected[:8] > 0).any(axis=1).all()
    for rows in (new[:20], new[20:24]):
        np.testing.assert_allclose(_onnx(terms, rows), term_matrix(rows, terms).toarray(), atol=1e-6)
    np.testing.assert_allclose(_onnx(terms, new), expected, atol=1e-6)


def test_terms_are_those_of_a_person_who_counts() -> None:
    texts = pl.Series(["Red car", "red CAR", "blue car"])
    terms = fit_terms(texts, "word", 100)
    assert set(terms.names) == {"red", "car", "blue", "red car", "blue car"}
    weights = dict(zip(terms.names, term_matrix(pl.Series(["red red bus"]), terms).toarray()[0], strict=True))
    assert {name for name, weight in weights.items() if weight} == {"red"}
    assert weights["red"] == pytest.approx(1.0)


def test_a_rare_term_weighs_more_and_a_repeated_one_by_its_logarithm() -> None:
    terms = fit_terms(pl.Series(["a b", "a c", "a d"]), "word", 100)
    row = dict(zip(terms.names, term_matrix(pl.Series(["a a a b"]), terms).toarray()[0], strict=True))
    idf = np.log(4 / 2) + 1
    assert row["a"] / row["b"] == pytest.approx((1 + np.log(3)) / idf, rel=1e-5)


def test_characters_make_no_term_across_words() -> None:
    names = fit_terms(pl.Series(["ab cd", "ab  cd"]), "character", 1_000).names
    assert {" ab", "ab ", " ab "} <= set(names)
    assert not [name for name in names if " " in name[1:-1]]


def test_the_most_frequent_terms_are_kept() -> None:
    texts = pl.Series([f"common thing{i}" for i in range(30)])
    assert fit_terms(texts, "word", 1).names == ("common",)


def test_in_more_rows_a_term_stands_in_two() -> None:
    texts = pl.Series([f"same {i}x" for i in range(60)])
    assert fit_terms(texts, "word", 1_000).names == ("same",)


def test_columns_are_joined_in_python_and_onnx_alike() -> None:
    table = pl.DataFrame({"title": ["A", None], "body": ["b c", "d"]})
    graph = Graph()
    joined = add_joined(graph, [graph.input(name, str, [None, 1]) for name in table.columns])
    graph.output("joined", joined, str, [None, 1])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    feeds = {name: table[name].fill_null("").to_numpy().astype(object)[:, None] for name in table.columns}
    assert session.run(None, feeds)[0].ravel().tolist() == joined_texts(table).to_list() == ["A\nb c", "\nd"]


def test_what_is_too_long_is_cut() -> None:
    rows, spelled = words(pl.Series(["ab " * (MOST_WORDS + 5), "x"]))
    assert len(spelled) == MOST_WORDS + 1
    assert np.bincount(rows).tolist() == [MOST_WORDS, 1]
    assert np.bincount(characters(pl.Series(["y" * 10**6, ""]))[0]).tolist() == [MOST_CHARACTERS, 2]
