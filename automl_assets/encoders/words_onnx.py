"""Vectors of words as ONNX nodes: what `words.WordReader` reads.

Words are cut into pieces one by one, and texts are read one after another, long ones window by window.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.encoders.tokens import Tokenizer
from automl_assets.encoders.words import MOST_PIECES, WordReader, cutter_of
from automl_assets.onnx.graph import DOUBLE, FLOAT, INT64, Graph

FLOAT16 = 10  # onnx.TensorProto element type
LAST = np.iinfo(np.int64).max


@dataclass(frozen=True)
class WordTensors:
    """The names of what is known of words in a graph; those of a text stand together. There is one at least."""

    words: str  # string [n_words]
    is_first: str  # bool [n_words], whether a word begins a text


def add_word_vectors(graph: Graph, tensors: WordTensors, reader: WordReader, model: Any) -> str:
    """Adds the vectors of words, float [n_words, n_dims], once for all who read the same by the same encoder.

    `model` is `network.exported_states`. Nothing is padded: a text takes as long, and as much memory, as it needs by itself.
    """
    return graph.once((reader.key, tensors.words), lambda: _add_texts(graph, tensors, reader, model))


def _add_texts(graph: Graph, tensors: WordTensors, reader: WordReader, model: Any) -> str:
    pieces = _add_pieces(graph, tensors.words, cutter_of(reader), reader.marks.filling)
    starts = _flat(graph, graph.node("NonZero", tensors.is_first))
    ends = graph.node("Concat", _slice(graph, starts, 1, LAST), graph.node("Shape", tensors.words), axis=0)

    def one(inner: Graph, number: str) -> str:
        place = inner.node("Reshape", number, inner.constant(np.array([1])))
        start, end = (inner.node("Gather", some, place) for some in (starts, ends))
        own = inner.node("Slice", pieces, start, end, inner.constant(np.array([0])))
        return _add_vectors(inner, own, reader, model)

    return graph.loop_rows(graph.node("Squeeze", graph.node("Shape", starts)), one)


def _add_pieces(graph: Graph, words: str, cutter: Tokenizer, filling: int) -> str:
    """Numbers of the pieces of each word, int64 [n_words, MOST_PIECES]; -1 where it has no more."""

    def one(inner: Graph, number: str) -> list[str]:
        place = inner.node("Reshape", number, inner.constant(np.array([1])))
        ids = cutter.add(inner, inner.node("Gather", words, place))
        nothing = inner.constant(np.full(MOST_PIECES, -1))
        wide = _slice(inner, inner.node("Concat", ids, nothing, axis=0), 0, MOST_PIECES)
        is_none = inner.node("Less", _slice(inner, wide, 0, 1), inner.constant(np.int64(0)))
        only = inner.constant(np.array([filling, *[-1] * (MOST_PIECES - 1)]))
        return [inner.node("Cast", inner.node("Where", is_none, only, wide), to=DOUBLE)]

    found = graph.loop(graph.node("Squeeze", graph.node("Shape", words)), [], one)
    return graph.node("Cast", found[0], to=INT64)


def _add_vectors(graph: Graph, pieces: str, reader: WordReader, model: Any) -> str:
    """Mean of the states of each word's pieces, float [n_words, n_dims], of one text's [n_words, MOST_PIECES]."""
    is_piece = graph.node("GreaterOrEqual", pieces, graph.constant(np.int64(0)))
    places = graph.node("Transpose", graph.node("NonZero", is_piece), perm=[1, 0])
    ids = graph.node("GatherND", pieces, places)
    states = _add_states(graph, ids, reader, model)
    word = _slice(graph, places, 0, 1, 1)  # [n_pieces, 1]
    n_words, n_dims = graph.node("Shape", pieces, start=0, end=1), graph.node("Shape", states, start=1, end=2)
    zeros = graph.node("Expand", graph.constant(np.float32(0)), graph.node("Concat", n_words, n_dims, axis=0))
    total = graph.node("ScatterND", zeros, word, states, reduction="add")
    counts = graph.node("ReduceSum", graph.node("Cast", is_piece, to=FLOAT), graph.constant(np.array([1])), keepdims=1)
    rounded = graph.node("Cast", graph.node("Div", total, counts), to=FLOAT16)
    return graph.node("Cast", rounded, to=FLOAT)


def _add_states(graph: Graph, ids: str, reader: WordReader, model: Any) -> str:
    """States of the pieces of a text, float [n_pieces, n_dims], by its windows."""
    whole, n_pieces = _numbers(graph, reader.inner), graph.node("Shape", ids)
    step = _numbers(graph, reader.step)
    is_long = graph.node("Greater", n_pieces, whole)
    several = graph.node("Div", graph.node("Add", n_pieces, _numbers(graph, reader.step - 1)), step)
    n_windows = graph.node("Where", is_long, several, _numbers(graph, 1))
    number = graph.node(
        "Range", *(graph.node("Squeeze", one) for one in (_numbers(graph, 0), n_windows, _numbers(graph, 1)))
    )
    first = graph.node("Sub", graph.node("Mul", number, step), _numbers(graph, reader.context))
    last = graph.node("Max", graph.node("Sub", n_pieces, whole), _numbers(graph, 0))
    starts = graph.node("Max", graph.node("Min", first, last), _numbers(graph, 0))
    length = graph.node("Min", n_pieces, whole)
    last_window = graph.node("Sub", n_windows, _numbers(graph, 1))

    def one(inner: Graph, place: str) -> str:
        number = inner.node("Reshape", place, inner.constant(np.array([1])))
        start = inner.node("Gather", starts, number)
        inside = inner.node("Slice", ids, start, inner.node("Add", start, length), inner.constant(np.array([0])))
        marks = (inner.constant(np.array(some, np.int64)) for some in (reader.marks.before, reader.marks.after))
        before, after = marks
        tokens = inner.node(
            "Unsqueeze", inner.node("Concat", before, inside, after, axis=0), inner.constant(np.array([0]))
        )
        ones = inner.node("Add", inner.node("Sub", tokens, tokens), inner.constant(np.int64(1)))
        (states,) = inner.include(model, {"tokens": tokens, "mask": ones})
        from_ = inner.node("Mul", number, step)
        is_last = inner.node("Equal", number, last_window)
        to = inner.node("Where", is_last, n_pieces, inner.node("Add", from_, step))
        ahead = inner.node("Sub", _numbers(inner, len(reader.marks.before)), start)
        bounds = (inner.node("Add", some, ahead) for some in (from_, to))
        kept = inner.node("Slice", states, *bounds, inner.constant(np.array([1])))
        return inner.node("Squeeze", kept, inner.constant(np.array([0])))

    return graph.loop_rows(graph.node("Squeeze", n_windows), one)


def _numbers(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))


def _flat(graph: Graph, tensor: str) -> str:
    return graph.node("Reshape", tensor, graph.constant(np.array([-1])))


def _slice(graph: Graph, tensor: str, start: int, end: int, axis: int = 0) -> str:
    return graph.node("Slice", tensor, *(_numbers(graph, value) for value in (start, end, axis)))
