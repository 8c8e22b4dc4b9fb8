"""Detection of objects: what boxes mean as a target, and tiny images to try them on."""

import base64
import io
import json

import numpy as np
import polars as pl

from automl_assets.boxes import packed
from automl_assets.data.annotated_images import ImageObject
from automl_assets.data.image_objects import objects_in
from automl_assets.errors import DataError, SourceError
from automl_assets.parts import Task
from automl_assets.records import Label, Problem

MOST_CLASSES = 250
LEAST_PLACES = 100  # for objects of an answer, as in COCO
MOST_SHARE = 2.0  # of a side, at which an object may lie: farther away are only places in pixels
SIDE = 64  # pixels of the tiny images


def objects_of_cells(target: pl.Series) -> list[tuple[ImageObject, ...] | None]:
    """The objects of each cell; None where it is missing. Raises DataError, which names the row, for what is no list of
    objects, and for places in pixels."""
    try:
        return [
            None if cell is None else _checked(objects_in(cell, where), where)
            for cell, where in ((cell, f'target "{target.name}", row {i}') for i, cell in enumerate(target, start=1))
        ]
    except SourceError as error:
        raise DataError(str(error)) from None


def _checked(objects: tuple[ImageObject, ...], where: str) -> tuple[ImageObject, ...]:
    for one in objects:
        far = max(one.box, key=abs)
        if not abs(far) <= MOST_SHARE:
            raise DataError(
                f"{where}: {one.label!r} lies at {far:g}; places are shares of width and height, from 0 to 1: divide pixels by "
                "the width or height of the image"
            )
    return objects


def _problem(target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
    """The classes of objects, by name; an answer has places for as many as the fullest image holds, or for LEAST_PLACES."""
    images = [one for one in objects_of_cells(target) if one is not None]
    classes = tuple(sorted({one.label for image in images for one in image}))
    if not 1 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            f'target "{target.name}": objects are of {len(classes)} classes; possible are 1 to {MOST_CLASSES}. '
            f"{len(images)} images have a list of objects"
        )
    most = max(LEAST_PLACES, *(len(image) for image in images))
    return Problem("image_object_detection", metric, classes, most_objects=most)


def _encoded(target: pl.Series, problem: Problem) -> np.ndarray:
    """Packed as in `boxes`; objects of classes that training did not have are left out."""
    codes = {str(label): code for code, label in enumerate(problem.classes)}
    return packed(
        [
            None
            if image is None
            else np.array(
                [[codes[one.label], *one.box, one.is_crowd] for one in image if one.label in codes], float
            ).reshape(-1, 6)
            for image in objects_of_cells(target)
        ]
    )


def _labels_of(target: pl.Series) -> list[tuple[str, ...] | None]:
    return [None if image is None else tuple(one.label for one in image) for image in objects_of_cells(target)]


def _sample(seed: int) -> tuple[pl.DataFrame, str]:
    """Discs and bars of any colour, one to three of them in an image."""
    random = np.random.default_rng(seed)
    rows = [_drawn(random) for _ in range(40)]
    return pl.DataFrame(
        {"image": [image for image, _ in rows], "things": [json.dumps(told) for _, told in rows]}
    ), "things"


def _drawn(random: np.random.Generator) -> tuple[str, list[dict[str, object]]]:
    """An image as a data URI, and what is in it."""
    from PIL import Image

    down, across = np.mgrid[:SIDE, :SIDE]
    pixels, told = np.full((SIDE, SIDE, 3), random.integers(0, 90, 3), np.uint8), []
    for column in random.permutation(3)[: int(random.integers(1, 4))]:
        label, size = ("disc", "bar")[int(random.integers(2))], int(random.integers(12, 20))
        left, top = int(column) * 21 + int(random.integers(0, 3)), int(random.integers(0, SIDE - size))
        width = size if label == "disc" else size // 2
        shape = (down >= top) & (down < top + size) & (across >= left) & (across < left + width)
        if label == "disc":
            middle = (size - 1) / 2
            shape &= (down - top - middle) ** 2 + (across - left - middle) ** 2 <= (size / 2) ** 2
        pixels[shape] = random.integers(120, 255, 3)
        places = np.array([left, top, left + width, top + size]) / SIDE
        told.append({"label": label, **dict(zip(("topX", "topY", "bottomX", "bottomY"), places.tolist(), strict=True))})
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}", told


PART = Task(
    name="image_object_detection",
    title="Which objects are in an image, and where?",
    family="objects",
    default_metric="mean_average_precision",
    further_metrics=("mean_average_precision_coco", "object_precision", "object_recall"),
    problem=_problem,
    encode_target=_encoded,
    metric_kinds=frozenset({"boxes"}),
    stratify=True,
    sample=_sample,
    labels_of=_labels_of,
)
