"""Pictures of boxes against the objects that are there: what is found of each class, and how surely."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from automl_assets.metrics.objects import Found, area, found_of_classes, precision, recall
from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import CURVES, MOST_CURVES, Figure, entry, legend, picture, share_axes, titled
from automl_assets.records import Problem

GREY = "#c9c9c9"
GRID = np.linspace(0.01, 0.99, 99)


def object_pictures(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> tuple[Picture, ...]:
    """Precision-recall curves of the classes that are there, and what thresholds do."""
    every = found_of_classes(truth, prediction, weight, problem.n_classes)
    there = [(str(label), one) for label, one in zip(problem.classes, every, strict=True) if one.n_true > 0]
    curves = picture("precision_recall", "Precision-recall curve", partial(_paint_curves, there=there))
    return curves, picture("thresholds", "Thresholds", partial(_paint_thresholds, there=there))


def _paint_curves(figure: Figure, there: Sequence[tuple[str, Found]]) -> None:
    axes, is_bundle = figure.subplots(), len(there) > MOST_CURVES
    for number, (label, found) in enumerate(there):
        told = None if is_bundle else f"{entry(label)}  {area(found):.3f}"
        recalls, precisions = np.append(0.0, found.recalls), np.append(found.precisions[:1], found.precisions)
        if len(precisions) == len(recalls):
            color = GREY if is_bundle else CURVES[number]
            axes.plot(recalls, precisions, color=color, label=told, clip_on=False, drawstyle="steps-pre")
    share_axes(axes)
    note = "a box is right where it shares half with an object; average precision in the legend"
    titled(axes, "Precision-recall curve", note, "recall", "precision")
    legend(axes, "lower left")


def _paint_thresholds(figure: Figure, there: Sequence[tuple[str, Found]]) -> None:
    axes = figure.subplots()
    for (name, rate), color in zip((("precision", precision), ("recall", recall)), CURVES, strict=False):
        values = [np.mean([rate(found, threshold) for _, found in there]) if there else 0.0 for threshold in GRID]
        axes.plot(GRID, values, color=color, label=name, clip_on=False)
    share_axes(axes)
    titled(axes, "Thresholds", "means over the classes", "score from which on boxes count", "")
    legend(axes, "lower left")
