"""Boxes around objects in images: how truth and answers hold them, and what steps ask of them.

Truth and answers are float64 [n_images, n_places * FIELDS]. A place holds the code of an object's class, its left, top, right
and bottom as shares of width and height, and its score; of a true object that is 1 where it is a crowd, many things that
nobody told apart. Places without an object have the code NOTHING; those of an image that nobody has looked at are NaN.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FIELDS = 6
CODE, BOX, SCORE = 0, slice(1, 5), 5
NOTHING = -1.0
CORNERS = ("topX", "topY", "bottomX", "bottomY")  # of an object as JSON has it
DIGITS = 4  # of what is told
THRESHOLD = "threshold"  # key of a model's metadata: the score from which on a box counts


def packed(images: Sequence[np.ndarray | None], n_places: int | None = None) -> np.ndarray:
    """Objects [n_objects, FIELDS] of each image in a row, the first `n_places` of them, or as many places as the fullest
    image needs; None where nobody has looked.

    >>> packed([np.array([[0, 0.1, 0.1, 0.5, 0.5, 0.9]]), np.zeros((0, 6)), None])[:, 0]
    array([ 0., -1., nan])
    """
    if n_places is None:
        n_places = max((len(one) for one in images if one is not None), default=0)
    rows = np.zeros((len(images), max(1, n_places), FIELDS))
    rows[:, :, CODE] = NOTHING
    for row, one in zip(rows, images, strict=True):
        if one is None:
            row[:] = np.nan
        else:
            row[: len(one)] = one[: len(row)]
    return rows.reshape(len(images), -1)


def objects_of(row: np.ndarray) -> np.ndarray:
    """What is in one image, float64 [n_objects, FIELDS]."""
    places = row.reshape(-1, FIELDS)
    return places[places[:, CODE] >= 0]


def has_objects(y: np.ndarray) -> np.ndarray:
    """Whether it is known what is in each image, which may be nothing, bool [n_images]."""
    return ~np.isnan(y[:, 0])


def class_counts(y: np.ndarray, n_classes: int) -> np.ndarray:
    """How many objects of each class are in each image, int64 [n_images, n_classes].

    >>> class_counts(packed([np.array([[1, 0, 0, 1, 1, 0], [1, 0, 0, 1, 1, 0]])]), 3)
    array([[0, 2, 0]])
    """
    codes = y[:, ::FIELDS]
    return (codes[:, :, None] == np.arange(n_classes)).sum(axis=1)


def overlaps(found: np.ndarray, true: np.ndarray, is_crowd: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union of boxes [n, 4] and [m, 4], float64 [n, m]; over the first alone where the second is a crowd.

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]])).round(2)
    array([[0.33, 0.  ]])
    """
    low = np.maximum(found[:, None, :2], true[None, :, :2])
    high = np.minimum(found[:, None, 2:], true[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    own, other = areas(found)[:, None], areas(true)[None]
    whole = own + other - shared
    if is_crowd is not None:
        whole = np.where(is_crowd, own, whole)
    return shared / np.maximum(whole, 1e-12)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Of boxes [n, 4], float64 [n]."""
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(axis=1)


def typical_objects(y: np.ndarray, n_classes: int) -> np.ndarray:
    """The answer that looks at no image, float64 [n_classes * FIELDS]: of each class the middle one of its boxes, with the
    share of images that have any."""
    every = np.concatenate([np.zeros((0, FIELDS)), *(objects_of(row) for row in y)])
    shares = (class_counts(y, n_classes) > 0).mean(axis=0)
    found = np.zeros((n_classes, FIELDS))
    found[:, CODE], found[:, SCORE] = NOTHING, shares
    for code in np.unique(every[:, CODE]).astype(int):
        found[code, CODE] = code
        found[code, BOX] = np.median(every[every[:, CODE] == code, BOX], axis=0)
    return found.ravel()


def farthest_apart(found: np.ndarray, expected: np.ndarray) -> float:
    """How far answers of the same images are from each other at most, in shares of a side or in scores, whatever the order of
    objects that score alike. Where every place is taken, an object may be lacking that scores no more than the last.

    >>> first, second = [0, 0, 0, 1, 1, 0.5], [0, 0, 0, 0.5, 1, 0.5]
    >>> farthest_apart(packed([np.array([first, second])]), packed([np.array([second, first])]))
    0.0
    """
    return max((_apart(*rows) for rows in zip(found, expected, strict=True)), default=0.0)


def _apart(found: np.ndarray, expected: np.ndarray) -> float:
    own, other = objects_of(found), objects_of(expected)
    distances = np.abs(own[:, None] - other[None]).max(axis=2, initial=0.0)
    costs = np.concatenate(
        [
            np.minimum(
                distances.min(axis=axis, initial=np.inf), np.abs(some[:, SCORE] - _last(some, len(found) // FIELDS))
            )
            for axis, some in ((1, own), (0, other))
        ]
    )
    return float(costs.max(initial=0.0))


def _last(objects: np.ndarray, n_places: int) -> float:
    """The score from which on objects may be lacking."""
    return float(objects[:, SCORE].min()) if len(objects) == n_places else -np.inf


def recoded(rows: np.ndarray, known: Sequence[Any], classes: Sequence[Any]) -> np.ndarray:
    """Answers in the codes of `known` classes as those in the codes of `classes`, by name; objects of others are left out.

    >>> recoded(packed([np.array([[0, 0, 0, 1, 1, 0.5]])]), ("cat",), ("ant", "cat"))[0, 0]
    np.float64(1.0)
    """
    places = {str(label): code for code, label in enumerate(classes)}
    codes = np.array([places.get(str(label), NOTHING) for label in known] + [NOTHING])
    found = rows.copy()
    found[:, ::FIELDS] = codes[rows[:, ::FIELDS].astype(int)]
    return found


# What a model file answers: `boxes` in pixels [n, 4], `labels`, `scores` and `row`, the number of each one's image, and `sizes`,
# width and height of each image [n_images, 2].


def told_objects(found: Mapping[str, np.ndarray], least: float = 0.0) -> list[str]:
    """Of each image its objects that score so high, as JSON and written as annotations are: places as shares of width and
    height, and the score."""
    told: list[list[dict[str, Any]]] = [[] for _ in found["sizes"]]
    shares = found["boxes"] / np.tile(found["sizes"], 2)[found["row"]]
    lines = zip(found["row"].tolist(), found["labels"].tolist(), shares.tolist(), found["scores"].tolist(), strict=True)
    for row, label, box, score in lines:
        if score < least:
            continue
        places = {name: round(value, DIGITS) for name, value in zip(CORNERS, box, strict=True)}
        told[row].append({"label": label, **places, "score": round(score, DIGITS)})
    return [json.dumps(one, ensure_ascii=False) for one in told]


def told_answers(rows: np.ndarray, classes: Sequence[Any], least: float = 0.0) -> list[str]:
    """The same of answers that are packed."""
    images = [objects_of(row) for row in rows]
    every = np.concatenate([np.zeros((0, FIELDS)), *images])
    names = np.array([str(label) for label in classes], object)
    return told_objects(
        {
            "boxes": every[:, BOX],
            "labels": names[every[:, CODE].astype(int)],
            "scores": every[:, SCORE],
            "row": np.repeat(np.arange(len(images)), [len(one) for one in images]),
            "sizes": np.ones((len(images), 2)),
        },
        least,
    )


def packed_answers(found: Mapping[str, np.ndarray], classes: Sequence[Any], n_places: int) -> np.ndarray:
    """What a model file answers, packed."""
    codes = {str(label): code for code, label in enumerate(classes)}
    objects = np.column_stack(
        [
            [codes[str(label)] for label in found["labels"].tolist()],
            found["boxes"] / np.tile(found["sizes"], 2)[found["row"]],
            found["scores"],
        ]
    ).reshape(-1, FIELDS)
    return packed([objects[found["row"] == image] for image in range(len(found["sizes"]))], n_places)


def read_answers(cells: Sequence[str], classes: Sequence[Any], n_places: int) -> np.ndarray:
    """What `told_objects` tells, packed.

    >>> rows = packed([np.array([[0, 0, 0, 0.5, 1, 0.25]])])
    >>> bool((read_answers(told_answers(rows, ("a",)), ("a",), 1) == rows).all())
    True
    """
    codes = {str(label): code for code, label in enumerate(classes)}
    images = [
        [[codes[one["label"]], *(one[name] for name in CORNERS), one["score"]] for one in json.loads(cell)]
        for cell in cells
    ]
    return packed([np.array(one, float).reshape(-1, FIELDS) for one in images], n_places)
