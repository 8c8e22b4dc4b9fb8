"""image_guardrails: what to know about images before anything learns from them, and what a person can do about it."""

from collections import Counter

import numpy as np

from automl_assets.errors import DataError, listed
from automl_assets.records import SOURCE, Guardrail
from automl_assets.vision.features.descriptors import SIDE
from automl_assets.vision.steps.image_survey import ImageSurvey, first_alike

FEWEST_IMAGES = 15  # of a class, below which little can be learnt of it
MOST_TOLD = 3  # images, or pairs of them
TOLERATED_SHARE = 0.05  # of the images; of more a person is warned
SMALL_SHARE = 0.1
DUPLICATE_SHARE = 0.01
LEAST_READABLE = 0.5  # share of the labelled images of a file
WHERE = "Whole paths and URLs are looked for as they are written, others from the folder in which the run was started"


def check_enough_is_left(
    survey: ImageSurvey, named: list[tuple[str, ...] | None], part: np.ndarray, least_rows: int
) -> None:
    """Raises DataError where what can be read no longer answers the question: too little of one of the files, or nothing of
    a class of the source. `named` are the labels of all rows."""
    has_label = np.array([names is not None for names in named])
    for mark in np.unique(part[has_label]):
        least = LEAST_READABLE * (has_label & (part == mark)).sum()
        _check_file(survey, has_label & (part == mark), max(least, least_rows) if mark == SOURCE else least)
    is_left = has_label & survey.is_readable
    labels, left = (_labels(named, some & (part == SOURCE)) for some in (has_label, is_left))
    if labels - left:
        lost = np.flatnonzero(has_label & ~is_left)
        raise DataError(
            f"no image of {listed(sorted(labels - left))} can be read, so that nothing can be learnt of it: "
            f"{_reasons(survey, lost)}. {WHERE}"
        )


def _check_file(survey: ImageSurvey, asked: np.ndarray, least: float) -> None:
    lost = np.flatnonzero(asked & ~survey.is_readable)
    if len(lost) and asked.sum() - len(lost) < least:
        raise DataError(f"{len(lost)} of {asked.sum()} images cannot be read: {_reasons(survey, lost)}. {WHERE}")


def _labels(named: list[tuple[str, ...] | None], some: np.ndarray) -> set[str]:
    return {name for row in np.flatnonzero(some) for name in named[row] or ()}


def enough_images(labels: list[str]) -> Guardrail:
    """Whether each class has images enough to learn from."""
    counts = Counter(labels)
    few = {name: count for name, count in sorted(counts.items()) if count < FEWEST_IMAGES}
    if not few:
        return Guardrail("enough_images", "passed", f"Every class has {FEWEST_IMAGES} images or more.")
    told = ", ".join(f"{name!r} ({count})" for name, count in few.items())
    return Guardrail("enough_images", "alerted", f"Of these classes there are few images: {told}. Bring more.", few)


def unreadable_images(survey: ImageSurvey) -> Guardrail:
    """Of all files: images that are missing, cut off, or none."""
    lost = np.flatnonzero(~survey.is_readable)
    if not len(lost):
        return Guardrail("unreadable_images", "passed", "Every image can be read.")
    n_images = len(survey.cells)
    text = f"{len(lost)} of {n_images} images cannot be read and take no part: {_reasons(survey, lost)}. {WHERE}."
    are_many = len(lost) > TOLERATED_SHARE * n_images
    return Guardrail("unreadable_images", "alerted" if are_many else "done", text, {"images": len(lost)})


def _reasons(survey: ImageSurvey, rows: np.ndarray) -> str:
    first = "; ".join(f"row {row} {survey.reasons[row]}" for row in rows[:MOST_TOLD])
    return first + (f"; and {len(rows) - MOST_TOLD} more" if len(rows) > MOST_TOLD else "")


def image_sizes(survey: ImageSurvey) -> Guardrail:
    """Width and height against the side to which images are brought."""
    sizes = survey.sizes[survey.is_readable]
    order = sizes[np.argsort(sizes.prod(axis=1), kind="stable")]
    smallest, median, largest = (f"{width} x {height}" for width, height in order[[0, len(order) // 2, -1]])
    n_small = int((sizes.min(axis=1) < SIDE).sum())
    figures = {"smallest": smallest, "median": median, "largest": largest, "small": n_small}
    text = f"Pixels of the images: {smallest} at least, {median} in the middle, {largest} at most."
    if not n_small:
        return Guardrail("image_sizes", "passed", text, figures)
    text += f" {n_small} of {len(sizes)} are smaller than the {SIDE} x {SIDE} at which images are looked at, and are enlarged."
    is_often = n_small > SMALL_SHARE * len(sizes)
    return Guardrail("image_sizes", "alerted" if is_often else "done", text, figures)


def near_duplicates(survey: ImageSurvey, part: np.ndarray) -> Guardrail:
    """Images that repeat an earlier one but for their size, compression and small changes; worst across files."""
    first = first_alike(survey)
    repeats = np.flatnonzero(first < np.arange(len(first)))
    across = repeats[part[repeats] != part[first[repeats]]]
    within = repeats[part[repeats] == SOURCE]
    figures = {"images": len(within), "across_files": len(across)}
    if len(across):
        text = (
            f"{len(across)} images of the validation and test files nearly repeat one of another file "
            f"({_pairs(survey, across, first)}): their scores flatter. Remove them from one side."
        )
        return Guardrail("near_duplicates", "alerted", text, figures)
    if not len(within):
        return Guardrail("near_duplicates", "passed", "No image nearly repeats another.", figures)
    text = (
        f"{len(within)} of {len(first)} images ({len(within) / len(first):.1%}) nearly repeat an earlier one "
        f"({_pairs(survey, within, first)}); copies may fall on both sides of the split. Remove them, or name what they share "
        "as group_column."
    )
    is_often = len(within) > DUPLICATE_SHARE * len(first)
    return Guardrail("near_duplicates", "alerted" if is_often else "done", text, figures)


def _pairs(survey: ImageSurvey, rows: np.ndarray, first: np.ndarray) -> str:
    told = "; ".join(f"{survey.told(row)} repeats {survey.told(int(first[row]))}" for row in rows[:MOST_TOLD])
    return told + (f"; and {len(rows) - MOST_TOLD} more" if len(rows) > MOST_TOLD else "")
