"""YOLO: a text file for each image, with a line for each object: the number of its class, then the centre and the size of its
box, or the corners of its outline, as shares. `data.yaml` or `classes.txt` names the classes.

Labels of `images/1.jpg` lie in `labels/1.txt`, or beside the image. Knowledge of the format alone belongs here.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from upath import UPath

from automl_assets.data.annotated_images import (
    SPLIT_FOLDERS,
    SPLITS,
    AnnotatedImage,
    Annotations,
    ImageObject,
    box_around,
)
from automl_assets.data.image_files import copied, stem_of, suffix_of
from automl_assets.data.locations import called, files_below, is_image, read_bytes, write_new
from automl_assets.errors import SourceError, listed
from automl_assets.parts import AnnotationFormat

DATA = ("data.yaml", "dataset.yaml", "data.yml")
NAMES = ("classes.txt", "obj.names", "labels/classes.txt")
BOX, OUTLINE = 4, 6  # numbers behind the class: of a box, and of an outline at least


def read(location: UPath) -> Annotations:
    """All images below the folder of the classes. An image without a text file has no object, as the format wants it.

    Raises SourceError that names the first line that is no object, and for a class without a name.
    """
    root = location if location.is_dir() else location.parent
    classes = _classes(location)
    files = {one.path: one for one in files_below(root)}
    images = [_image(one, root, files, classes) for one in files.values() if is_image(one)]
    if not images:
        raise SourceError(f"{called(root)}: there is no image in the folder")
    has_outlines = any(one.polygons for image in images for one in image.objects or ())
    return Annotations("masks" if has_outlines else "boxes", classes, tuple(images))


def _classes(location: UPath) -> tuple[str, ...]:
    file = location if location.is_file() else _list_of_classes(location)
    if file is None:
        raise SourceError(f"{called(location)}: classes are named in {listed((*DATA, *NAMES))}; none of them is there")
    text = read_bytes(file).decode("utf-8-sig")
    if file.suffix.lower() not in (".yaml", ".yml"):
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    names = (yaml.safe_load(text) or {}).get("names")
    if not names or not isinstance(names, list | dict):
        raise SourceError(f"{called(file)}: it has no `names`, a list of the classes")
    return tuple(map(str, [names[key] for key in sorted(names)] if isinstance(names, dict) else names))


def _list_of_classes(folder: UPath) -> UPath | None:
    return next((file for name in (*DATA, *NAMES) if (file := folder.joinpath(name)).is_file()), None)


def _image(image: UPath, root: UPath, files: dict[str, UPath], classes: tuple[str, ...]) -> AnnotatedImage:
    folders = image.path[len(root.path) :].split("/")[1:-1]
    split = next((SPLITS[one] for one in folders if one in SPLITS), "")
    told = next((files[path] for path in _paths_of_labels(image) if path in files), None)
    lines = read_bytes(told).decode().splitlines() if told else []
    numbered = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]
    objects = tuple(
        _object(words, classes, f"{called(told) if told else ''}, line {number}") for number, words in numbered
    )
    return AnnotatedImage(str(image), None, objects, split=split)


def _paths_of_labels(image: UPath) -> Iterator[str]:
    """Where labels may lie, the usual place first."""
    folder = f"{image.parent.path}/"
    before, between, behind = folder.rpartition("/images/")
    yield f"{before}/labels/{behind}{image.stem}.txt" if between else f"{folder}{image.stem}.txt"
    yield f"{folder}{image.stem}.txt"


def _object(words: list[str], classes: tuple[str, ...], where: str) -> ImageObject:
    try:
        number, numbers = int(words[0]), tuple(map(float, words[1:]))
    except ValueError:
        raise SourceError(f"{where}: {' '.join(words)[:60]!r} is no number of a class with places") from None
    if not 0 <= number < len(classes):
        raise SourceError(f"{where}: class {number} has no name; there are {len(classes)}, counted from 0")
    if len(numbers) == BOX:
        x, y, wide, high = numbers
        return ImageObject(classes[number], (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2))
    if len(numbers) < OUTLINE or len(numbers) % 2:
        raise SourceError(f"{where}: {len(numbers)} numbers behind the class; a box has 4, an outline 6, 8, 10…")
    return ImageObject(classes[number], box_around((numbers,)), (numbers,))


def write(annotations: Annotations, location: UPath) -> None:
    """`images/`, `labels/` and `data.yaml`. Raises SourceError for two images of one name."""
    for image in annotations.images:
        folder = SPLIT_FOLDERS[image.split]
        copied(image, location.joinpath("images", folder, f"{stem_of(image)}{suffix_of(image)}"))
        lines = "".join(f"{_line(one, annotations.classes)}\n" for one in image.objects or ())
        write_new(location.joinpath("labels", folder, f"{stem_of(image)}.txt"), lines.encode())
    splits = dict.fromkeys(image.split for image in annotations.images)
    told: dict[str, Any] = {SPLIT_FOLDERS[one] or "train": f"images/{SPLIT_FOLDERS[one]}".rstrip("/") for one in splits}
    told["names"] = dict(enumerate(annotations.classes))
    write_new(location / DATA[0], yaml.safe_dump(told, sort_keys=False, allow_unicode=True).encode())


def _line(one: ImageObject, classes: tuple[str, ...]) -> str:
    left, top, right, bottom = one.box
    box = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return " ".join([str(classes.index(one.label)), *map(repr, one.polygons[0] if one.polygons else box)])


def _lacks(annotations: Annotations) -> tuple[str, ...]:
    things = [one for _, one in annotations.objects()]
    found = {
        "crowds": any(one.is_crowd for one in things),
        "masks that are no outline": any(one.mask for one in things),
        "objects with several outlines": any(len(one.polygons) > 1 for one in things),
        "images that nobody has annotated": any(image.objects is None for image in annotations.images),
    }
    return tuple(name for name, is_there in found.items() if is_there)


def _is_at(location: UPath) -> bool:
    return _list_of_classes(location) is not None if location.is_dir() else location.path.endswith((*DATA, *NAMES))


PART = AnnotationFormat(
    name="yolo",
    title="YOLO (text files)",
    holds=frozenset({"boxes", "masks"}),
    is_at=_is_at,
    read=read,
    write=write,
    lacks=_lacks,
)
