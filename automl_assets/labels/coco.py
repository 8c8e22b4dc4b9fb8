"""COCO: images, categories and annotations in one JSON file (Lin et al. 2014).

Images with boxes or polygons become rows as JSONL of image tasks has them: `image_url`, `image_details` and a list of
objects, places relative to the size of the image. Knowledge of the format alone belongs here.
"""

import json
from typing import Any

import polars as pl

from automl_assets.errors import SourceError, listed
from automl_assets.parts import LabelFormat

KEYS = ("images", "annotations", "categories")


def read(content: bytes, name: str, target: str) -> pl.DataFrame:
    """A row for each image that has an annotation. Without boxes and polygons the label is the category's name, or a
    list of them where an image has several.

    Raises SourceError for what is not COCO, and for annotations of images or categories that are not listed.
    """
    found = _checked(content, name)
    names = {one["id"]: one["name"] for one in found["categories"]}
    images = {one["id"]: one for one in found["images"]}
    labels: dict[Any, list[Any]] = {}
    for one in found["annotations"]:
        if one["image_id"] not in images or one["category_id"] not in names:
            raise SourceError(f"{name}: annotation {one.get('id')} is of an image or a category that is not listed")
        labels.setdefault(one["image_id"], []).append(_object(one, images[one["image_id"]], names, name))
    rows = [_row(images[image], objects, target) for image, objects in labels.items()]
    if not rows:
        raise SourceError(f"{name}: no image has an annotation")
    return pl.DataFrame(_alike(rows, target), infer_schema_length=None)


def _checked(content: bytes, name: str) -> dict[str, list[Any]]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise SourceError(f"{name} is no JSON: {error}") from None
    lacking = [key for key in KEYS if not isinstance(found.get(key), list)]
    if lacking:
        raise SourceError(f"{name}: COCO has the lists {listed(KEYS)}; it lacks {listed(lacking)}")
    return found


def _object(one: dict[str, Any], image: dict[str, Any], names: dict[Any, str], name: str) -> Any:
    """An annotation: a name alone, or one with its place, from 0 to 1."""
    label, is_crowd = names[one["category_id"]], int(one.get("iscrowd", 0))
    if not one.get("segmentation") and not one.get("bbox"):
        return label
    if not image.get("width") or not image.get("height"):
        raise SourceError(f'{name}: image "{image.get("file_name")}" has no width and height, which places need')
    width, height = image["width"], image["height"]
    if isinstance(one.get("segmentation"), list) and one["segmentation"]:
        polygons = [[x / (height if i % 2 else width) for i, x in enumerate(part)] for part in one["segmentation"]]
        return {"label": label, "isCrowd": is_crowd, "polygon": polygons}
    left, top, wide, high = one["bbox"]
    ends = {
        "topX": left / width,
        "topY": top / height,
        "bottomX": (left + wide) / width,
        "bottomY": (top + high) / height,
    }
    return {"label": label, **ends, "isCrowd": is_crowd}


def _row(image: dict[str, Any], objects: list[Any], target: str) -> dict[str, Any]:
    details = {
        "format": image["file_name"].rpartition(".")[2].lower(),
        "width": image.get("width"),
        "height": image.get("height"),
    }
    return {"image_url": image["file_name"], "image_details": details, target: objects}


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
