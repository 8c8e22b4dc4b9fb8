"""JSON lines: an object for each image, as automated ML for images of Azure reads them.

`image_url`, `image_details` with format, width and height, and `label`: a text, a list of texts, or a list of objects with
topX, topY, bottomX, bottomY or polygon, shares of width and height. Beyond Azure's own keys an object may have a `mask` of
run lengths, and a line a `split`. Knowledge of the format alone belongs here.
"""

import json
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError
from upath import UPath

from automl_assets.data.annotated_images import AnnotatedImage, Annotations, annotations_of, cell_of, split_named
from automl_assets.data.image_files import ImageFiles, named_from, suffix_of
from automl_assets.data.image_objects import Thing, object_of
from automl_assets.data.locations import called, files_below, read_bytes, write_new
from automl_assets.errors import SourceError
from automl_assets.parts import AnnotationFormat

SUFFIXES = (".jsonl", ".ndjson")
FILE = "annotations.jsonl"  # in a folder


class Details(BaseModel):
    """What is known of the file."""

    format: str | None = None
    width: int | str | None = None
    height: int | str | None = None


class Line(BaseModel):
    """An image."""

    image_url: str
    image_details: Details = Details()
    label: str | list[str] | list[Thing] | None = None
    split: str = ""


def read(location: UPath) -> Annotations:
    """All images of a file, or of the files of a folder. Raises SourceError that names the first line that is none."""
    images = [image for file in _files(location) for image in _images(file)]
    if any(image.objects for image in images):
        images = [replace(image, labels=None, objects=()) if image.labels == () else image for image in images]
    return annotations_of(images, where=called(location))


def _files(location: UPath) -> list[UPath]:
    return [one for one in files_below(location) if one.suffix.lower() in SUFFIXES] if location.is_dir() else [location]


def _images(file: UPath) -> list[AnnotatedImage]:
    places = ImageFiles(file.parent)
    lines = enumerate(read_bytes(file).decode("utf-8-sig").splitlines(), start=1)
    return [_image(line, places, f"{called(file)}, line {number}") for number, line in lines if line.strip()]


def _image(text: str, places: ImageFiles, where: str) -> AnnotatedImage:
    try:
        line = Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the line"
        raise SourceError(f"{where}: {place}: {first['msg']}; a line has image_url and label") from None
    given, details = line.label, line.image_details
    things = [one for one in given if isinstance(one, Thing)] if isinstance(given, list) else []
    labels = None if given is None or things else (given,) if isinstance(given, str) else tuple(map(str, given))
    return AnnotatedImage(
        places.find(line.image_url),
        labels,
        tuple(object_of(one, where) for one in things) if things else None,
        _number(details.width),
        _number(details.height),
        split_named(line.split, where),
    )


def _number(value: int | str | None) -> int | None:
    return int(str(value).removesuffix("px")) if value else None


def write(annotations: Annotations, location: UPath) -> None:
    """One file, in which images are named from where it lies."""
    file = location if location.suffix.lower() in SUFFIXES else location.joinpath(FILE)
    lines = [json.dumps(_line(image, annotations, file.parent), ensure_ascii=False) for image in annotations.images]
    write_new(file, "".join(f"{line}\n" for line in lines).encode())


def _line(image: AnnotatedImage, annotations: Annotations, folder: UPath) -> dict[str, Any]:
    details = {"format": suffix_of(image).removeprefix("."), "width": image.width, "height": image.height}
    known = {key: value for key, value in details.items() if value}
    split = {"split": image.split} if image.split else {}
    return {
        "image_url": named_from(image, folder),
        "image_details": known,
        "label": cell_of(image, annotations.kind),
        **split,
    }


def _is_at(location: UPath) -> bool:
    if location.is_dir():
        return any(one.suffix.lower() in SUFFIXES for one in files_below(location))
    return location.suffix.lower() in SUFFIXES


PART = AnnotationFormat(
    name="jsonl",
    title="JSON lines (Azure)",
    holds=frozenset({"class", "labels", "boxes", "masks"}),
    is_at=_is_at,
    read=read,
    write=write,
    lacks=lambda annotations: (),
)
