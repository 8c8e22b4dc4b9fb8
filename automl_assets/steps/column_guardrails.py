"""column_guardrails: what to know about single columns and the target before anything learns from them, and the problem
that they pose. Not here: leaks, time, memory (`table_guardrails`), and what only one family looks at.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.errors import SettingError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Problem
from automl_assets.steps.column_profile import HIGH_CARDINALITY

IMBALANCE_RATIO = 0.2  # rarest class to most frequent, as in Azure


def problem_of(table: pl.DataFrame, experiment: Experiment) -> Problem:
    """What the rows of the source ask, with the threshold that the experiment names."""
    problem = experiment.task_part.problem(table[experiment.target], experiment.metric, experiment.positive_label)
    return problem if experiment.threshold == "auto" else _with_threshold(problem, experiment.threshold)


def _with_threshold(problem: Problem, threshold: float) -> Problem:
    """The experiment speaks of the positive class, or of every label; the problem of the second class."""
    if problem.answers == "label_sets":
        return replace(problem, thresholds=(threshold,) * problem.n_classes)
    if problem.n_classes != 2:
        raise SettingError(f"threshold: only two classes have one; the target has {problem.n_classes}. Remove it")
    return replace(problem, threshold=threshold if problem.positive == 1 else 1.0 - threshold)


def missing_values(columns: tuple[ColumnProfile, ...], n_rows: int) -> Guardrail:
    """Gaps of the features."""
    gaps = {c.name: c.n_missing for c in columns if c.n_missing and c.kind != "ignored"}
    if not gaps:
        return Guardrail("missing_values", "passed", "No feature has missing values.")
    most = max(gaps, key=lambda name: gaps[name])
    text = f"{len(gaps)} columns have missing values, most of all {most} ({gaps[most] / n_rows:.0%}). They are imputed and marked."
    return Guardrail("missing_values", "done", text, {"columns": len(gaps), "cells": sum(gaps.values())})


def missing_target(target: pl.Series) -> Guardrail:
    """Rows without an answer to learn from."""
    n_missing = target.null_count()
    if not n_missing:
        return Guardrail("missing_target", "passed", "Every row has a target.")
    text = f"{n_missing} of {len(target)} rows have no target and take no part."
    return Guardrail("missing_target", "done", text, {"rows": n_missing})


def high_cardinality(columns: tuple[ColumnProfile, ...]) -> Guardrail:
    """Columns with very many categories."""
    many = [c.name for c in columns if c.kind == "categorical" and c.n_unique > HIGH_CARDINALITY]
    if not many:
        return Guardrail("high_cardinality", "passed", "No categorical column has very many categories.")
    text = f"{', '.join(many)}: over {HIGH_CARDINALITY} categories; rare ones are taken together."
    return Guardrail("high_cardinality", "done", text, {"columns": len(many)})


def ignored_columns(columns: tuple[ColumnProfile, ...]) -> Guardrail:
    """Columns that cannot help, and why."""
    ignored = [c for c in columns if c.kind == "ignored"]
    if not ignored:
        return Guardrail("ignored_columns", "passed", "Every column is used.")
    text = "Not used: " + "; ".join(f"{c.name} ({c.reason})" for c in ignored[:20]) + "."
    return Guardrail("ignored_columns", "done", text, {"columns": len(ignored)})


def class_balance(target: pl.Series, problem: Problem, experiment: Experiment) -> Guardrail:
    """Whether a class or label is so rare that accuracy hides it."""
    if not problem.classes:
        return Guardrail("class_balance", "passed", "A regression has no classes.")
    named = experiment.task_part.labels_of(target)
    counts = Counter(label for labels in named for label in labels or ())
    rarest, most = min(counts.values()), max(counts.values())
    ratio = rarest / most
    figures = {"rarest": rarest, "most_frequent": most, "ratio": ratio}
    if ratio > IMBALANCE_RATIO:
        return Guardrail("class_balance", "passed", f"The rarest class is {ratio:.0%} of the most frequent.", figures)
    others = "norm_macro_recall or " if problem.answers == "classes" else "iou_macro or "
    text = (
        f"The rarest class has {rarest} rows, {ratio:.1%} of the most frequent ({most}). "
        f"Accuracy can hide that it is never found: look at AUC_weighted, {others}f1_score_macro."
    )
    return Guardrail("class_balance", "alerted", text, figures)


def unseen_classes(dataset: Dataset, problem: Problem, experiment: Experiment) -> Guardrail:
    """Rows of a validation or test file whose class the source lacks: no model can answer with it."""
    others = dataset.table[dataset.roles.target].filter(dataset.part != SOURCE).drop_nulls()
    if problem.answers in ("label_sets", "boxes"):
        return _unseen_labels(experiment.task_part.labels_of(others), problem)
    unknown = (
        experiment.task_part.encode_target(others, problem) < 0 if problem.classes else np.zeros(len(others), bool)
    )
    if not unknown.any():
        return Guardrail("unseen_classes", "passed", "No validation or test file has a class that the source lacks.")
    classes = listed(sorted(map(str, others.filter(unknown).unique())))
    n_rows = int(unknown.sum())
    text = (
        f"{n_rows} of {len(others)} rows of the validation and test files have a class that the source lacks ({classes}). "
        "They take no part: every metric leaves them out."
    )
    return Guardrail("unseen_classes", "alerted", text, {"rows": n_rows, "classes": classes})


def _unseen_labels(named: list[tuple[str, ...] | None], problem: Problem) -> Guardrail:
    known = set(map(str, problem.classes))
    lacking = [set(labels or ()) - known for labels in named]
    unknown, n_rows = sorted(set().union(*lacking)), sum(map(bool, lacking))
    if not unknown:
        return Guardrail("unseen_classes", "passed", "No validation or test file has a label that the source lacks.")
    are_boxes = problem.answers == "boxes"
    rest = "boxes around them count as wrong" if are_boxes else "rows without any other are left out of every metric"
    text = (
        f"{n_rows} of {len(named)} rows of the validation and test files have labels that the source lacks "
        f"({listed(unknown)}). These labels take no part; {rest}."
    )
    return Guardrail("unseen_classes", "alerted", text, {"rows": n_rows, "classes": listed(unknown)})


def duplicate_rows(table: pl.DataFrame) -> Guardrail:
    """Whether rows repeat each other."""
    n_twice = table.height - table.n_unique()
    if not n_twice:
        return Guardrail("duplicate_rows", "passed", "No row occurs twice.")
    share = n_twice / table.height
    text = f"{n_twice} rows ({share:.1%}) repeat an earlier one; copies may fall on both sides of the split."
    return Guardrail("duplicate_rows", "alerted" if share > 0.01 else "done", text, {"rows": n_twice})
