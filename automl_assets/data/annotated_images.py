"""Images with what people say of them, whatever the format it was written in.

Places are shares of an image's width and height, from 0 to 1, so that they hold at any size. Here belongs what all formats
share. Not here: what one format alone knows (`data.annotations`), and pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from automl_assets.errors import SourceError, listed

AnnotationKind = Literal["class", "labels", "boxes", "masks"]
Box = tuple[float, float, float, float]  # left, top, right, bottom

KINDS: dict[AnnotationKind, str] = {
    "class": "a class for each image",
    "labels": "a set of labels for each image",
    "boxes": "boxes around objects",
    "masks": "outlines or masks of objects",
}
SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
SPLIT_FOLDERS = {"train": "train", "validation": "val", "test": "test", "": ""}
PIXEL_DIGITS = 9  # behind the point; so that 100 / 499 of 499 pixels is 100 once more


@dataclass(frozen=True)
class RunLengths:
    """A mask, as COCO writes those that no outline can tell: lengths of runs down one column after the other, of
    background first."""

    counts: tuple[int, ...]
    height: int
    width: int


@dataclass(frozen=True)
class ImageObject:
    """A thing in an image: its box, and perhaps its outlines or its mask."""

    label: str
    box: Box
    polygons: tuple[tuple[float, ...], ...] = ()  # each x, y, x, y…
    mask: RunLengths | None = None
    is_crowd: bool = False  # many things that nobody told apart


@dataclass(frozen=True)
class AnnotatedImage:
    """An image, and its labels or the objects in it; None where nobody has looked, which is not the same as none."""

    image: str  # a path or a URL
    labels: tuple[str, ...] | None = None
    objects: tuple[ImageObject, ...] | None = None
    width: int | None = None  # in pixels
    height: int | None = None
    split: str = ""  # train, validation or test, where the format says so

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels. Raises SourceError where they are not known."""
        if not self.width or not self.height:
            raise SourceError(f"{self.image}: its width and height are not known, which places in pixels need")
        return self.width, self.height


@dataclass(frozen=True)
class Annotations:
    """All images of a data set; `classes` in the order in which the format numbers them."""

    kind: AnnotationKind
    classes: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]

    def objects(self) -> Iterator[tuple[AnnotatedImage, ImageObject]]:
        """Every object with its image."""
        return ((image, one) for image in self.images for one in image.objects or ())


def annotations_of(images: list[AnnotatedImage], known: tuple[str, ...] = (), where: str = "") -> Annotations:
    """Images as a data set, of the kind that they show. Classes that are not `known` stand behind those, by name.

    Raises SourceError where there is no image.

    >>> annotations_of([AnnotatedImage("1.jpg", ("cat",)), AnnotatedImage("2.jpg", ("cat", "dog"))]).kind
    'labels'
    """
    if not images:
        raise SourceError(f"{where or 'the annotations'}: no image is named; possible are {listed(KINDS.values())}")
    named = {
        one for image in images for one in (*(image.labels or ()), *(thing.label for thing in image.objects or ()))
    }
    return Annotations(_kind(images), (*known, *sorted(named.difference(known))), tuple(images))


def _kind(images: list[AnnotatedImage]) -> AnnotationKind:
    if any(image.objects is not None for image in images):
        things = [one for image in images for one in image.objects or ()]
        return "masks" if any(one.polygons or one.mask for one in things) else "boxes"
    return "class" if all(image.labels is None or len(image.labels) == 1 for image in images) else "labels"


def split_named(name: str | None, where: str) -> str:
    """The split of a name, "" for none. Raises SourceError for one that is not known: formats of folders could not hold it.

    >>> split_named("Val", "labels.csv"), split_named(None, "labels.csv")
    ('validation', '')
    """
    key = (name or "").strip().lower()
    if key and key not in SPLITS:
        raise SourceError(f"{where}: no split is called {name!r}; possible are {listed(SPLITS)}")
    return SPLITS.get(key, "")


def shares(pixels: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    """Places x, y, x, y… in pixels as shares of width and height.

    >>> shares((50.0, 10.0), (100, 40))
    (0.5, 0.25)
    """
    return tuple(value / size[i % 2] for i, value in enumerate(pixels))


def pixels(places: tuple[float, ...], size: tuple[int, int]) -> list[float]:
    """Shares of width and height x, y, x, y… as places in pixels.

    >>> pixels((100 / 499, 0.5), (499, 3))
    [100.0, 1.5]
    """
    return [round(value * size[i % 2], PIXEL_DIGITS) for i, value in enumerate(places)]


def box_around(polygons: tuple[tuple[float, ...], ...]) -> Box:
    """The least box that holds outlines.

    >>> box_around(((0.1, 0.2, 0.5, 0.1, 0.3, 0.4),))
    (0.1, 0.1, 0.5, 0.4)
    """
    xs, ys = ([value for polygon in polygons for value in polygon[start::2]] for start in (0, 1))
    return min(xs), min(ys), max(xs), max(ys)


def cell_of(image: AnnotatedImage, kind: AnnotationKind) -> Any:
    """What is said of an image as a cell of a table: a class, a list of labels, or a list of objects as JSON has them, in
    the words of automated ML for images of Azure; None where nobody has looked.

    >>> cell_of(AnnotatedImage("1.jpg", objects=(ImageObject("cat", (0.1, 0.2, 0.5, 0.6)),)), "boxes")
    [{'label': 'cat', 'topX': 0.1, 'topY': 0.2, 'bottomX': 0.5, 'bottomY': 0.6, 'isCrowd': 0}]
    """
    if kind in ("boxes", "masks"):
        return None if image.objects is None else [_json_object(one) for one in image.objects]
    if image.labels is None or kind == "labels":
        return None if image.labels is None else list(image.labels)
    return image.labels[0]


def _json_object(one: ImageObject) -> dict[str, Any]:
    left, top, right, bottom = one.box
    place: dict[str, Any] = {"topX": left, "topY": top, "bottomX": right, "bottomY": bottom}
    if one.polygons and one.box == box_around(one.polygons):
        place = {}
    if one.polygons:
        place["polygon"] = [list(polygon) for polygon in one.polygons]
    if one.mask:
        place["mask"] = {"size": [one.mask.height, one.mask.width], "counts": list(one.mask.counts)}
    return {"label": one.label, **place, "isCrowd": int(one.is_crowd)}
