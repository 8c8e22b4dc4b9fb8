"""The recipe of texts as ONNX nodes over raw columns: one input [n_rows, 1] per column, a missing text is ""."""

from collections.abc import Collection

import numpy as np

from automl_assets.features import featurizer_onnx
from automl_assets.onnx.graph import Graph
from automl_assets.text.features.terms_onnx import add_joined, add_terms
from automl_assets.text.features.text_featurizer import TextFeaturizer
from automl_assets.text.records import TextTensors


def input_types(featurizer: TextFeaturizer) -> dict[str, str]:
    """Raw column -> element type that the ONNX model takes."""
    return dict.fromkeys(featurizer.texts, "string") | featurizer_onnx.input_types(featurizer.others)


def add_inputs(graph: Graph, featurizer: TextFeaturizer, parts: Collection[str]) -> TextTensors:
    """Declares an input per raw column, and computes those of the parts `words` and `characters` that are asked for."""
    texts = add_joined(graph, [graph.input(name, str, [None, 1]) for name in featurizer.texts])
    return TextTensors(
        others=_others(graph, featurizer, texts),
        texts=texts,
        words=add_terms(graph, featurizer.words, texts) if "words" in parts else "",
        characters=add_terms(graph, featurizer.characters, texts) if "characters" in parts else "",
    )


def _others(graph: Graph, featurizer: TextFeaturizer, texts: str) -> str:
    """Without any, a tensor of no columns."""
    if not featurizer.n_others:
        return graph.rows(texts, np.zeros(0, np.float32))
    others = featurizer.others
    return featurizer_onnx.add_dense(graph, others, featurizer_onnx.add_codes(graph, others))
