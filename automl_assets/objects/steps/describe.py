"""describe: which objects there are, how many and where, and what a person should know before learning from these images."""

from collections import Counter

import numpy as np

from automl_assets.boxes import BOX, CODE, areas, objects_of
from automl_assets.data.image_column import image_column
from automl_assets.experiment.experiment import Experiment
from automl_assets.objects.features.squares import LARGEST
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Problem, Profile
from automl_assets.steps import column_guardrails

FEWEST_IMAGES = 15  # with an object of a class, below which little can be learnt of it
RARE = 20  # objects of a class
BESIDE = 0.01  # of a side, that a box may reach beyond the image
SMALLEST_PIXELS = 8  # of the side of an object in the square that is looked at

GUARDRAILS = {
    "enough_images": "Whether each class is in images enough to learn from.",
    "missing_target": "Images that nobody has looked at take no part.",
    "rare_objects": "Classes of few objects.",
    "misplaced_boxes": "Boxes outside of their image, or without an area.",
    "small_objects": "Objects so small that hardly a pixel is left of them.",
    "ignored_columns": "Columns that take no part, and why.",
    "unseen_classes": "Whether a validation or test file has classes that the source lacks.",
}


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the rows of the source itself."""
    table = dataset.table.filter(dataset.part == SOURCE)
    target, problem = table[experiment.target], column_guardrails.problem_of(table, experiment)
    named = [labels or () for labels in experiment.task_part.labels_of(target)]
    y = experiment.task_part.encode_target(target, problem)
    objects = np.concatenate([objects_of(row) for row in y])
    columns = _columns(dataset)
    found = (
        _few("enough_images", Counter(label for labels in named for label in set(labels)), FEWEST_IMAGES, "images"),
        column_guardrails.missing_target(target),
        _few("rare_objects", Counter(label for labels in named for label in labels), RARE, "objects"),
        _misplaced(objects),
        _small(objects, problem),
        column_guardrails.ignored_columns(columns),
        column_guardrails.unseen_classes(dataset, problem, experiment),
    )
    return Profile(table.height, columns, found, problem, dataset.schema)


def _columns(dataset: Dataset) -> tuple[ColumnProfile, ...]:
    """Every column; all but that of the images are ignored."""
    table, image = dataset.table.filter(dataset.part == SOURCE), image_column(dataset.roles.features)
    return tuple(
        ColumnProfile(
            name=name,
            dtype=str(table[name].dtype),
            kind="text" if name == image else "ignored",
            n_missing=table[name].null_count(),
            n_unique=table[name].drop_nulls().n_unique(),
            reason="says where each image lies" if name == image else "stands beside images, which answer alone",
        )
        for name in dataset.roles.features
    )


def _few(name: str, counts: Counter[str], least: int, what: str) -> Guardrail:
    few = {label: count for label, count in sorted(counts.items()) if count < least}
    if not few:
        return Guardrail(name, "passed", f"Every class has {least} {what} or more.")
    told = ", ".join(f"{label!r} ({count})" for label, count in few.items())
    return Guardrail(name, "alerted", f"Of these classes there are few {what}: {told}. Bring more.", few)


def _misplaced(objects: np.ndarray) -> Guardrail:
    boxes = objects[:, BOX]
    n_empty = int((areas(boxes) <= 0).sum())
    n_outside = int(((boxes < -BESIDE) | (boxes > 1 + BESIDE)).any(axis=1).sum())
    if not n_empty and not n_outside:
        return Guardrail("misplaced_boxes", "passed", "Every box has an area and lies inside of its image.")
    text = (
        f"{n_outside} of {len(boxes)} boxes reach beyond their image, and {n_empty} have no area. "
        "The former are learnt as they are, the latter teach nothing; look at how they were marked."
    )
    return Guardrail("misplaced_boxes", "alerted", text, {"outside": n_outside, "without_area": n_empty})


def _small(objects: np.ndarray, problem: Problem) -> Guardrail:
    sides = np.sqrt(areas(objects[:, BOX])) * LARGEST
    is_small = sides < SMALLEST_PIXELS
    shares = {
        str(label): float(is_small[objects[:, CODE] == code].mean())
        for code, label in enumerate(problem.classes)
        if is_small[objects[:, CODE] == code].any()
    }
    if is_small.sum() <= 0.01 * len(objects):
        return Guardrail(
            "small_objects", "passed", f"Hardly an object is smaller than {SMALLEST_PIXELS} pixels across."
        )
    told = ", ".join(f"{label!r} ({share:.0%})" for label, share in shares.items())
    text = (
        f"{int(is_small.sum())} of {len(objects)} objects are less than {SMALLEST_PIXELS} pixels across once images are "
        f"squares of {LARGEST} pixels: of {told}. They will often be missed; cut images into tiles."
    )
    return Guardrail("small_objects", "alerted", text, shares)
