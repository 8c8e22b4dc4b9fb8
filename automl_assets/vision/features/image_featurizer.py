"""From images to what algorithms take of them, by one ONNX graph that Python runs as well."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from automl_assets.data.image_cells import each_image, image_cells
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session, threads_for
from automl_assets.records import FeatureColumn
from automl_assets.stored import stored_as
from automl_assets.vision.features.descriptors import SIDE, add_descriptors
from automl_assets.vision.records import ImageInputs

IMAGE = "image"


@stored_as("vision.Featurizer")
@dataclass(frozen=True)
class ImageFeaturizer:
    """The recipe: the column that says where images lie. Nothing is learnt."""

    image: str

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.image,)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        told = f"colours, textures and gradients of {SIDE} x {SIDE} pixels"
        return (FeatureColumn(f"{self.image}_descriptors", self.image, told),)


def encode_images(featurizer: ImageFeaturizer, table: pl.DataFrame) -> ImageInputs:
    """Rows as algorithms take them. Raises DataError that names the images that cannot be read."""
    images = image_cells(table[featurizer.image])
    none = _answer(np.zeros((1, 1, 1, 3), np.uint8))[:0]
    found = each_image(images, lambda pixels: _answer(pixels[None]), threads_for(len(images)))
    return ImageInputs(np.array(images, object), np.concatenate([none, *found]))


def _answer(pixels: np.ndarray) -> np.ndarray:
    """Of images of one size, uint8 [n_images, height, width, 3]."""
    answer: np.ndarray = _session().run(None, {IMAGE: pixels})[0]
    return answer


@cache
def _session() -> Any:
    graph = Graph()
    image = graph.input(IMAGE, np.uint8, [None, None, None, 3])
    graph.output("descriptors", add_descriptors(graph, image), np.float32, [None, None])
    return open_session(graph.build().SerializeToString())


def input_types(featurizer: ImageFeaturizer) -> dict[str, str]:
    """Raw column -> element type that the ONNX model takes."""
    return {featurizer.image: "image"}


def add_inputs(graph: Graph, featurizer: ImageFeaturizer) -> dict[str, str]:
    """Declares the input, and computes what algorithms take: view -> its tensor."""
    image = graph.input(featurizer.image, np.uint8, [None, None, None, 3])
    return {"descriptors": add_descriptors(graph, image)}
