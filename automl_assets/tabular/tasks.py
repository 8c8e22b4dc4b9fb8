"""Classification and regression of table rows: what a target means, and tiny data to try them on."""

from functools import partial

import numpy as np
import polars as pl

from automl_assets.errors import DataError, listed
from automl_assets.learning.classes import class_codes, class_problem
from automl_assets.parts import Task
from automl_assets.records import Label, Problem

FLOAT32_MAX = float(np.finfo(np.float32).max)


def _regression_problem(target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
    values = _values(target, None)
    known = values[np.isfinite(values)]
    if known.size == 0 or known.min() == known.max():
        raise DataError(
            f'target "{target.name}": a regression needs numbers that differ; got {listed(target.unique().head(3).to_list())}. '
            "Is it the right column? Are its numbers read as text?"
        )
    low, high = float(known.min()), float(known.max())
    if max(-low, high, high - low) > FLOAT32_MAX:  # the model file would answer infinity
        raise DataError(
            f'target "{target.name}": numbers from {low:.3g} to {high:.3g} are larger than a model file can hold '
            f"({FLOAT32_MAX:.3g}, float32). Divide them, by a million say, or predict their logarithm."
        )
    return Problem("regression", metric, target_range=(low, high))


def _values(target: pl.Series, problem: Problem | None) -> np.ndarray:
    """The target as float64 [n_rows]; NaN where it is missing or no number."""
    values = target.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _sample_rows(seed: int, n_rows: int = 240) -> tuple[pl.DataFrame, np.ndarray]:
    """Numbers with gaps, categories, dates and a column of noise, and the signal [n_rows] that hides in them."""
    random = np.random.default_rng(seed)
    size = random.normal(size=n_rows)
    colour = random.choice(["red", "green", "blue"], n_rows)
    days = random.integers(0, 1000, n_rows)
    table = pl.DataFrame(
        {
            "size": pl.Series([None if i % 9 == 0 else float(value) for i, value in enumerate(size)]),
            "colour": colour,
            "bought": pl.Series((np.datetime64("2020-01-01") + days).astype("datetime64[ms]")).cast(pl.Date),
            "noise": random.normal(size=n_rows),
        }
    )
    return table, 2 * size + 3 * (colour == "red") + days / 500 + random.normal(scale=0.3, size=n_rows)


def _sample_classification(seed: int) -> tuple[pl.DataFrame, str]:
    table, signal = _sample_rows(seed)
    return table.with_columns(answer=pl.Series(np.where(signal > np.median(signal), "yes", "no"))), "answer"


def _sample_regression(seed: int) -> tuple[pl.DataFrame, str]:
    table, signal = _sample_rows(seed)
    return table.with_columns(answer=pl.Series(signal)), "answer"


PARTS = (
    Task(
        name="classification",
        title="Which class does a row belong to?",
        family="tabular",
        default_metric="accuracy",
        further_metrics=("accuracy", "AUC_weighted", "log_loss", "norm_macro_recall"),
        problem=partial(class_problem, "classification"),
        encode_target=class_codes,
        metric_kinds=frozenset({"classes"}),
        stratify=True,
        sample=_sample_classification,
    ),
    Task(
        name="regression",
        title="Which number belongs to a row?",
        family="tabular",
        default_metric="normalized_root_mean_squared_error",
        further_metrics=("root_mean_squared_error", "mean_absolute_error", "r2_score", "spearman_correlation"),
        problem=_regression_problem,
        encode_target=_values,
        metric_kinds=frozenset({"values"}),
        stratify=False,
        sample=_sample_regression,
    ),
)
