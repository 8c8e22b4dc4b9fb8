"""From images to what algorithms take of them, by one ONNX graph that Python runs as well."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl

from automl_assets.backbones.network import n_dims
from automl_assets.backbones.reference import Reference
from automl_assets.backbones.vectors import add_vectors
from automl_assets.data.image_cells import each_image, image_cells
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session, threads_for
from automl_assets.records import FeatureColumn
from automl_assets.stored import stored_as
from automl_assets.vision.features.descriptors import SIDE, add_descriptors
from automl_assets.vision.records import VIEWS, ImageInputs

IMAGE = "image"
N_TIMED = 8  # images that say how long all will take


@stored_as("vision.Featurizer")
@dataclass(frozen=True)
class ImageFeaturizer:
    """The recipe: the column that says where images lie, and the pretrained networks that read them. Nothing is learnt."""

    image: str
    backbones: tuple[Reference, ...] = ()
    left_out: str = ""  # why no network reads the images, where that is not for want of weights

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (self.image,)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        told = f"colours, textures and gradients of {SIDE} x {SIDE} pixels"
        vectors = (
            FeatureColumn(f"{self.image}_{one.name}", self.image, f"{n_dims(one)} numbers of the network {one.name}")
            for one in self.backbones
        )
        return (FeatureColumn(f"{self.image}_descriptors", self.image, told), *vectors)

    def views(self, asked: Collection[str] = VIEWS) -> tuple[str, ...]:
        """Those of them that there are."""
        return tuple(name for name in VIEWS if name in asked and (name != "vectors" or self.backbones))


def encode_images(featurizer: ImageFeaturizer, table: pl.DataFrame, asked: Collection[str] = VIEWS) -> ImageInputs:
    """Rows as algorithms take them, with the views that are asked for. Raises DataError that names the images that cannot
    be read."""
    images, views = image_cells(table[featurizer.image]), featurizer.views(asked)
    if not views:
        return ImageInputs(np.array(images, object))
    answer = partial(_answer, _session(views, featurizer.backbones))
    none = [values[:0] for values in answer(np.zeros((1, 1, 3), np.uint8))]
    found = zip(none, *each_image(images, answer, threads_for(len(images))), strict=True)
    return ImageInputs(np.array(images, object), **dict(zip(views, map(np.concatenate, found), strict=True)))


def seconds_an_image(backbone: Reference, cells: Sequence[str]) -> float:
    """What a network takes for an image of the size that the first of some cells have."""
    images = each_image([*cells[:N_TIMED]], lambda pixels: pixels, 1)
    answer = partial(_answer, _session(("vectors",), (backbone,)))
    started = time.monotonic()
    for pixels in images:
        answer(pixels)
    return (time.monotonic() - started) / max(1, len(images))


def _answer(session: Any, pixels: np.ndarray) -> list[np.ndarray]:
    """Of each view float32 [1, n_columns] of an image uint8 [height, width, 3]."""
    return list(session.run(None, {IMAGE: pixels[None]}))


@cache
def _session(views: tuple[str, ...], backbones: tuple[Reference, ...]) -> Any:
    graph = Graph()
    image = graph.input(IMAGE, np.uint8, [None, None, None, 3])
    for view, tensor in _added(graph, image, views, backbones).items():
        graph.output(view, tensor, np.float32, [None, None])
    return open_session(graph.build().SerializeToString())


def _added(graph: Graph, image: str, views: Collection[str], backbones: tuple[Reference, ...]) -> dict[str, str]:
    """View -> its tensor."""
    added = {}
    if "descriptors" in views:
        added["descriptors"] = add_descriptors(graph, image)
    if "vectors" in views:
        added["vectors"] = add_vectors(graph, image, backbones)
    return added


def input_types(featurizer: ImageFeaturizer) -> dict[str, str]:
    """Raw column -> element type that the ONNX model takes."""
    return {featurizer.image: "image"}


def add_inputs(graph: Graph, featurizer: ImageFeaturizer, asked: Collection[str]) -> dict[str, str]:
    """Declares the input, and computes what algorithms ask for: view -> its tensor."""
    image = graph.input(featurizer.image, np.uint8, [None, None, None, 3])
    return {"images": image} | _added(graph, image, featurizer.views(asked), featurizer.backbones)
