"""What is written in a COCO file (Lin et al. 2014): images, categories and annotations in one JSON object.

Not here: where images lie (`data.annotations.coco`), and labels of rows (`data.labels.coco`).
"""

from collections import defaultdict
from typing import Any

from pydantic import BaseModel, Field

from automl_assets.data import tables
from automl_assets.data.annotated_images import (
    PIXEL_DIGITS,
    AnnotatedImage,
    ImageObject,
    RunLengths,
    box_around,
    pixels,
    shares,
)
from automl_assets.errors import SourceError

Number = int | str  # of an image or a category
ADVICE = "COCO has the lists images, annotations and categories"


class Category(BaseModel):
    """A class."""

    id: Number
    name: str


class Image(BaseModel):
    """A picture; places need its size in pixels."""

    id: Number
    file_name: str
    width: int | None = Field(None, gt=0)
    height: int | None = Field(None, gt=0)
    split: str = ""  # beyond the format


class Mask(BaseModel):
    """Run lengths; a text is how pycocotools packs them."""

    size: tuple[int, int]  # height, width
    counts: list[int] | str


class Annotation(BaseModel):
    """A class that an image has, or an object in it."""

    id: Any = None
    image_id: Number
    category_id: Number
    bbox: list[float] | None = None  # left, top, width, height in pixels
    segmentation: list[list[float]] | Mask | None = None  # polygons x, y, x, y…, or a mask
    iscrowd: int = 0


class Coco(BaseModel):
    """What of a file is read."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of their numbers, where these are numbers."""
        is_numbered = all(isinstance(one.id, int) for one in self.categories)
        ordered = sorted(self.categories, key=lambda one: one.id) if is_numbered else self.categories
        return tuple(dict.fromkeys(one.name for one in ordered))


def read_coco(content: bytes, name: str) -> tuple[Coco, list[AnnotatedImage]]:
    """The file, and its images by the names that it gives them. An image without annotation has none of the classes.

    Raises SourceError for what is not COCO, and for annotations of images or categories that are not listed.
    """
    found = tables.from_json(content, name, Coco, ADVICE)
    names = {one.id: one.name for one in found.categories}
    listed_images = {one.id for one in found.images}
    of_image: dict[Number, list[Annotation]] = defaultdict(list)
    for one in found.annotations:
        if one.image_id not in listed_images or one.category_id not in names:
            raise SourceError(f"{name}: annotation {one.id} is of an image or a category that is not listed")
        of_image[one.image_id].append(one)
    has_places = any(one.bbox or one.segmentation for one in found.annotations)
    return found, [_image(one, of_image[one.id], names, has_places, name) for one in found.images]


def _image(
    image: Image, given: list[Annotation], names: dict[Number, str], has_places: bool, where: str
) -> AnnotatedImage:
    read = AnnotatedImage(image.file_name, None, None, image.width, image.height, image.split)
    labels = tuple(dict.fromkeys(names[one.category_id] for one in given))
    objects = tuple(_object(one, read, names[one.category_id], where) for one in given) if has_places else None
    return AnnotatedImage(read.image, None if has_places else labels, objects, image.width, image.height, image.split)


def _object(one: Annotation, image: AnnotatedImage, label: str, where: str) -> ImageObject:
    if not image.width or not image.height:
        raise SourceError(f'{where}: image "{image.image}" has no width and height, which places need')
    size, given = image.size, one.segmentation
    polygons = tuple(shares(tuple(part), size) for part in given) if isinstance(given, list) else ()
    mask = RunLengths(_counts(given), *given.size) if isinstance(given, Mask) else None
    if one.bbox is None and polygons:
        return ImageObject(label, box_around(polygons), polygons, mask, bool(one.iscrowd))
    if one.bbox is None or len(one.bbox) != 4:
        raise SourceError(f"{where}: annotation {one.id} has neither a polygon nor a bbox of four numbers")
    left, top, wide, high = one.bbox
    x, y, right, bottom = shares((left, top, left + wide, top + high), size)
    return ImageObject(label, (x, y, right, bottom), polygons, mask, bool(one.iscrowd))


def _counts(mask: Mask) -> tuple[int, ...]:
    return unpacked_counts(mask.counts) if isinstance(mask.counts, str) else tuple(mask.counts)


def unpacked_counts(text: str) -> tuple[int, ...]:
    """Run lengths out of pycocotools' text: five bits a letter, the sixth says that more follow, and from the fourth
    number on each is written as what it has more than the last but one.

    >>> unpacked_counts("52203")
    (5, 2, 2, 2, 5)
    """
    counts, place = list[int](), 0
    while place < len(text):
        value, shift, has_more = 0, 0, True
        while has_more:
            letter = ord(text[place]) - 48
            value |= (letter & 0x1F) << shift
            has_more, place, shift = bool(letter & 0x20), place + 1, shift + 5
        if letter & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return tuple(counts)


def written_coco(images: list[AnnotatedImage], classes: tuple[str, ...]) -> dict[str, Any]:
    """Images, named as they shall be, as the object that a file holds; places need the size of each image."""
    numbers = {name: number for number, name in enumerate(classes, start=1)}
    told = [
        {"image_id": number, **annotation}
        for number, image in enumerate(images, start=1)
        for annotation in _annotations(image, numbers)
    ]
    return {
        "images": [{"id": number, **_written_image(one)} for number, one in enumerate(images, start=1)],
        "annotations": [{"id": number, **one} for number, one in enumerate(told, start=1)],
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }


def _written_image(image: AnnotatedImage) -> dict[str, Any]:
    told = {"file_name": image.image, "width": image.width, "height": image.height, "split": image.split}
    return {key: value for key, value in told.items() if value}


def _annotations(image: AnnotatedImage, numbers: dict[str, int]) -> list[dict[str, Any]]:
    of_image = [{"category_id": numbers[label]} for label in image.labels or ()]
    return of_image + [{"category_id": numbers[one.label], **_place(one, image)} for one in image.objects or ()]


def _place(one: ImageObject, image: AnnotatedImage) -> dict[str, Any]:
    left, top, right, bottom = pixels(one.box, image.size)
    wide, high = (round(length, PIXEL_DIGITS) for length in (right - left, bottom - top))
    outline: Any = [pixels(polygon, image.size) for polygon in one.polygons]
    if one.mask:
        outline = {"size": [one.mask.height, one.mask.width], "counts": list(one.mask.counts)}
    return {
        "bbox": [left, top, wide, high],
        "area": round(_area(one, outline) or wide * high, PIXEL_DIGITS),
        "segmentation": outline,
        "iscrowd": int(one.is_crowd),
    }


def _area(one: ImageObject, outline: Any) -> float:
    """Of a mask or of outlines, in pixels; 0 where there is neither."""
    if one.mask:
        return float(sum(one.mask.counts[1::2]))
    return sum(abs(_shoelace(polygon)) for polygon in outline)


def _shoelace(polygon: list[float]) -> float:
    corners = list(zip(polygon[::2], polygon[1::2], strict=True))
    pairs = zip(corners, [*corners[1:], *corners[:1]], strict=True)
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in pairs) / 2
