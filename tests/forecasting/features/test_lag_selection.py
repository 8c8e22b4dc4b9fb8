"""Which lags are looked at: as asked, or as partial autocorrelation tells."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import toeplitz

from automl_assets.experiment.lag_settings import LagSettings
from automl_assets.forecasting.features.lag_selection import (
    fit_plan,
    partial_autocorrelations,
    usable_periods,
    ways_to_look,
)
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.records import Problem

PROBLEM = ForecastProblem(Problem("forecasting", "mean_absolute_error"), 7, "D", (7, 365), (0.5,))


def _panel(y: np.ndarray) -> Panel:
    stamps = np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + len(y)).astype("datetime64[us]")
    empty = np.empty((len(y), 0), np.float32)
    return Panel(("a",), np.array([0, len(y)]), stamps, y, np.zeros(len(y), bool), empty, np.empty((1, 0), np.float32))


def _autoregressive(weights: tuple[float, ...], length: int = 400) -> np.ndarray:
    random, y = np.random.default_rng(3), np.zeros(length)
    for row in range(len(weights), length):
        y[row] = np.dot(weights, y[row - len(weights) : row][::-1]) + random.normal()
    return y


def test_a_partial_autocorrelation_is_the_last_weight_of_as_many_lags():
    """By its definition, the equations of Yule and Walker."""
    y = _autoregressive((0.6, 0.3))
    centred = y - y.mean()
    covariances = np.array([centred[lag:] @ centred[: len(y) - lag] for lag in range(13)])
    weights = [np.linalg.solve(toeplitz(covariances[:n]), covariances[1 : n + 1]) for n in range(1, 13)]
    np.testing.assert_allclose(partial_autocorrelations(y, 12), [some[-1] for some in weights], atol=1e-8)
    assert partial_autocorrelations(np.ones(30), 3).tolist() == [0, 0, 0]


def _plan(y: np.ndarray, settings: LagSettings):
    problem = replace(PROBLEM, lags=settings)
    return fit_plan(ways_to_look(problem, _panel(y))[0], problem, _panel(y))


@pytest.mark.parametrize(("y", "lags"), [(_autoregressive((0.8,)), (1,)), (np.ones(400), ()), (np.ones(5), ())])
def test_auto_finds_the_lags_that_tell_something(y, lags):
    assert _plan(y, LagSettings(target_lags="auto", rolling_window="auto")).lags == lags


def test_what_is_asked_is_looked_at():
    plan = _plan(_autoregressive((0.8,)), LagSettings(target_lags=(2, 9), rolling_window=5, feature_lags=(3,)))
    assert (plan.lags, plan.windows, plan.covariate_lags) == ((2, 9), (5,), (3,))


@pytest.mark.parametrize(("asked", "n_trends"), [("season", 0), ("season_trend", 2)])
def test_the_season_taken_apart_is_the_longest_that_is_not_too_long(asked, n_trends):
    stl = _plan(np.sin(np.arange(800)), LagSettings(use_stl=asked)).stl
    assert stl.seasonal.shape == (7, 28)
    assert stl.trend.shape == (n_trends, 28)


def test_without_a_season_nothing_is_taken_apart():
    assert _plan(np.arange(13.0), LagSettings(use_stl="season")).stl is None


def test_a_season_that_was_not_seen_twice_is_left_out():
    assert usable_periods(PROBLEM, _panel(np.ones(400))) == (7,)
    assert usable_periods(PROBLEM, _panel(np.ones(730))) == (7, 365)
