"""Tokens of texts in Python and in ONNX: the same places in every script."""

import numpy as np
import polars as pl
import pytest

from automl_assets.entities.features.token_attributes import ASPECTS, MOST_LETTERS, bare, bare_place
from automl_assets.entities.features.tokens import token_places
from automl_assets.entities.features.tokens_onnx import _aspects, add_bare_places, add_tokens
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import feeds_of, open_session

TEXTS = [
    "Oslo, 1.5 km.",
    "",
    "  (Peter's) @paul #tag http://x.y/z?q=1 don’t ",
    "日本語 Tokyoへ ไทย हिन्दी café naïve",
    "שלום עולם, مرحبا بالعالم",
    "😀 a",
    "“Quote”... it’s U.S. $5",
    "x" * 50 + "!",
    "\n a\tb",
    "İstanbul ΑΘΗΝΑΣ ǅ ٣",
]


@pytest.fixture(scope="module", params=[True, False], ids=["blanks", "words"])
def answered(request) -> tuple[bool, dict[str, list]]:
    graph = Graph()
    tensors = add_tokens(graph, graph.input("text", str, [None, 1]), request.param)
    start, end = add_bare_places(graph, tensors)
    numbers = {"row": tensors.text, "start": tensors.start, "end": tensors.end, "bare_start": start, "bare_end": end}
    for name, tensor in numbers.items():
        graph.output(name, tensor, np.int64, [None])
    for name, tensor in {"tokens": tensors.tokens, **_aspects(graph, tensors.tokens)}.items():
        graph.output(name, tensor, str, [None])
    session = open_session(graph.build().SerializeToString())
    names = [output.name for output in session.get_outputs()]
    found = session.run(None, feeds_of(pl.DataFrame({"text": TEXTS}), {"text": "string"}))
    return request.param, {name: values.tolist() for name, values in zip(names, found, strict=True)}


def test_onnx_finds_the_same_places(answered) -> None:
    is_parted, found = answered
    places = [(row, *place) for row, text in enumerate(TEXTS) for place in token_places(text, is_parted)]
    assert list(zip(found["row"], found["start"], found["end"], strict=True)) == places
    assert found["tokens"] == [TEXTS[row][start:end] for row, start, end in places]
    bares = [bare_place(TEXTS[row], (start, end)) for row, start, end in places]
    assert list(zip(found["bare_start"], found["bare_end"], strict=True)) == bares


@pytest.mark.parametrize("name", sorted(ASPECTS))
def test_onnx_sees_the_same_of_a_token(answered, name: str) -> None:
    _, found = answered
    assert found[name] == [ASPECTS[name](bare(token)[:MOST_LETTERS]) for token in found["tokens"]]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("don't go, U.S.A!", ["don't", "go", ",", "U", ".", "S", ".", "A", "!"]),
        ("@paul #tag https://a.b/c?d", ["@paul", "#tag", "https://a.b/c?d"]),
        ("東京へ行く", ["東", "京", "へ", "行", "く"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("at 5:30 for $1,000.50", ["at", "5:30", "for", "$", "1,000.50"]),
    ],
)
def test_words_and_marks(text: str, tokens: list[str]) -> None:
    assert [text[start:end] for start, end in token_places(text, False)] == tokens
