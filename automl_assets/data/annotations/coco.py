"""COCO: a JSON file, or a file for each split, beside a folder of images. Knowledge of the format alone belongs here."""

import json
from dataclasses import replace

from upath import UPath

from automl_assets.data.annotated_images import SPLITS, AnnotatedImage, Annotations, annotations_of, split_named
from automl_assets.data.coco_file import read_coco, written_coco
from automl_assets.data.image_files import ImageFiles, named_from, with_size
from automl_assets.data.locations import beginning_of, called, files_below, read_bytes, write_new
from automl_assets.errors import SourceError, listed
from automl_assets.parts import AnnotationFormat

FILE = "annotations.json"  # in a folder
BEGINNING = 1 << 16  # bytes in which one of the lists is named


def read(location: UPath) -> Annotations:
    """All images of a file, or of the files of a folder, which may be of the splits of one data set.

    Raises SourceError for what is not COCO, and for files whose categories differ.
    """
    images, classes = list[AnnotatedImage](), tuple[str, ...]()
    for file in _files(location):
        coco, found = read_coco(read_bytes(file), called(file))
        if classes and coco.classes != classes:
            raise SourceError(
                f"{called(file)}: its categories are {listed(coco.classes)}, and those of another file {listed(classes)}; "
                "name one of the files"
            )
        classes, places = coco.classes, ImageFiles(file.parent)
        split = _split(file.stem) if location.is_dir() else ""
        images += [
            replace(one, image=places.find(one.image), split=split_named(one.split, called(file)) or split)
            for one in found
        ]
    return annotations_of(images, classes, called(location))


def _files(location: UPath) -> list[UPath]:
    if not location.is_dir():
        return [location]
    return [one for one in files_below(location) if one.suffix.lower() == ".json" and _begins_as_coco(one)]


def _split(stem: str) -> str:
    """The split in the name of a file, such as `instances_val2017`."""
    words = stem.lower().replace("-", "_").split("_")
    return next((split for word in words for key, split in SPLITS.items() if word.rstrip("0123456789") == key), "")


def write(annotations: Annotations, location: UPath) -> None:
    """One file, in which images are named from where it lies. Reads the size of images where it is not known."""
    file = location if location.suffix.lower() == ".json" else location.joinpath(FILE)
    has_places = annotations.kind in ("boxes", "masks")
    sized = [with_size(image) if has_places else image for image in annotations.images]
    named = [replace(image, image=named_from(image, file.parent)) for image in sized]
    write_new(file, json.dumps(written_coco(named, annotations.classes), ensure_ascii=False).encode())


def _lacks(annotations: Annotations) -> tuple[str, ...]:
    is_unseen = any(image.labels is None and image.objects is None for image in annotations.images)
    return ("images that nobody has annotated",) if is_unseen else ()


def _is_at(location: UPath) -> bool:
    return (
        bool(_files(location))
        if location.is_dir()
        else location.suffix.lower() == ".json" and _begins_as_coco(location)
    )


def _begins_as_coco(file: UPath) -> bool:
    head = beginning_of(file, BEGINNING)
    return head.lstrip()[:1] == b"{" and any(f'"{name}"'.encode() in head for name in ("images", "annotations"))


PART = AnnotationFormat(
    name="coco",
    title="COCO (JSON)",
    holds=frozenset({"class", "labels", "boxes", "masks"}),
    is_at=_is_at,
    read=read,
    write=write,
    lacks=_lacks,
)
