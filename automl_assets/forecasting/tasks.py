"""Forecasting of series: what a target means, and tiny series to try it on. How rows become series is in `steps`."""

import numpy as np
import polars as pl

from automl_assets.errors import DataError, listed
from automl_assets.parts import Task
from automl_assets.records import Label, Problem


def _problem(target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
    values = _values(target, None)
    known = values[np.isfinite(values)]
    if known.size == 0:
        raise DataError(
            f'target "{target.name}": a forecast needs numbers; got {listed(target.unique().head(3).to_list())}. '
            "Is it the right column? Are its numbers read as text?"
        )
    return Problem("forecasting", metric, target_range=(float(known.min()), float(known.max())))


def _values(target: pl.Series, problem: Problem | None) -> np.ndarray:
    """The target as float64 [n_rows]; NaN where it is missing or no number."""
    values = target.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _sample(seed: int, n_series: int = 3, n_days: int = 84) -> tuple[pl.DataFrame, str]:
    """Daily sales of shops with a week's rhythm, a price that is known ahead and moves them, and noise."""
    random = np.random.default_rng(seed)
    day = np.tile(np.arange(n_days), n_series)
    price = random.uniform(1, 2, len(day))
    sales = 20 + 5 * (day % 7 == 5) - 4 * price + 0.05 * day + random.normal(scale=0.5, size=len(day))
    table = pl.DataFrame(
        {
            "shop": np.repeat([f"shop {number}" for number in range(n_series)], n_days),
            "day": (np.datetime64("2024-01-01") + day).astype("datetime64[us]"),
            "price": price,
            "sales": sales,
        }
    )
    return table, "sales"


FURTHER_METRICS = ("MASE", "sMAPE", "mean_absolute_error", "normalized_root_mean_squared_error")

PARTS = (
    Task(
        name="forecasting",
        title="What comes next in a series?",
        family="forecasting",
        default_metric="normalized_root_mean_squared_error",
        further_metrics=FURTHER_METRICS,
        problem=_problem,
        encode_target=_values,
        metric_kinds=frozenset({"values", "series"}),
        stratify=False,
        sample=_sample,
    ),
)
