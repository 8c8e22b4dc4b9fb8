"""From images to squares of one size, by one ONNX graph that Python runs as well. Places as shares of both sides stay the same."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from automl_assets.backbones.reference import Reference
from automl_assets.data.image_cells import each_image, image_cells
from automl_assets.objects.records import ImageCells
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.pixels import add_square
from automl_assets.onnx.session import open_session, threads_for
from automl_assets.records import FeatureColumn
from automl_assets.stored import stored_as

LARGEST, SMALLEST = 320, 64  # pixels of a side
STEP = 32  # sides are multiples of it
N_MEASURED = 50  # images, by whose size that of squares is chosen
IMAGE = "image"
UINT8 = 2  # onnx.TensorProto element type


@stored_as("objects.Featurizer")
@dataclass(frozen=True)
class SquareFeaturizer:
    """The recipe: the column that says where images lie, and how large squares are. Nothing is learnt."""

    image: str
    side: int
    backbones: tuple[Reference, ...] = ()  # pretrained networks that may find objects in them

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.image,)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        return (FeatureColumn(f"{self.image}_square", self.image, f"{self.side} x {self.side} pixels"),)


def cells_of(image: str, table: pl.DataFrame) -> ImageCells:
    """Rows as they are stored in the column `image`. Raises DataError that names the rows without an image."""
    return ImageCells(np.array(image_cells(table[image]), object))


def side_for(inputs: ImageCells) -> int:
    """Pixels of a side, which are no more than images have. Raises DataError that names those that cannot be read."""
    some = inputs.images[:N_MEASURED].tolist()
    longest = each_image(some, lambda pixels: max(pixels.shape[:2]), threads_for(len(some)))
    steps = -(-int(np.median(longest)) // STEP)
    return int(np.clip(steps * STEP, SMALLEST, LARGEST))


def squares_of(featurizer: SquareFeaturizer, inputs: ImageCells) -> np.ndarray:
    """Pixels of images, uint8 [n_images, side, side, 3]. Raises DataError that names the images that cannot be read."""
    side, session = featurizer.side, _session(featurizer.side)
    found = each_image(
        inputs.images.tolist(), lambda pixels: session.run(None, {IMAGE: pixels[None]})[0], threads_for(len(inputs))
    )
    return np.concatenate([np.zeros((0, side, side, 3), np.uint8), *found])


@cache
def _session(side: int) -> Any:
    graph = Graph()
    square = add_pixels(graph, graph.input(IMAGE, np.uint8, [None, None, None, 3]), side)
    graph.output("square", square, np.uint8, [None, side, side, 3])
    return open_session(graph.build().SerializeToString())


def add_pixels(graph: Graph, image: str, side: int) -> str:
    """Adds the square of one image uint8 [1, height, width, 3], uint8 [1, side, side, 3]."""
    levels = graph.node("Round", graph.node("Mul", add_square(graph, image, side), graph.constant(np.float32(255))))
    limits = (graph.constant(np.float32(end)) for end in (0, 255))
    return str(
        graph.node("Cast", graph.node("Transpose", graph.node("Clip", levels, *limits), perm=[0, 2, 3, 1]), to=UINT8)
    )


def add_shares(graph: Graph, square: str) -> str:
    """Adds a square uint8 [1, side, side, 3] as shares of full brightness, float32 [1, 3, side, side]."""
    shares = graph.node("Div", graph.node("Cast", square, to=FLOAT), graph.constant(np.float32(255)))
    return str(graph.node("Transpose", shares, perm=[0, 3, 1, 2]))


def input_types(featurizer: SquareFeaturizer) -> dict[str, str]:
    """Raw column -> element type that the ONNX model takes."""
    return {featurizer.image: "image"}
