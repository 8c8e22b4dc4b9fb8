"""The whole pipeline from pixels to boxes as an ONNX graph. Proving and timing it is in `export`."""

import numpy as np

from automl_assets.boxes import BOX, CODE, SCORE, THRESHOLD
from automl_assets.learning.preparation import add_raw
from automl_assets.objects.features.squares import add_pixels
from automl_assets.onnx.graph import FLOAT, INT64, Graph
from automl_assets.onnx.session import ROWS_TOGETHER
from automl_assets.records import Ensemble
from automl_assets.steps.combine import algorithm_of


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """One image, uint8 [1, height, width, 3], to the objects in it, the likeliest first: `boxes`, left, top, right and bottom
    in pixels [n, 4], `labels`, `scores` however low, and, so that many images can be told apart, `row` [n] and `sizes` [1, 2]."""
    graph, problem, (member,) = Graph(), ensemble.problem, ensemble.members
    image = graph.input(ensemble.featurizer.image, np.uint8, [1, None, None, 3])
    square = add_pixels(graph, image, ensemble.featurizer.side)
    objects = add_raw(algorithm_of(member, problem), member.fitted.models, graph, square)
    size = graph.node("Gather", graph.node("Shape", image), graph.constant(np.array([[2, 1]])))
    sides = graph.node("Cast", graph.node("Tile", size, graph.constant(np.array([1, 2]))), to=FLOAT)
    code = graph.node("Cast", _column(graph, objects, CODE), to=INT64)
    names = graph.constant(np.array([str(label) for label in problem.classes], object))
    places = graph.node("Slice", objects, *(graph.constant(np.array([one])) for one in (BOX.start, BOX.stop, 1)))
    graph.output("boxes", graph.node("Mul", places, sides), np.float32, [None, 4])
    graph.output("labels", graph.node("Gather", names, code), str, [None])
    graph.output("scores", _column(graph, objects, SCORE), np.float32, [None])
    graph.output("row", graph.node("Mul", code, graph.constant(np.array(0))), np.int64, [None])
    graph.output("sizes", size, np.int64, [1, 2])
    graph.properties |= {ROWS_TOGETHER: "1", THRESHOLD: repr(problem.threshold)}
    return graph.build().SerializeToString()


def _column(graph: Graph, objects: str, field: int) -> str:
    return str(graph.node("Gather", objects, graph.constant(np.array(field)), axis=1))
