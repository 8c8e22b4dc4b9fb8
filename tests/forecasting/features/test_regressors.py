"""Columns of a design: what they hold, and that ONNX makes the same."""

import numpy as np
import onnxruntime
import pytest

from automl_assets.experiment.lag_settings import LagSettings
from automl_assets.forecasting.features.regressors import Moments, add_design, add_moments, fit_design, fit_moments
from automl_assets.forecasting.models.components import HOLIDAYS, SEASONS
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.records import Problem

COVARIATES = (Covariate("price", "known"), Covariate("visits", "past"), Covariate("event", "known", ("none", "sale")))
VALUES = np.array([[1.0, 9.0, 0.0], [3.0, 8.0, 1.0], [np.nan, 7.0, np.nan], [2.0, 6.0, 0.0]], np.float32)


def test_numbers_are_scaled_categories_marked_and_what_is_missing_says_nothing():
    design = fit_design(COVARIATES, VALUES, "known")
    assert design.names == ("price", "event", "event")
    spread = np.std([1, 3, 2])
    expected = [[-1 / spread, 1, 0], [1 / spread, 0, 1], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(design.of(VALUES), expected)


def test_covariates_of_every_role_are_taken_when_none_is_asked_for():
    assert fit_design(COVARIATES, VALUES).names == ("price", "visits", "event", "event")


def test_design_in_onnx():
    design, graph = fit_design(COVARIATES, VALUES), Graph()
    x = graph.input("x", np.float64, [None, 3])
    graph.output("y", add_design(graph, design, x)[0], np.float64, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    answer = session.run(None, {"x": VALUES.astype(np.float64)})[0]
    np.testing.assert_allclose(answer, design.of(VALUES))


def _hours(n_rows: int) -> Panel:
    """Hours in UTC over Christmas and the change of New York's clock."""
    stamps = np.datetime64("2023-12-01T00", "h") + np.arange(n_rows)
    return Panel(
        names=("a",),
        offsets=np.array([0, n_rows]),
        stamps=stamps.astype("datetime64[us]"),
        y=np.zeros(n_rows),
        is_filled=np.zeros(n_rows, bool),
        covariates=np.zeros((n_rows, 0), np.float32),
        statics=np.zeros((1, 0), np.float32),
    )


@pytest.fixture(scope="module")
def moments() -> Moments:
    problem = ForecastProblem(
        Problem("forecasting", "mean_absolute_error"),
        horizon=24,
        frequency="h",
        periods=(24, 168),
        quantiles=(0.5,),
        timezone="America/New_York",
        lags=LagSettings(holidays="US"),
    )
    return fit_moments(problem, _hours(24 * 120), most_harmonics=2)


def test_seasons_and_holidays_follow_the_local_clock(moments):
    assert [season.name for season in moments.seasons] == ["daily", "weekly"]  # four months teach no year
    assert set(moments.names) == {SEASONS, HOLIDAYS}
    winter, summer = np.datetime64("2024-01-10T17:00", "us"), np.datetime64("2024-03-20T16:00", "us")  # noon
    sines = moments.of(np.array([winter, summer]))[:, 0]
    np.testing.assert_allclose(sines, 0, atol=1e-9)  # half a day: the sine is zero
    is_holiday = np.array(moments.names) == HOLIDAYS
    christmas = moments.of(np.array(["2023-12-25T04:30", "2023-12-25T05:30", "2023-12-26T05:30"], "datetime64[us]"))
    eve, day, after = christmas[:, is_holiday]
    assert (eve[-2:].tolist(), day[:-2].sum(), after[-2:].tolist()) == ([1, 0], 1, [0, 1])


def test_moments_in_onnx(moments):
    stamps = _hours(24 * 120).stamps
    graph = Graph()
    seconds = graph.input("seconds", np.int64, [None])
    joined = graph.node("Concat", *add_moments(graph, moments, seconds), axis=1)
    graph.output("y", joined, np.float64, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    answer = session.run(None, {"seconds": stamps.astype("datetime64[s]").astype(np.int64)})[0]
    np.testing.assert_allclose(answer, moments.of(stamps), atol=1e-9)
