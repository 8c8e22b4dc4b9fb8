"""From what a network says at each point of its grid to the objects it finds, as ONNX nodes."""

from collections.abc import Callable

import numpy as np

from automl_assets.boxes import packed
from automl_assets.objects.models.layers import GraphLayers
from automl_assets.objects.models.network import FARTHEST, STRIDE, Features, head
from automl_assets.objects.models.targets import grid
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.session import open_session

AddObjects = Callable[[Graph, str], str]  # graph, square -> objects
SQUARE = "square"

LEAST_SCORE = 0.02  # of what is answered
MOST_SHARED = 0.6  # intersection over union of two objects of a class
PER_CLASS = 100  # objects


def detections(add: AddObjects, x: np.ndarray, n_places: int) -> np.ndarray:
    """What a network finds in squares uint8 [n_images, side, side, 3], packed; `add` adds its objects of one of them."""
    graph, side = Graph(), x.shape[1]
    square = graph.input(SQUARE, np.uint8, [1, side, side, 3])
    graph.output("objects", add(graph, square), np.float32, [None, None])
    session = open_session(graph.build().SerializeToString())
    found = [session.run(None, {SQUARE: np.ascontiguousarray(one[None])})[0] for one in x]
    return packed(found, n_places)


def add_detections(layers: GraphLayers, features: Features, side: int, most: int) -> str:
    """The objects of one image, the likeliest first, float32 [n_objects, 6] as `boxes` has them, by the head over features of
    a square of this side."""
    graph, n_classes = layers.graph, len(layers.weights["classes.bias"])
    odds, sides = head(layers, features, n_classes)
    scores = _reshaped(graph, graph.node("Sigmoid", odds), 1, n_classes, -1)
    boxes = _boxes(graph, sides, side)
    limits = (np.array([PER_CLASS]), np.array([MOST_SHARED], np.float32), np.array([LEAST_SCORE], np.float32))
    whole = graph.node("Unsqueeze", boxes, graph.constant(np.array([0])))
    chosen = graph.node("NonMaxSuppression", whole, scores, *map(graph.constant, limits))
    return _likeliest(graph, chosen, boxes, scores, most)


def _boxes(graph: Graph, sides: str, side: int) -> str:
    """Left, top, right and bottom as shares, inside of the image, float32 [n_points, 4]."""
    flat = graph.node("Transpose", _reshaped(graph, sides, 4, -1), perm=[1, 0])
    clipped = graph.node("Clip", flat, "", graph.constant(np.float32(FARTHEST)))
    away = graph.node(
        "Mul", graph.node("Exp", clipped), graph.constant(np.array([-1, -1, 1, 1], np.float32) * STRIDE / side)
    )
    places = graph.node("Add", graph.constant(np.tile(grid(side), 2) / np.float32(side)), away)
    return str(graph.node("Clip", places, *(graph.constant(np.float32(end)) for end in (0, 1))))


def _likeliest(graph: Graph, chosen: str, boxes: str, scores: str, most: int) -> str:
    """`chosen` are image, class and point of each object, int64 [n, 3]."""
    code, point = (
        _reshaped(graph, graph.node("Gather", chosen, graph.constant(np.array(i)), axis=1), -1, 1) for i in (1, 2)
    )
    score = graph.node("GatherND", scores, chosen)
    n_found = graph.node("Min", graph.node("Shape", score), graph.constant(np.array([most])))
    _, order = graph.node("TopK", score, n_found, n_outputs=2)
    places = graph.node("GatherND", boxes, point)
    columns = (graph.node("Cast", code, to=FLOAT), places, _reshaped(graph, score, -1, 1))
    return str(graph.node("Gather", graph.node("Concat", *columns, axis=1), order, axis=0))


def _reshaped(graph: Graph, tensor: str, *shape: int) -> str:
    return str(graph.node("Reshape", tensor, graph.constant(np.array(shape))))
