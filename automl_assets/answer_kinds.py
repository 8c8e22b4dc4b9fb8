"""What an answer can be: one class, a set of labels, objects with their places, or a value; and how each is seen as rows, decisions and losses.

Here belongs what steps ask of truth and predictions whatever they hold. Not here: metrics, and what one step alone does
by the kind of answer, which stands in a table of that step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl_assets.boxes import FIELDS, SCORE, class_counts, has_objects, typical_objects
from automl_assets.metrics.classes import decided
from automl_assets.metrics.label_sets import decided_sets, row_losses
from automl_assets.metrics.objects import image_losses
from automl_assets.parts import Link
from automl_assets.records import AnswerName, Problem

SMALLEST = 1e-15  # of a probability


@dataclass(frozen=True)
class AnswerKind:
    """Truth is `y` as `records.Truth` has it, predictions are [n_rows, n_outputs]; a weight is float64 [n_rows] or None.

    `has_truth(y)` says which rows have one, bool [n_rows].
    `strata(y)` puts rows that are alike together, int64 [n_rows] from 0 on, so that samples keep what is rare.
    `indicator(y, n_classes)` says which classes or labels each row has, bool [n_rows, n_classes].
    `totals(y, weight, n_classes)` is the weight of the rows that have each, float64 [n_classes].
    `answered(predictions, problem)` says which are answered, bool [n_rows, n_classes].
    `losses(y, predictions, floor)` tells how wrong each row's answer is, float64 [n_rows]: `loss` in words, where no
    probability counts as less than `floor`.
    `shares(y, n_classes)` is the answer that looks at no column, of probabilities [n_classes].
    `has_contrast(y)` says whether there is anything to tell apart.
    """

    name: AnswerName
    has_truth: Callable[[np.ndarray], np.ndarray]
    strata: Callable[[np.ndarray], np.ndarray]
    indicator: Callable[[np.ndarray, int], np.ndarray]
    totals: Callable[[np.ndarray, np.ndarray | None, int], np.ndarray]
    answered: Callable[[np.ndarray, Problem], np.ndarray]
    losses: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    shares: Callable[[np.ndarray, int], np.ndarray]
    has_contrast: Callable[[np.ndarray], bool]
    loss: str
    link: Link  # of combined scores
    are_outputs_apart: bool = False  # each is learnt by itself in a stack
    can_be_averaged: bool = True  # output by output, over several models
    has_probabilities: bool = True  # an output for each class or label


def answers_of(problem: Problem) -> AnswerKind:
    """The kind of answer that a problem asks for.

    >>> answers_of(Problem("classification", "accuracy", ("no", "yes"))).losses(np.array([1]), np.array([[0.0, 1.0]]), 0.1)
    array([-0.])
    """
    return KINDS[problem.answers]


# One class


def _class_shares(y: np.ndarray, n_classes: int) -> np.ndarray:
    return np.bincount(y, minlength=n_classes) / len(y)


def _class_totals(y: np.ndarray, weight: np.ndarray | None, n_classes: int) -> np.ndarray:
    return np.bincount(y, weights=weight, minlength=n_classes).astype(np.float64)


def _class_losses(y: np.ndarray, predictions: np.ndarray, floor: float) -> np.ndarray:
    return -np.log(np.clip(predictions[np.arange(len(y)), y], floor, 1.0))


def _answered_class(predictions: np.ndarray, problem: Problem) -> np.ndarray:
    return np.eye(predictions.shape[1], dtype=bool)[decided(predictions, problem.threshold)]


# A set of labels


def rarest_labels(y: np.ndarray) -> np.ndarray:
    """Of each row the rarest of its labels, counted from 1; 0 where it has none, int64 [n_rows].

    >>> rarest_labels(np.array([[1, 0], [1, 1], [0, 0], [1, 0]]))
    array([1, 2, 0, 1])
    """
    counts = (y > 0).sum(axis=0)
    order = np.argsort(counts, kind="stable")
    has_any, ranked = (y > 0).any(axis=1), y[:, order] > 0
    return np.where(has_any, order[ranked.argmax(axis=1)] + 1, 0)


def label_odds(probabilities: np.ndarray, floor: float) -> np.ndarray:
    """Log-odds of each label, float64 [n_rows, n_labels]. Near 1 a probability has no digits left in an ONNX file, so that
    what is lacking to 1 counts as `floor` at least.

    >>> label_odds(np.array([[0.5, 0.8]]), 1e-6).round(3)
    array([[0.   , 1.386]])
    """
    return np.log(np.clip(probabilities, SMALLEST, 1.0)) - np.log(np.clip(1.0 - probabilities, floor, 1.0))


def _label_totals(y: np.ndarray, weight: np.ndarray | None, n_classes: int) -> np.ndarray:
    return (np.ones(len(y)) if weight is None else weight) @ (y > 0)


# Objects and where they are


def _object_strata(y: np.ndarray) -> np.ndarray:
    """Of each image the rarest class that is in it, counted from 1; 0 where nothing is."""
    n_classes = int(np.nanmax(y[:, ::FIELDS], initial=0)) + 1
    return rarest_labels(class_counts(y, n_classes) > 0)


def _object_totals(y: np.ndarray, weight: np.ndarray | None, n_classes: int) -> np.ndarray:
    return (np.ones(len(y)) if weight is None else weight) @ (class_counts(y, n_classes) > 0)


def _answered_objects(predictions: np.ndarray, problem: Problem) -> np.ndarray:
    """The classes that are answered in each image."""
    surely = predictions.copy().reshape(len(predictions), -1, FIELDS)
    surely[surely[:, :, SCORE] < problem.threshold] = -1
    return class_counts(surely.reshape(len(predictions), -1), problem.n_classes) > 0


# The table

KINDS: dict[AnswerName, AnswerKind] = {
    "classes": AnswerKind(
        name="classes",
        has_truth=lambda y: y >= 0,
        strata=lambda y: y,
        indicator=lambda y, n_classes: y[:, None] == np.arange(n_classes),
        totals=_class_totals,
        answered=_answered_class,
        losses=_class_losses,
        shares=_class_shares,
        has_contrast=lambda y: len(np.unique(y)) > 1,
        loss="log loss",
        link="logit",
    ),
    "label_sets": AnswerKind(
        name="label_sets",
        has_truth=lambda y: y[:, 0] >= 0,
        strata=rarest_labels,
        indicator=lambda y, n_classes: y > 0,
        totals=_label_totals,
        answered=decided_sets,
        losses=row_losses,
        shares=lambda y, n_classes: (y > 0).mean(axis=0),
        has_contrast=lambda y: bool((y != y[:1]).any()),
        loss="log loss of a label",
        link="sigmoid",
        are_outputs_apart=True,
    ),
    "boxes": AnswerKind(
        name="boxes",
        has_truth=has_objects,
        strata=_object_strata,
        indicator=lambda y, n_classes: class_counts(y, n_classes) > 0,
        totals=_object_totals,
        answered=_answered_objects,
        losses=image_losses,
        shares=typical_objects,
        has_contrast=lambda y: True,
        loss="share of objects that are missed or not there",
        link="value",
        can_be_averaged=False,
        has_probabilities=False,
    ),
    "values": AnswerKind(
        name="values",
        has_truth=np.isfinite,
        strata=lambda y: np.zeros(len(y), np.int64),
        indicator=lambda y, n_classes: np.zeros((len(y), 0), bool),
        totals=lambda y, weight, n_classes: np.zeros(0),
        answered=lambda predictions, problem: np.zeros((len(predictions), 0), bool),
        losses=lambda y, predictions, floor: np.abs(predictions.reshape(-1) - y),
        shares=lambda y, n_classes: np.zeros(0),
        has_contrast=lambda y: True,
        loss="absolute error",
        link="value",
        has_probabilities=False,
    ),
}
