"""Metrics of objects in images: how many are found, and how surely those that are found are there.

An answered box is right where it shares enough with a true one of its class that no likelier box has taken; matching is
COCO's. Truth and prediction are packed as in `boxes`. Means are over the classes that are there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from automl_assets.boxes import BOX, CODE, SCORE, objects_of, overlaps
from automl_assets.metrics.metric import BOXES, Metric, Need
from automl_assets.records import Problem

OVERLAPS = np.linspace(0.5, 0.95, 10)  # intersection over union, from which on a box is right
RECALLS = np.linspace(0.0, 1.0, 101)  # at which COCO looks at precision
MOST_KEPT = 5_000  # images whose boxes are matched once: resamples and ensembles ask for the same ones again
ROUNDING = 1e-10
LIKELY = 0.5  # score, from which on a box counts where no threshold is given


@dataclass(frozen=True)
class Matches:
    """The answered boxes of an image, the likeliest first, and the true ones that count."""

    code: np.ndarray  # int64 [n_found]
    score: np.ndarray  # float64 [n_found]
    is_right: np.ndarray  # bool [n_overlaps, n_found]
    is_ignored: np.ndarray  # bool [n_overlaps, n_found]: it lies in a crowd
    true: np.ndarray  # int64 [n_true], codes


@dataclass(frozen=True)
class Found:
    """The answered boxes of one class in several images, the likeliest first, at one overlap; those in crowds left out."""

    score: np.ndarray  # float64 [n_found]
    right: np.ndarray  # float64 [n_found], what its image weighs where it is right
    wrong: np.ndarray  # float64 [n_found], and where it is not
    n_true: float  # likewise

    @property
    def recalls(self) -> np.ndarray:
        """Of the true ones the share that is found by so many of the likeliest."""
        return np.cumsum(self.right) / max(self.n_true, 1e-12)

    @property
    def precisions(self) -> np.ndarray:
        """Of so many of the likeliest the share that is right, or of as many more, where that is larger."""
        right, wrong = np.cumsum(self.right), np.cumsum(self.wrong)
        shares = right / np.maximum(right + wrong, 1e-12)
        best: np.ndarray = np.maximum.accumulate(shares[::-1])[::-1]
        return best


def matched(truth: np.ndarray, found: np.ndarray) -> Matches:
    """Of one image, by its packed rows."""
    return _matched(truth.tobytes(), found.tobytes())


@lru_cache(maxsize=MOST_KEPT)
def _matched(truth: bytes, found: bytes) -> Matches:
    true, answered = (objects_of(np.frombuffer(one)) for one in (truth, found))
    answered = answered[np.argsort(-answered[:, SCORE], kind="stable")]
    is_crowd = true[:, SCORE] > 0
    shared = overlaps(answered[:, BOX], true[:, BOX], is_crowd)
    shared = np.where(answered[:, CODE, None] == true[None, :, CODE], shared, -1.0)
    is_right, is_ignored = _taken(shared, is_crowd)
    codes = true[~is_crowd, CODE].astype(np.int64)
    return Matches(answered[:, CODE].astype(np.int64), answered[:, SCORE], is_right, is_ignored, codes)


def _taken(shared: np.ndarray, is_crowd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes are right and which lie in crowds, at each overlap, by what each [n_found] shares with each [n_true]."""
    n_found, n_true = shared.shape
    least = OVERLAPS[:, None] - ROUNDING
    is_right, is_ignored = np.zeros((2, len(OVERLAPS), n_found), bool)
    is_free, every = np.ones((len(OVERLAPS), n_true), bool), np.arange(len(OVERLAPS))
    for box in np.flatnonzero((shared >= OVERLAPS[0] - ROUNDING).any(axis=1)):
        can = (shared[box] >= least) & is_free
        own = np.where(can & ~is_crowd, shared[box], -1.0)
        best = own.argmax(axis=1)
        is_right[:, box] = own[every, best] >= 0
        is_ignored[:, box] = ~is_right[:, box] & (can & is_crowd).any(axis=1)
        is_free[every[is_right[:, box]], best[is_right[:, box]]] = False
    return is_right, is_ignored


def found_of_classes(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, n_classes: int, overlap: int = 0
) -> list[Found]:
    """Of each class, at one of OVERLAPS by its number."""
    images = [matched(*rows) for rows in zip(truth, prediction, strict=True)]
    weights = np.ones(len(images)) if weight is None else weight
    code, score, right, ignored = (
        np.concatenate([np.zeros(0), *parts])
        for parts in (
            [one.code for one in images],
            [one.score for one in images],
            [one.is_right[overlap] for one in images],
            [one.is_ignored[overlap] for one in images],
        )
    )
    own = np.repeat(weights, [len(one.code) for one in images])
    true = np.concatenate([np.zeros(0, np.int64), *(one.true for one in images)])
    n_true = np.bincount(true, np.repeat(weights, [len(one.true) for one in images]), n_classes)
    return [
        _found((code == number) & (ignored == 0), score, right * own, own, float(n_true[number]))
        for number in range(n_classes)
    ]


def _found(some: np.ndarray, score: np.ndarray, right: np.ndarray, own: np.ndarray, n_true: float) -> Found:
    chosen = np.flatnonzero(some)
    chosen = chosen[np.argsort(-score[chosen], kind="stable")]
    return Found(score[chosen], right[chosen], own[chosen] - right[chosen], n_true)


def area(found: Found) -> float:
    """Average precision as Pascal VOC has it since 2010: the area below precision over recall."""
    return float(np.sum(np.diff(found.recalls, prepend=0.0) * found.precisions))


def coco_area(found: Found) -> float:
    """Average precision as COCO has it: the mean of precision at RECALLS."""
    places = np.searchsorted(found.recalls, RECALLS, side="left")
    return float(np.append(found.precisions, 0.0)[np.minimum(places, len(found.score))].mean())


def precision(found: Found, threshold: float) -> float:
    """Of the boxes that score so high the share that is right; 0 where there are none."""
    some = found.score >= threshold
    return float(found.right[some].sum() / max(found.right[some].sum() + found.wrong[some].sum(), 1e-12))


def recall(found: Found, threshold: float) -> float:
    """Of the true ones the share that boxes which score so high find."""
    return float(found.right[found.score >= threshold].sum() / max(found.n_true, 1e-12))


def best_threshold(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, n_classes: int) -> float:
    """The score from which on boxes have the highest F1, over all classes together; NaN where none is right."""
    every = found_of_classes(truth, prediction, weight, n_classes)
    score, right, wrong = (
        np.concatenate([getattr(one, name) for one in every]) for name in ("score", "right", "wrong")
    )
    order = np.argsort(-score, kind="stable")
    n_right, n_wrong = np.cumsum(right[order]), np.cumsum(wrong[order])
    f1 = 2 * n_right / np.maximum(n_right + n_wrong + sum(one.n_true for one in every), 1e-12)
    return float(score[order][f1.argmax()]) if len(f1) and f1.max() > 0 else float("nan")


def image_losses(truth: np.ndarray, prediction: np.ndarray, floor: float) -> np.ndarray:
    """Of each image the share of its objects, true and likely ones, that are missed or not there, float64 [n_images]."""
    images = [matched(*rows) for rows in zip(truth, prediction, strict=True)]
    counts = np.array([_counted(one, LIKELY) for one in images], float).reshape(-1, 3)
    return 1.0 - 2.0 * (counts[:, 0] + floor) / (counts[:, 1] + counts[:, 2] + 2.0 * floor)


def _counted(image: Matches, threshold: float) -> tuple[int, int, int]:
    """How many boxes that score so high are right, how many there are, and how many should be."""
    some = (image.score >= threshold) & ~image.is_ignored[0]
    return int(image.is_right[0, some].sum()), int(some.sum()), len(image.true)


@dataclass(frozen=True)
class _Mean:
    """Over the classes that are there, and over some of OVERLAPS."""

    of_class: Callable[[Found, Problem], float]
    overlaps: tuple[int, ...] = (0,)

    def __call__(self, truth, prediction, weight, problem) -> float:
        every = [
            one
            for overlap in self.overlaps
            for one in found_of_classes(truth, prediction, weight, problem.n_classes, overlap)
        ]
        return float(np.mean([self.of_class(one, problem) for one in every if one.n_true > 0]))


def _has_object(truth, prediction, weight, problem) -> bool:
    counted = truth if weight is None else truth[weight > 0]
    return any((objects_of(row)[:, SCORE] == 0).any() for row in counted)


_NEEDS = (Need("images with an object", _has_object),)
_EVERY = tuple(range(len(OVERLAPS)))
_FORMULAS = {
    "mean_average_precision": _Mean(lambda found, problem: area(found)),
    "mean_average_precision_coco": _Mean(lambda found, problem: coco_area(found), _EVERY),
    "object_precision": _Mean(lambda found, problem: precision(found, problem.threshold)),
    "object_recall": _Mean(lambda found, problem: recall(found, problem.threshold)),
}

METRICS = tuple(
    Metric(name, formula, True, BOXES, needs=_NEEDS, is_over_classes=True) for name, formula in _FORMULAS.items()
)
