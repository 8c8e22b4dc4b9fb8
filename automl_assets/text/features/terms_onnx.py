"""The terms of texts as ONNX nodes: what `terms` computes in Python."""

import numpy as np

from automl_assets.onnx.graph import BOOL, FLOAT, RUNTIME, Graph
from automl_assets.text.features import tokens
from automl_assets.text.features.terms import LENGTHS, NO_TOKEN, UNKNOWN, Terms

ML = "ai.onnx.ml"


def add_joined(graph: Graph, raws: list[str]) -> str:
    """The texts of a row, one below the other, string [n_rows, 1]."""
    joined, line_end = raws[0], graph.constant(np.array(tokens.LINE_END, object))
    for raw in raws[1:]:
        joined = graph.node("StringConcat", graph.node("StringConcat", joined, line_end), raw)
    return joined


def add_terms(graph: Graph, terms: Terms, texts: str) -> str:
    """TF-IDF of every term, float [n_rows, n_terms]."""
    if not terms.n_terms:
        return graph.rows(texts, np.zeros(0, np.float32))
    counts = _counts(graph, terms, _numbers(graph, terms, texts))
    one = graph.constant(np.float32(1))
    is_there = graph.node("Cast", graph.node("Cast", counts, to=BOOL), to=FLOAT)
    damped = graph.node("Add", graph.node("Log", graph.node("Max", counts, one)), is_there)
    weighted = graph.node("Mul", damped, graph.constant(terms.weights))
    length = graph.node("ReduceL2", weighted, graph.constant(np.array([1])), keepdims=1)
    return graph.node("Div", weighted, graph.node("Max", length, graph.constant(np.float32(1e-9))))


def _numbers(graph: Graph, terms: Terms, texts: str) -> str:
    """The number of each word or character, int64 [n_rows, n_tokens]; NO_TOKEN where a text is shorter than others."""
    is_word = terms.unit == "word"
    most = tokens.MOST_WORDS if is_word else tokens.MOST_CHARACTERS
    pattern = tokens.WORD if is_word else tokens.CHARACTER
    found = graph.node(
        "Tokenizer",
        texts if is_word else _padded(graph, texts),
        domain=RUNTIME,
        mark=0,
        mincharnum=1,
        pad_value="",
        tokenexp=pattern,
    )
    cut = graph.node("Slice", found, *(graph.constant(np.array([value])) for value in (0, most, 2)))
    return graph.node(
        "LabelEncoder",
        graph.node("Squeeze", cut, graph.constant(np.array([1]))),
        domain=ML,
        keys_strings=[*terms.spellings.tolist(), ""],
        values_int64s=np.append(terms.numbers, NO_TOKEN),
        default_int64=UNKNOWN,
    )


def _padded(graph: Graph, texts: str) -> str:
    space = graph.constant(np.array(" ", object))
    return graph.node("StringConcat", graph.node("StringConcat", space, texts), space)


def _counts(graph: Graph, terms: Terms, numbers: str) -> str:
    longest = max(LENGTHS[terms.unit])
    starts = [int((terms.lengths * (terms.lengths < length)).sum()) for length in range(1, longest + 1)]
    return graph.node(
        "TfIdfVectorizer",
        numbers,
        mode="TF",
        min_gram_length=1,
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=np.array(starts),
        ngram_indexes=np.arange(terms.n_terms),
        pool_int64s=terms.members,
    )
