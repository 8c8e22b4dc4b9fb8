"""Tags of words by their vectors, their shapes and both neighbours': a convolution (Collobert et al. 2011) below a CRF.

Here belong what the network is and how it answers. Not here: how it learns (`learn_tagger`), where vectors come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.entities.features.token_attributes import ASPECTS, MOST_LETTERS, bare
from automl_assets.entities.records import TokenInputs
from automl_assets.learning.chains import marginals
from automl_assets.onnx.graph import ML, Graph
from automl_assets.stored import stored_as
from automl_assets.tagging import Texts

UNKNOWN_SHAPE = 0
WORDS_TOGETHER = 4_000
LAST = np.iinfo(np.int64).max
LEAST_SHAPES = 5  # words of a shape, for it to be known


@stored_as("entities.WordTagger")
@dataclass(frozen=True)
class WordTagger:
    """What the network is made of.

    `weights`, float32: `projection` [n_dims, n_hidden] and `offset` of vectors; `shapes` [n_shapes, n_shape_dims]; `window`
    [3 * (n_hidden + n_shape_dims), n_inner] and `window_offset` of the word before, the word, and the one after; `output`
    [n_inner, n_tags] and `output_offset`.
    """

    shapes: dict[str, int]  # from 1 on
    weights: dict[str, np.ndarray]
    transitions: np.ndarray  # float64 [n_tags, n_tags]
    first: np.ndarray  # float64 [n_tags]
    epochs: float  # after which validation rows were answered best

    def probabilities(self, vectors: Sequence[np.ndarray], inputs: TokenInputs) -> np.ndarray:
        """Of each tag at each token, [n_tokens, n_tags], by the vectors of each text."""
        texts, shapes = inputs.texts, shape_codes(self.shapes, inputs.tokens)
        found = np.empty((len(inputs), len(self.first)))
        for start in range(0, len(inputs), WORDS_TOGETHER):
            end = min(start + WORDS_TOGETHER, len(inputs))
            rows = slice(max(0, start - 1), min(end + 1, len(inputs)))  # with both neighbours
            scores = self._scores(_part(vectors, texts, rows), shapes[rows], Texts(inputs.text[rows]))
            found[start:end] = scores[start - rows.start :][: end - start]
        found[texts.is_first] += self.first
        return marginals(found, self.transitions, texts)[0]

    def _scores(self, vectors: np.ndarray, shapes: np.ndarray, texts: Texts) -> np.ndarray:
        """Of each tag at each word of some texts, float32 [n_words, n_tags]."""
        w = self.weights
        hidden = np.hstack([np.tanh(vectors @ w["projection"] + w["offset"]), w["shapes"][shapes]])
        before, after = np.roll(hidden, 1, axis=0), np.roll(hidden, -1, axis=0)
        before[texts.is_first] = 0
        after[np.append(texts.is_first[1:], True)] = 0
        beside = np.hstack([before, hidden, after])
        return np.maximum(beside @ w["window"] + w["window_offset"], 0) @ w["output"] + w["output_offset"]

    def add_scores(self, graph: Graph, vectors: str, shapes: str, is_first: str) -> str:
        """The same as nodes, float [n_words, n_tags], from vectors [n_words, n_dims], codes of shapes [n_words], and whether
        a word begins a text [n_words]."""
        w = {name: graph.constant(values) for name, values in self.weights.items()}
        inner = graph.node("Add", graph.node("MatMul", vectors, w["projection"]), w["offset"])
        hidden = graph.node("Concat", graph.node("Tanh", inner), graph.node("Gather", w["shapes"], shapes), axis=1)
        nothing = graph.constant(np.zeros((1, len(self.weights["window"]) // 3), np.float32))
        before = graph.node("Concat", nothing, _cut(graph, hidden, 0, -1), axis=0)
        before = graph.node("Where", _column(graph, is_first), nothing, before)
        is_next = graph.node("Concat", _cut(graph, is_first, 1, LAST), graph.constant(np.array([True])), axis=0)
        after = graph.node("Concat", _cut(graph, hidden, 1, LAST), nothing, axis=0)
        after = graph.node("Where", _column(graph, is_next), nothing, after)
        beside = graph.node("Concat", before, hidden, after, axis=1)
        inner = graph.node("Add", graph.node("MatMul", beside, w["window"]), w["window_offset"])
        return graph.node("Add", graph.node("MatMul", graph.node("Relu", inner), w["output"]), w["output_offset"])

    def add_codes(self, graph: Graph, shapes: str) -> str:
        """Codes of shapes as `tokens_onnx.add_shapes` tells them, int64 [n_tokens]."""
        return graph.node(
            "LabelEncoder",
            shapes,
            domain=ML,
            keys_strings=[*self.shapes],
            values_int64s=np.array([*self.shapes.values()]),
            default_int64=UNKNOWN_SHAPE,
        )


def _part(vectors: Sequence[np.ndarray], texts: Texts, rows: slice) -> np.ndarray:
    """The vectors of some words, float32 [n_words, n_dims], by those of each text."""
    first, last = np.searchsorted(texts.starts, [rows.start, rows.stop - 1], side="right") - 1
    starts = texts.starts[first : last + 1]
    some = zip(vectors[first : last + 1], starts.tolist(), strict=True)
    parts = [own[max(0, rows.start - start) : rows.stop - start] for own, start in some]
    return np.concatenate(parts).astype(np.float32)


def known_shapes(tokens: np.ndarray) -> dict[str, int]:
    """Shapes that occur often enough, by their codes; one at least."""
    found, counts = np.unique([*map(_shape, tokens), "x"], return_counts=True)
    often = [str(shape) for shape, count in zip(found, counts, strict=True) if count >= LEAST_SHAPES or shape == "x"]
    return {shape: code for code, shape in enumerate(often, start=UNKNOWN_SHAPE + 1)}


def shape_codes(shapes: dict[str, int], tokens: np.ndarray) -> np.ndarray:
    """Codes of the shapes of tokens, int64 [n_tokens]."""
    return np.array([shapes.get(_shape(token), UNKNOWN_SHAPE) for token in tokens], np.int64)


def _shape(token: str) -> str:
    return ASPECTS["shape"](bare(token)[:MOST_LETTERS])


def _cut(graph: Graph, rows: str, start: int, end: int) -> str:
    return graph.node("Slice", rows, *(graph.constant(np.array([value])) for value in (start, end, 0)))


def _column(graph: Graph, flags: str) -> str:
    return graph.node("Unsqueeze", flags, graph.constant(np.array([1])))
