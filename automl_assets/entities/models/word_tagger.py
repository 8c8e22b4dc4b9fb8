"""Tags of words by their vectors, their shapes and both neighbours': a convolution (Collobert et al. 2011) below a CRF.

Here belong what the network is and how it answers. Not here: how it learns (`learn_tagger`), where vectors come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.entities.features.token_attributes import ASPECTS, MOST_LETTERS, bare
from automl_assets.entities.features.tokens_onnx import TokenTensors, add_shapes
from automl_assets.entities.records import TokenInputs
from automl_assets.learning.chains import marginals
from automl_assets.onnx.graph import ML, Graph
from automl_assets.stored import stored_as

UNKNOWN_SHAPE = 0
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
        scores = [self.scores(*one) for one in zip(vectors, self._shapes_of(inputs), strict=True)]
        found = np.concatenate(scores).astype(np.float64)
        found[inputs.texts.is_first] += self.first
        return marginals(found, self.transitions, inputs.texts)[0]

    def scores(self, vectors: np.ndarray, shapes: np.ndarray) -> np.ndarray:
        """Of each tag at each word of a text, float32 [n_words, n_tags]."""
        w = self.weights
        hidden = np.tanh(vectors.astype(np.float32) @ w["projection"] + w["offset"])
        padded = np.pad(np.hstack([hidden, w["shapes"][shapes]]), ((1, 1), (0, 0)))
        beside = np.hstack([padded[:-2], padded[1:-1], padded[2:]])
        return np.maximum(beside @ w["window"] + w["window_offset"], 0) @ w["output"] + w["output_offset"]

    def _shapes_of(self, inputs: TokenInputs) -> list[np.ndarray]:
        return np.split(shape_codes(self.shapes, inputs.tokens), inputs.texts.starts[1:])

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

    def add_shapes(self, graph: Graph, tensors: TokenTensors) -> str:
        """Codes of the shapes of tokens, int64 [n_tokens]."""
        return graph.node(
            "LabelEncoder",
            add_shapes(graph, tensors.tokens),
            domain=ML,
            keys_strings=[*self.shapes],
            values_int64s=np.array([*self.shapes.values()]),
            default_int64=UNKNOWN_SHAPE,
        )


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
