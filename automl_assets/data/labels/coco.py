"""COCO: images, categories and annotations in one JSON file (Lin et al. 2014).

Images with boxes or polygons become rows as JSONL of image tasks has them: `image_url`, `image_details` and a list of
objects, places relative to the size of the image. Knowledge of the format alone belongs here.
"""

from typing import Any

import polars as pl
from pydantic import BaseModel, Field

from automl_assets.data import tables
from automl_assets.errors import SourceError
from automl_assets.parts import LabelFormat

Number = int | str  # of an image or a category


class Category(BaseModel):
    """A class."""

    id: Number
    name: str


class Image(BaseModel):
    """A picture; places need its size in pixels."""

    id: Number
    file_name: str
    width: float | None = Field(None, gt=0)
    height: float | None = Field(None, gt=0)


class Annotation(BaseModel):
    """A class that an image has, or an object in it."""

    id: Any = None
    image_id: Number
    category_id: Number
    bbox: list[float] | None = None  # left, top, width, height in pixels
    segmentation: list[list[float]] | dict[str, Any] | None = None  # polygons x, y, x, y…, or a mask
    iscrowd: int = 0


class Coco(BaseModel):
    """What of a file is read."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


def read(content: bytes, name: str, target: str) -> pl.DataFrame:
    """A row for each image that has an annotation. Without boxes and polygons the label is the category's name, or a
    list of them where an image has several.

    Raises SourceError for what is not COCO, and for annotations of images or categories that are not listed.
    """
    found = tables.from_json(content, name, Coco, "COCO has the lists images, annotations and categories")
    names = {one.id: one.name for one in found.categories}
    images = {one.id: one for one in found.images}
    labels: dict[Number, list[Any]] = {}
    for one in found.annotations:
        if one.image_id not in images or one.category_id not in names:
            raise SourceError(f"{name}: annotation {one.id} is of an image or a category that is not listed")
        labels.setdefault(one.image_id, []).append(_object(one, images[one.image_id], names[one.category_id], name))
    rows = [_row(images[image], objects, target) for image, objects in labels.items()]
    if not rows:
        raise SourceError(f"{name}: no image has an annotation")
    return pl.DataFrame(_alike(rows, target), infer_schema_length=None)


def _object(one: Annotation, image: Image, label: str, name: str) -> Any:
    """An annotation: a name alone, or one with its place, from 0 to 1."""
    if not one.segmentation and not one.bbox:
        return label
    if image.width is None or image.height is None:
        raise SourceError(f'{name}: image "{image.file_name}" has no width and height, which places need')
    width, height = image.width, image.height
    if isinstance(one.segmentation, list) and one.segmentation:
        polygons = [[x / (height if i % 2 else width) for i, x in enumerate(part)] for part in one.segmentation]
        return {"label": label, "isCrowd": one.iscrowd, "polygon": polygons}
    if one.bbox is None or len(one.bbox) != 4:
        raise SourceError(f"{name}: annotation {one.id} has neither a polygon nor a bbox of four numbers")
    left, top, wide, high = one.bbox
    ends = {
        "topX": left / width,
        "topY": top / height,
        "bottomX": (left + wide) / width,
        "bottomY": (top + high) / height,
    }
    return {"label": label, **ends, "isCrowd": one.iscrowd}


def _row(image: Image, objects: list[Any], target: str) -> dict[str, Any]:
    details = {
        "format": image.file_name.rpartition(".")[2].lower(),
        "width": image.width,
        "height": image.height,
    }
    return {"image_url": image.file_name, "image_details": details, target: objects}


def _alike(rows: list[dict[str, Any]], target: str) -> list[dict[str, Any]]:
    """Names as they are where every image has one."""
    is_class = all(len(row[target]) == 1 and isinstance(row[target][0], str) for row in rows)
    return [{**row, target: row[target][0]} for row in rows] if is_class else rows


PART = LabelFormat(
    name="coco",
    title="COCO (JSON)",
    extensions=(".json",),
    is_of=lambda content: content.lstrip()[:1] == b"{",
    read=read,
)
