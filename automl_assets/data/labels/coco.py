"""COCO: images, categories and annotations in one JSON file (Lin et al. 2014).

Images with boxes or polygons become rows as JSONL of image tasks has them: `image_url`, `image_details` and a list of
objects, places relative to the size of the image. Knowledge of the format alone belongs here.
"""

from typing import Any

import polars as pl

from automl_assets.data.annotated_images import AnnotatedImage, annotations_of, cell_of
from automl_assets.data.coco_file import read_coco
from automl_assets.errors import SourceError
from automl_assets.parts import LabelFormat


def read(content: bytes, name: str, target: str) -> pl.DataFrame:
    """A row for each image that has an annotation. Without boxes and polygons the label is the category's name, or a
    list of them where an image has several.

    Raises SourceError for what is not COCO, and for annotations of images or categories that are not listed.
    """
    coco, images = read_coco(content, name)
    annotated = [image for image in images if image.labels or image.objects]
    if not annotated:
        raise SourceError(f"{name}: no image has an annotation")
    kind = annotations_of(annotated, coco.classes).kind
    return pl.DataFrame([{**_row(one), target: cell_of(one, kind)} for one in annotated], infer_schema_length=None)


def _row(image: AnnotatedImage) -> dict[str, Any]:
    details = {"format": image.image.rpartition(".")[2].lower(), "width": image.width, "height": image.height}
    return {"image_url": image.image, "image_details": details}


PART = LabelFormat(
    name="coco",
    title="COCO (JSON)",
    extensions=(".json",),
    is_of=lambda content: content.lstrip()[:1] == b"{",
    read=read,
)
