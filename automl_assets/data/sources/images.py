"""Rows from annotated images, a row each: where the image lies in `image`, and what is said of it in `label`.

A class is a text, a set of labels a list in JSON, objects a list of records in JSON; images in a folder where nothing is said of
them have no label. Formats are those of `data.annotations`. Knowledge of the kind of source alone belongs here.
"""

import hashlib
import json
from typing import Literal

import fsspec
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from automl_assets.data import files
from automl_assets.data.annotated_images import AnnotatedImage, Annotations, annotations_of, cell_of
from automl_assets.data.annotation_format import annotation_format, format_at, is_annotated
from automl_assets.data.files import CONTENT_KEYS, FINGERPRINT_CHARACTERS, WRITTEN_KEYS, explained, is_local
from automl_assets.data.locations import called, files_below, is_image, location_of, read_bytes
from automl_assets.errors import SourceError, listed
from automl_assets.masking import without_secrets
from automl_assets.parts import Source

IMAGE, LABEL = "image", "label"


class ImagesOptions(BaseModel):
    """Where annotations and images lie. Texts may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="A file of annotations, or a folder; local, or any URL that fsspec knows.")
    format: str | None = Field(
        None, description="jsonl, coco, voc, yolo, csv or folders; found by looking when left out."
    )
    split: Literal["train", "validation", "test"] | None = Field(
        None, description="The images of one split alone, where the annotations tell splits apart."
    )


def read(options: ImagesOptions) -> pl.DataFrame:
    """A row for each image. Raises SourceError for what is annotated in no known format, and for a split without images."""
    annotations = _annotations(options)
    images = [one for one in annotations.images if options.split in (None, one.split)]
    if not images:
        known = listed(sorted({one.split for one in annotations.images if one.split})) or "none at all"
        raise SourceError(f"{describe(options)}: no image is of the split {options.split!r}; there are {known}")
    cells = [cell_of(one, annotations.kind) for one in images]
    labels = [cell if cell is None or isinstance(cell, str) else json.dumps(cell, ensure_ascii=False) for cell in cells]
    return pl.DataFrame(
        {IMAGE: [one.image for one in images], LABEL: labels}, schema={IMAGE: pl.String, LABEL: pl.String}
    )


def _annotations(options: ImagesOptions) -> Annotations:
    given = files.expanded(options)
    place = location_of(given.path)
    if not given.format and place.is_dir() and not is_annotated(place):
        unlabelled = [AnnotatedImage(str(one)) for one in files_below(place) if is_image(one)]
        return annotations_of(unlabelled, where=called(place))
    found = annotation_format(given.format) if given.format else format_at(place)
    return found.read(place)


def _claims_folder(text: str) -> bool:
    return any(map(is_image, files_below(location_of(text))))


def fingerprint(options: ImagesOptions) -> str:
    """Changes with what is said of an image, and with its bytes; not with where they lie."""
    annotations = _annotations(options)
    told = [(one, cell_of(one, annotations.kind)) for one in annotations.images if options.split in (None, one.split)]
    digests = [hashlib.sha256(_content(one) + json.dumps(cell).encode()).digest() for one, cell in told]
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()[:FINGERPRINT_CHARACTERS]


def _content(image: AnnotatedImage) -> bytes:
    """A hash of an image's bytes, or the checksum that its store keeps; of what no file system here knows its address."""
    if image.image.partition("://")[0] not in (image.image, *fsspec.available_protocols()):
        return image.image.encode()
    file = location_of(image.image)
    with explained(called(file), str(file)):
        told = {} if is_local(file.fs) else file.fs.info(file.path)
    known = next((str(told[key]) for key in CONTENT_KEYS if told.get(key)), None)
    return known.encode() if known else hashlib.sha256(read_bytes(file)).digest()


def stamp(options: ImagesOptions) -> str:
    """Changes whenever a file is written to, comes or goes in the folder, or beside the file of annotations."""
    place = location_of(files.expanded(options).path)
    folder = place if place.is_dir() else place.parent
    with explained(called(folder), str(folder)):
        folder.fs.invalidate_cache()
        found = folder.fs.find(folder.path, detail=True)
    told = [(path, [info.get(key) for key in (*WRITTEN_KEYS, *CONTENT_KEYS)]) for path, info in sorted(found.items())]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:FINGERPRINT_CHARACTERS]


def describe(options: ImagesOptions) -> str:
    """Where the annotations lie, variables not filled in."""
    return f"{without_secrets(options.path)}{f' ({options.split})' if options.split else ''}"


def code(options: ImagesOptions) -> str:
    """The rows as they are now."""
    return f"return pl.DataFrame({read(options).to_dict(as_series=False)!r})\n"


PART = Source(
    name="images",
    title="annotated images",
    options=ImagesOptions,
    read=read,
    fingerprint=fingerprint,
    stamp=stamp,
    describe=describe,
    code=code,
    claims_folder=_claims_folder,
)
