"""Metrics of forecasts against Nixtla's utilsforecast, scikit-learn, and values worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics
from utilsforecast import losses

from automl_assets import metrics
from automl_assets.forecasting.metrics import (
    BY_ORIGIN,
    BY_SERIES,
    FORMULAS,
    ForecastTruth,
    all_scores,
    by_series,
    coverage,
    score,
    scores_of_each,
)
from automl_assets.forecasting.records import Panel

HORIZON, SEASON = 6, 12
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def _panel(targets: list[np.ndarray]) -> Panel:
    lengths = [len(y) for y in targets]
    return Panel(
        names=tuple(f"s{i}" for i in range(len(targets))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stamps=np.concatenate([np.arange(n) for n in lengths]).astype("datetime64[D]").astype("datetime64[us]"),
        y=np.concatenate(targets).astype(float),
        is_filled=np.zeros(sum(lengths), bool),
        covariates=np.zeros((sum(lengths), 0), np.float32),
        statics=np.zeros((len(targets), 0), np.float32),
    )


@pytest.fixture
def truth() -> ForecastTruth:
    """Three series of different size and length, and what came next at one origin."""
    random = np.random.default_rng(0)
    series = [
        size * (5 + np.sin(2 * np.pi * np.arange(n) / SEASON) + random.uniform(size=n))
        for size, n in ((1, 50), (30, 61), (1000, 45))
    ]
    whole = _panel(series)
    return ForecastTruth(whole.until(HORIZON), whole, (whole.lengths - HORIZON)[None], HORIZON, SEASON, LEVELS)


@pytest.fixture
def point(truth: ForecastTruth) -> np.ndarray:
    return truth.y * np.random.default_rng(1).uniform(0.8, 1.2, truth.y.shape)


def _frames(truth: ForecastTruth, point: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecasts and history, as utilsforecast takes them."""
    n_series = truth.whole.n_series
    ahead = pd.DataFrame(
        {"unique_id": np.repeat(truth.whole.names, HORIZON), "ds": list(range(HORIZON)) * n_series}
        | {"y": truth.y[0].ravel(), "model": point[0].ravel()}
    )
    history = [
        pd.DataFrame({"unique_id": name, "ds": range(len(y)), "y": y})
        for name, y in zip(truth.learnt.names, truth.learnt.series(), strict=True)
    ]
    return ahead, pd.concat(history)


def _series_oracles(truth: ForecastTruth, point: np.ndarray) -> dict[str, float]:
    ahead, history = _frames(truth, point)
    spans = np.array([np.ptp(y) for y in truth.learnt.series()])
    log_spans = np.array([np.ptp(np.log1p(y)) for y in truth.learnt.series()])
    squared_logs = ((np.log1p(point) - np.log1p(truth.y)) ** 2).mean(axis=(0, 2))
    return {
        "MASE": losses.mase(ahead, ["model"], SEASON, history)["model"].mean(),
        "RMSSE": losses.rmsse(ahead, ["model"], 1, history)["model"].mean(),  # M5: one step, whatever the season
        "sMAPE": 200 * losses.smape(ahead, ["model"])["model"].mean(),
        "normalized_mean_absolute_error": (losses.mae(ahead, ["model"])["model"] / spans).mean(),
        "normalized_root_mean_squared_error": (losses.rmse(ahead, ["model"])["model"] / spans).mean(),
        "normalized_median_absolute_error": (np.median(np.abs(point - truth.y), axis=(0, 2)) / spans).mean(),
        "normalized_root_mean_squared_log_error": (np.sqrt(squared_logs) / log_spans).mean(),
    }


def _pooled_oracles(truth: ForecastTruth, point: np.ndarray) -> dict[str, float]:
    y, answer = truth.y.ravel(), point.ravel()
    pinball = np.mean([sklearn_metrics.mean_pinball_loss(y, answer, alpha=level) for level in LEVELS])
    return {
        "WAPE": np.abs(y - answer).sum() / y.sum(),
        "pinball_loss": pinball,
        "WQL": 2 * pinball / y.mean(),
        "mean_absolute_error": sklearn_metrics.mean_absolute_error(y, answer),
        "mean_absolute_percentage_error": 100 * sklearn_metrics.mean_absolute_percentage_error(y, answer),
        "median_absolute_error": sklearn_metrics.median_absolute_error(y, answer),
        "root_mean_squared_error": sklearn_metrics.root_mean_squared_error(y, answer),
        "root_mean_squared_log_error": sklearn_metrics.root_mean_squared_log_error(y, answer),
        "r2_score": sklearn_metrics.r2_score(y, answer),
        "explained_variance": sklearn_metrics.explained_variance_score(y, answer),
        "spearman_correlation": pd.Series(y).corr(pd.Series(answer), method="spearman"),
    }


def test_every_metric_equals_its_oracle(truth: ForecastTruth, point: np.ndarray) -> None:
    expected = _series_oracles(truth, point) | _pooled_oracles(truth, point)
    found = all_scores(truth, point)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert set(expected) | {"OWA"} == set(found) == set(metrics.metric_names("forecasting")) == set(FORMULAS)


def test_owa_of_its_own_yardstick_is_one(truth: ForecastTruth, point: np.ndarray) -> None:
    assert score("OWA", truth, truth.naive2) == pytest.approx(1.0)
    doubled = truth.y + 2 * (truth.naive2 - truth.y)
    shares = [score(name, truth, doubled) / score(name, truth, truth.naive2) for name in ("MASE", "sMAPE")]
    assert score("OWA", truth, doubled) == pytest.approx(np.mean(shares))


def test_rmsse_is_measured_by_steps_since_the_first_demand() -> None:
    """M5 (Makridakis et al. 2022): sales before a product is sold tell nothing of how it sells."""
    whole = _panel([np.array([0.0] * 40 + [3, 5, 1, 4] + [4, 4])])
    truth = ForecastTruth(whole.until(2), whole, np.array([[44]]), 2, SEASON, LEVELS)
    scale = (2**2 + 4**2 + 3**2) / 3
    assert score("RMSSE", truth, np.array([[[5.0, 7.0]]])) == pytest.approx(np.sqrt((1 + 9) / 2 / scale))


def test_naive2_repeats_a_multiplicative_season_and_leaves_noise_alone() -> None:
    factors = 1 + 0.5 * np.sin(2 * np.pi * np.arange(60) / SEASON)
    noise = np.random.default_rng(0).uniform(1, 2, 60)
    whole = _panel([100 * factors, noise])
    made = ForecastTruth(whole.until(HORIZON), whole, (whole.lengths - HORIZON)[None], HORIZON, SEASON, LEVELS).naive2[
        0
    ]
    np.testing.assert_allclose(made[0], 100 * factors[-HORIZON:], rtol=0.02)
    np.testing.assert_array_equal(made[1], np.full(HORIZON, noise[-HORIZON - 1]))


def test_many_forecasts_at_once_are_scored_as_one_by_one(truth: ForecastTruth, point: np.ndarray) -> None:
    many = np.stack([point, truth.seasonal_naive, truth.naive2])
    for name in FORMULAS:
        np.testing.assert_allclose(scores_of_each(name, truth, many), [score(name, truth, one) for one in many])


def test_made_up_values_and_series_that_take_no_part_count_nowhere(truth: ForecastTruth, point: np.ndarray) -> None:
    is_filled = truth.whole.is_filled.copy()
    is_filled[[49, 110]] = True  # the last of two series
    changed = replace(
        truth, whole=replace(truth.whole, is_filled=is_filled), ends=np.where([[True, True, False]], truth.ends, -1)
    )
    assert changed.counts.tolist() == [5, 5, 0]
    wild = np.where(np.isfinite(changed.y), point, 1e9)
    errors = np.abs(point - truth.y)[0, :2, :5]
    assert score("mean_absolute_error", changed, wild) == pytest.approx(errors.mean())
    assert score("MASE", changed, wild) == pytest.approx((errors.mean(axis=1) / changed.scales[:2]).mean())
    assert by_series(changed, wild)["series"].to_list() == ["s0", "s1"]


@pytest.mark.parametrize("series", [np.array([2, 0]), np.array([False, True, True])], ids=["numbers", "mask"])
def test_a_part_of_what_was_worked_out_is_what_a_part_works_out(truth: ForecastTruth, series: np.ndarray) -> None:
    names, origins = (*BY_ORIGIN, *BY_SERIES), np.array([0])
    expected = [getattr(truth.part(origins, series), name) for name in names]
    assert not set(names) & set(truth.__dict__)
    for name in names:
        getattr(truth, name)
    found = truth.part(origins, series)
    assert set(names) <= set(found.__dict__)
    for name, value in zip(names, expected, strict=True):
        np.testing.assert_array_equal(getattr(found, name), value)


def test_the_seasonal_naive_forecast_repeats_the_last_season(truth: ForecastTruth) -> None:
    expected = [y[-SEASON:][:HORIZON] for y in truth.learnt.series()]
    np.testing.assert_array_equal(truth.seasonal_naive[0], expected)
    short = _panel([np.array([1.0, 2.0, 9, 9, 9, 9, 9, 9])])
    made = ForecastTruth(short, short, np.array([[2]]), HORIZON, SEASON, LEVELS).seasonal_naive
    assert made[0, 0].tolist() == [1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize("y", [np.full(40, 7.0), np.zeros(40), np.array([5.0, 5.0]), np.array([3.0])])
def test_scales_are_above_zero_whatever_the_series(y: np.ndarray) -> None:
    panel = _panel([y])
    made = ForecastTruth(panel, panel, np.array([[len(y)]]), HORIZON, SEASON, LEVELS)
    assert made.scales[0] > 0 and made.squares[0] > 0
    assert all_scores(made, np.zeros((1, 1, HORIZON))) == {}


def test_zeros_are_left_out_of_percentages() -> None:
    whole = _panel([np.array([1.0, 2, 3, 4, 0, 2, 0, 4, 0, 10])])
    truth = ForecastTruth(whole.until(HORIZON), whole, np.array([[4]]), HORIZON, 1, LEVELS)
    assert score("mean_absolute_percentage_error", truth, np.ones((1, 1, HORIZON))) == pytest.approx(
        100 * (0.5 + 0.75 + 0.9) / 3
    )


def test_coverage_counts_what_lies_inside() -> None:
    whole = _panel([np.arange(26.0)])
    truth = ForecastTruth(whole.until(20), whole, np.array([[6]]), 20, 1, LEVELS)
    ends = np.array([-100.0, 8, 10, 23.5, 100])
    found = coverage(truth, np.broadcast_to(ends, (1, 1, 20, 5)))
    assert found == {"coverage_80": pytest.approx(16 / 20), "coverage_95": 1.0}
    assert coverage(replace(truth, levels=(0.5,)), np.zeros((1, 1, 20, 1))) == {}
