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
        found, ends = np.empty((len(inputs), len(self.first))), texts.starts + texts.lengths
        for some in _together(ends):
            rows = slice(texts.starts[some][0], ends[some][-1])
            part = np.concatenate([vectors[text] for text in some]).astype(np.float32)
            found[rows] = self._scores(part, shapes[rows], Texts(inputs.text[rows]))
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

    def add_scores(self, graph: Graph, vectors: str, shapes: str) -> str:
        """The same as nodes, float [n_words, n_tags], from vectors [n_words, n_dims] and codes of shapes [n_words]."""
        w = {name: graph.constant(values) for name, values in self.weights.items()}
        inner = graph.node("Add", graph.node("MatMul", vectors, w["projection"]), w["offset"])
        hidden = graph.node("Concat", graph.node("Tanh", inner), graph.node("Gather", w["shapes"], shapes), axis=1)
        nothing = graph.constant(np.zeros((1, len(self.weights["window"]) // 3), np.float32))
        padded = graph.node("Concat", nothing, hidden, nothing, axis=0)
        before, after = (_cut(graph, padded, *bounds) for bounds in ((0, -2), (2, np.iinfo(np.int64).max)))
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


def _together(ends: np.ndarray) -> list[np.ndarray]:
    """Numbers of texts that are answered together, by where each ends."""
    part = ends // WORDS_TOGETHER
    return np.split(np.arange(len(ends)), np.flatnonzero(part[1:] != part[:-1]) + 1)


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
