"""Metrics of series together: weights say how often each counts; what is not known of a series gives no value."""

import numpy as np
import polars as pl
import pytest

from automl_assets.forecasting.metrics import by_series, score
from automl_assets.forecasting.pooling import POOLED, has_columns, pooled, pooled_scores
from automl_assets.forecasting.steps import backtest


def test_series_that_count_twice_are_there_twice(make_group) -> None:
    truth = backtest.truth(make_group(n_series=3, n_test=0).panel, make_group(n_series=3, n_test=0).problem)
    random = np.random.default_rng(0)
    point = truth.y * random.uniform(0.8, 1.2, truth.y.shape)
    quantiles = point[..., None] + np.array([-9.0, -4.0, 0.0, 4.0, 9.0])
    series = np.array([0, 2, 2])
    twice = truth.part(np.arange(3), series)
    known = by_series(truth, point, quantiles)
    for name in POOLED:
        expected = score(name, twice, point[:, series], quantiles[:, series])
        assert pooled(name, known, np.array([[1.0, 0.0, 2.0]])) == pytest.approx(expected), name


def test_large_numbers_do_not_cancel() -> None:
    y = 1e9 + np.arange(8.0).reshape(2, 4)
    series = pl.DataFrame(
        {"n_rows": 4, "mean_squared_error": [0.5, 0.5], "mean_value": y.mean(1), "variance": y.var(1)}
    )
    assert pooled("r2_score", series) == pytest.approx(1 - 0.5 / y.var())


def test_what_is_not_known_gives_no_value() -> None:
    some = pl.DataFrame({"n_rows": [2, 3], "mean_absolute_error": [1.0, 2.0], "mean_size": [4.0, None]})
    assert has_columns("mean_absolute_error", some) and not has_columns("WAPE", some)
    assert not has_columns("spearman_correlation", some)
    assert pooled_scores(some) == {"mean_absolute_error": pytest.approx(1.6)} and pooled_scores(pl.DataFrame()) == {}
