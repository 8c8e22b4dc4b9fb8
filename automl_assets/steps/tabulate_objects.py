"""tabulate_objects: how well the objects of each class are found, and what other thresholds would do."""

import numpy as np
import polars as pl

from automl_assets.metrics.objects import OVERLAPS, area, coco_area, found_of_classes, precision, recall
from automl_assets.records import Problem

THRESHOLDS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())


def tabulate_objects(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> pl.DataFrame:
    """Of each class how many objects there are and how many boxes count, and its rates; null of a class that is not there."""
    every = [found_of_classes(truth, prediction, weight, problem.n_classes, i) for i in range(len(OVERLAPS))]
    rows = []
    for code, label in enumerate(problem.classes):
        one, threshold = every[0][code], problem.threshold
        rates = {
            "precision": precision(one, threshold),
            "recall": recall(one, threshold),
            "average_precision": area(one),
            "average_precision_coco": float(np.mean([coco_area(found[code]) for found in every])),
        }
        counts = {"n_objects": one.n_true, "n_answered": int((one.score >= threshold).sum()), "threshold": threshold}
        is_there = one.n_true > 0
        rows.append({"label": str(label), **counts, **{name: rates[name] if is_there else None for name in rates}})
    return pl.DataFrame(rows, infer_schema_length=None)


def tabulate_object_thresholds(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> pl.DataFrame:
    """Precision and recall, means over the classes that are there, if boxes counted from another score on."""
    there = [one for one in found_of_classes(truth, prediction, weight, problem.n_classes) if one.n_true > 0]
    rows = [
        {
            "threshold": threshold,
            "boxes_of_an_image": sum(int((one.score >= threshold).sum()) for one in there) / max(1, len(truth)),
            "precision": float(np.mean([precision(one, threshold) for one in there])) if there else None,
            "recall": float(np.mean([recall(one, threshold) for one in there])) if there else None,
        }
        for threshold in THRESHOLDS
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
