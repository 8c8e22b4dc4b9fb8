"""What a target means whose values are classes: which there are, which one is positive, and the code of each row's."""

from typing import Any

import numpy as np
import polars as pl

from automl_assets.errors import DataError, listed, nearest
from automl_assets.records import Label, Problem

MAX_CLASSES = 500


def class_problem(task: str, target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
    """Classes in sorted order; without `positive_label` the last of two is the positive one, as in Azure."""
    classes = _classes(target)
    if len(classes) < 2:
        raise DataError(
            f'target "{target.name}": a classification needs two classes or more; got {len(classes)} ({listed(classes)}). '
            "Check the target column, or bring rows of the other class."
        )
    if len(classes) > MAX_CLASSES:
        raise DataError(
            f'target "{target.name}": {len(classes)} different values are too many classes (at most {MAX_CLASSES}). '
            "Is this a regression?"
        )
    return Problem(task, metric, classes, positive=_positive(classes, positive_label))


def _classes(target: pl.Series) -> tuple[Label, ...]:
    values = _labels(target).drop_nulls().unique().sort().to_list()
    if all(isinstance(value, float) and value.is_integer() for value in values):
        return tuple(int(value) for value in values)
    return tuple(values)


def _labels(target: pl.Series) -> pl.Series:
    """The target as numbers, booleans or texts: a date becomes a text."""
    is_plain = target.dtype.is_numeric() or target.dtype == pl.Boolean
    return target if is_plain else target.cast(pl.String)


def _positive(classes: tuple[Label, ...], label: Label | None) -> int | None:
    if label is None:
        return 1 if len(classes) == 2 else None
    if len(classes) != 2:
        raise DataError(f"positive_label: only two classes have a positive one; got {len(classes)} classes")
    texts = [str(value) for value in classes]
    if str(label) not in texts:
        raise DataError(f"positive_label: got {label!r}; possible: {listed(classes)}.{nearest(str(label), texts)}")
    return texts.index(str(label))


def class_codes(target: pl.Series, problem: Problem) -> np.ndarray:
    """Class codes, int64 [n_rows]; -1 where the target is missing or of no known class."""
    codes: dict[Any, int] = {value: code for code, value in enumerate(problem.classes)}
    if target.dtype.is_float() and all(isinstance(value, int) for value in problem.classes):
        target = target.cast(pl.Int64, strict=False)
    return np.array([codes.get(value, -1) for value in _labels(target).to_list()], np.int64)
