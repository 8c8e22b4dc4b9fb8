"""Pixels as ONNX nodes: brought to one size, as Python brings them there by the same graph. Not here: asking models (`images`)."""

import numpy as np

from automl_assets.onnx.graph import FLOAT, Graph


def add_square(graph: Graph, image: str, side: int) -> str:
    """Adds pixels uint8 [n_rows, height, width, 3] as shares of full brightness, float32 [n_rows, 3, side, side]."""
    shares = graph.node("Div", graph.node("Cast", image, to=FLOAT), graph.constant(np.float32(255)))
    planes = graph.node("Transpose", shares, perm=[0, 3, 1, 2])
    outer = graph.node("Shape", planes, start=0, end=2)
    sizes = graph.node("Concat", outer, graph.constant(np.array([side, side], np.int64)), axis=0)
    return str(graph.node("Resize", planes, "", "", sizes, mode="linear", antialias=1))
