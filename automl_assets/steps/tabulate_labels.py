"""tabulate_labels: how well each label is found, and what sets would be at other thresholds."""

from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.metrics import scores_of
from automl_assets.metrics.label_sets import decided_sets, label_areas, label_counts, ratio
from automl_assets.metrics.ranking import precision_area
from automl_assets.records import Problem

THRESHOLDS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())
SHOWN = ("precision_score", "recall_score", "f1_score")


def tabulate_labels(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> pl.DataFrame:
    """Of each label how many rows have it and are answered with it, and its rates; areas are null where none can be.

    >>> problem = Problem("any", "accuracy", ("a", "b"), is_multilabel=True)
    >>> tabulate_labels(np.array([[1, 0], [1, 0]]), np.array([[0.9, 0.1], [0.2, 0.6]]), None, problem)["f1"].round(2).to_list()
    [0.67, 0.0]
    """
    answered = decided_sets(prediction, problem)
    right, true, said = label_counts(truth, answered, weight)
    areas = {
        "AUC": label_areas(truth, prediction, weight),
        "average_precision": label_areas(truth, prediction, weight, precision_area),
    }
    return pl.DataFrame(
        {
            "label": [str(label) for label in problem.classes],
            "n_rows": (truth > 0).sum(axis=0),
            "n_answered": answered.sum(axis=0),
            "threshold": list(problem.thresholds or (0.5,) * problem.n_classes),
            "precision": ratio(right, said),
            "recall": ratio(right, true),
            "f1": ratio(2 * right, true + said),
            **{name: pl.Series(values).fill_nan(None) for name, values in areas.items()},
        }
    )


def tabulate_thresholds(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> pl.DataFrame:
    """Precision, recall and F1 if one threshold held for all labels, and how many labels a row would have."""
    names = ("accuracy", *(f"{name}_{average}" for average in ("micro", "macro") for name in SHOWN))
    rows = []
    for threshold in THRESHOLDS:
        decided = replace(problem, thresholds=(threshold,) * problem.n_classes)
        scores = scores_of(names, truth, prediction, weight, decided)
        n_labels = float(decided_sets(prediction, decided).sum(axis=1).mean())
        rows.append({"threshold": threshold, "labels_of_a_row": n_labels} | {name: scores.get(name) for name in names})
    return pl.DataFrame(rows, infer_schema_length=None)
