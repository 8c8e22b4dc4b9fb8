"""Metrics of many series together, out of what is known of each: series of all groups, or series drawn again.

What series are measured by is a mean over series; of a ratio the sums are taken first. So the whole is measured as its
parts are, and as `metrics` measures one group. Not here: what is known of a series (`metrics.by_series`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.forecasting.metrics import NAIVE2, OF_SERIES

LEAST_R2 = -1.0  # as in `metrics`, of tables too


@dataclass(frozen=True)
class Means:
    """Columns of `metrics.by_series`, and how often each series counts."""

    columns: Mapping[str, np.ndarray]  # float64 [n_series] by name
    counts: np.ndarray  # float64 [n_draws, n_series]

    def over_series(self, name: str) -> np.ndarray:
        """Mean over the series that have a value [n_draws]."""
        values = self.columns[name]
        is_known = np.isfinite(values)
        return (self.counts @ np.where(is_known, values, 0.0)) / (self.counts @ is_known.astype(np.float64))

    def over_stamps(self, name: str, n_rows: str = "n_rows") -> np.ndarray:
        """Mean over all stamps, or over those that another column counts [n_draws]."""
        return self.mean(self.columns[name], self.columns[n_rows])

    def mean(self, values: np.ndarray, n_rows: np.ndarray | None = None) -> np.ndarray:
        """Mean of values [n_series], each of as many stamps [n_draws]."""
        stamps = self.columns["n_rows"] if n_rows is None else n_rows
        return (self.counts @ np.where(stamps > 0, stamps * values, 0.0)) / (self.counts @ stamps)


@dataclass(frozen=True)
class Pooled:
    """A metric of many series: what it looks at, and how."""

    columns: tuple[str, ...]
    value: Callable[[Means], np.ndarray]  # [n_draws]


def _mean(column: str, n_rows: str = "n_rows", factor: float = 1.0) -> Pooled:
    return Pooled((column, n_rows), lambda means: factor * means.over_stamps(column, n_rows))


def _root(column: str) -> Pooled:
    return Pooled((column,), lambda means: np.sqrt(means.over_stamps(column)))


def _as_share_of_size(column: str, factor: float) -> Pooled:
    return Pooled(
        (column, "mean_size"), lambda means: factor * means.over_stamps(column) / means.over_stamps("mean_size")
    )


def _of_series(name: str) -> Pooled:
    return Pooled((name,), lambda means: means.over_series(name))


def _overall_weighted(means: Means) -> np.ndarray:
    return np.mean([means.over_series(name) / means.over_series(NAIVE2[name]) for name in NAIVE2], axis=0)


def _variance(means: Means) -> np.ndarray:
    """Of the values of all series; their means count from the middle of all, lest large numbers cancel."""
    middle = np.average(means.columns["mean_value"], weights=means.columns["n_rows"])
    away = means.columns["mean_value"] - middle
    return means.mean(means.columns["variance"] + away**2) - means.mean(away) ** 2


def _r2(means: Means) -> np.ndarray:
    return np.maximum(LEAST_R2, 1 - means.over_stamps("mean_squared_error") / _variance(means))


def _explained_variance(means: Means) -> np.ndarray:
    left = means.over_stamps("mean_squared_error") - means.over_stamps("mean_error") ** 2
    return 1 - left / _variance(means)


POOLED: dict[str, Pooled] = {
    "OWA": Pooled((*NAIVE2, *NAIVE2.values()), _overall_weighted),
    "WAPE": _as_share_of_size("mean_absolute_error", 1.0),
    "WQL": _as_share_of_size("pinball_loss", 2.0),
    "explained_variance": Pooled(("mean_squared_error", "mean_error", "mean_value", "variance"), _explained_variance),
    "mean_absolute_error": _mean("mean_absolute_error"),
    "mean_absolute_percentage_error": _mean("mean_percentage", "n_percentages", 100.0),
    "pinball_loss": _mean("pinball_loss"),
    "r2_score": Pooled(("mean_squared_error", "mean_value", "variance"), _r2),
    "root_mean_squared_error": _root("mean_squared_error"),
    "root_mean_squared_log_error": _root("mean_squared_log_error"),
    **{name: _of_series(name) for name in OF_SERIES},
}


def has_columns(name: str, series: pl.DataFrame) -> bool:
    """Whether what is known of each series is enough for a metric: medians and ranks need every stamp, and homes of
    before know less."""
    wanted = POOLED[name].columns if name in POOLED else ("",)
    return all(column in series.columns and not series[column].null_count() for column in wanted)


def pooled(name: str, series: pl.DataFrame, counts: np.ndarray | None = None) -> np.ndarray:
    """A metric of series that count so often, float64 [n_draws, n_series], or once each: [n_draws]; NaN without a value.

    >>> series = pl.DataFrame({"n_rows": [2, 2], "mean_absolute_error": [1.0, 9.0], "mean_size": [1.0, 99.0]})
    >>> pooled("WAPE", series).tolist(), pooled("WAPE", series, np.array([[2.0, 0.0]])).tolist()
    ([0.1], [1.0])
    """
    one = POOLED[name]
    columns = {column: series[column].to_numpy().astype(np.float64) for column in {*one.columns, "n_rows"}}
    drawn = np.ones((1, series.height)) if counts is None else counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return one.value(Means(columns, drawn))


def pooled_scores(series: pl.DataFrame) -> dict[str, float]:
    """Every metric that these series give a value."""
    if not series.height:
        return {}
    found = {name: float(pooled(name, series)[0]) for name in POOLED if has_columns(name, series)}
    return {name: value for name, value in found.items() if np.isfinite(value)}
