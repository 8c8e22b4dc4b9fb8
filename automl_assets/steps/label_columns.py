"""label_columns: the labels of rows as columns that cohorts of errors are told by."""

import numpy as np
import polars as pl

from automl_assets.answer_kinds import answers_of
from automl_assets.records import Problem

MOST_LABELS = 12  # of sets, the most frequent, that rows are told apart by


def label_columns(truth: np.ndarray, problem: Problem) -> list[pl.Series]:
    """Of classes the label of each row; of sets how many labels there are, and whether the most frequent are among them."""
    return _LABELS[problem.answers](truth, problem)


def _label(truth: np.ndarray, problem: Problem) -> list[pl.Series]:
    return [pl.Series("label", [str(problem.classes[code]) for code in truth], pl.String)]


def _label_set(truth: np.ndarray, problem: Problem) -> list[pl.Series]:
    is_true = answers_of(problem).indicator(truth, problem.n_classes)
    often = np.argsort(-is_true.sum(axis=0), kind="stable")[:MOST_LABELS]
    named = [(f"has label {problem.classes[code]}", is_true[:, code]) for code in np.sort(often)]
    has = [pl.Series(name, np.where(own, "yes", "no")) for name, own in named]
    return [pl.Series("number of labels", is_true.sum(axis=1)), *has]


_LABELS = {"classes": _label, "label_sets": _label_set}
