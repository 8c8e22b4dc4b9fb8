"""What backbones say of images, as part of an ONNX graph."""

from collections.abc import Sequence

import numpy as np

from automl_assets.backbones.network import Preparation, model_of, preparation_of
from automl_assets.backbones.reference import Reference
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.pixels import add_square


def add_vectors(graph: Graph, image: str, backbones: Sequence[Reference]) -> str:
    """Adds the vectors of pixels uint8 [n_rows, height, width, 3] side by side, float32 [n_rows, n_dims]."""
    parts: list[str] = []
    for backbone in backbones:
        planes = add_prepared(graph, image, preparation_of(backbone))
        parts.extend(graph.include(model_of(backbone), {"planes": planes}))
    return str(graph.node("Concat", *parts, axis=1))


def add_prepared(graph: Graph, image: str, wanted: Preparation) -> str:
    """Adds what a backbone takes, float32 [n_rows, 3, side, side]."""
    shift, scale = (np.array(values, np.float32)[:, None, None] for values in (wanted.mean, wanted.deviation))
    planes = graph.once(("planes", wanted.side), lambda: add_square(graph, image, wanted.side))
    return str(graph.node("Div", graph.node("Sub", planes, graph.constant(shift)), graph.constant(scale)))
