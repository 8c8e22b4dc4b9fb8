"""What every model with a state does alike: series that are lost, logarithms, explosions, and the same in ONNX."""

import numpy as np
import pytest

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models.state_space import Estimate, Recursion, explain, fit, forecast, suits_logarithms
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.tracing import Symbol
from automl_assets.records import Problem

HORIZON = 4
CONTEXT = ForecastContext(ForecastProblem(Problem("forecasting", "mean_absolute_error"), HORIZON, "D", (), (0.5,)))
# Multiplies the last row by a factor: a line in logarithms, an explosion for a great factor.
GROWING = Recursion(
    lambda p, s: {"last": s["last"], "growth": s["last"] * (p["factor"] - 1)}, lambda p, s, y: {"last": y}
)


def _panel(*targets: list[float]) -> Panel:
    lengths = [len(y) for y in targets]
    n_rows = sum(lengths)
    return Panel(
        names=tuple("abcdef"[: len(targets)]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        stamps=np.concatenate([np.arange(n).astype("datetime64[D]").astype("datetime64[us]") for n in lengths]),
        y=np.concatenate(targets).astype(float),
        is_filled=np.zeros(n_rows, bool),
        covariates=np.zeros((n_rows, 0), np.float32),
        statics=np.zeros((len(targets), 0), np.float32),
    )


def _estimate(y, config, context):
    if len(y) < 2:
        raise ValueError("too short")
    return Estimate({"factor": config["factor"]}, {"last": y[-1]})


def _answer(config, *targets, after=None):
    history = _panel(*targets)
    model = fit(_estimate, config, history, CONTEXT)
    future = _panel(*[[np.nan] * HORIZON] * len(targets))
    return model, forecast(GROWING, model, after or history, future)[:, :, 0]


def test_a_lost_series_is_nan_and_says_why_and_the_others_are_forecast():
    model, points = _answer({"factor": 1.0}, [1.0, 2.0], [5.0], [3.0, 4.0])
    assert model.lost == {1: "ValueError: too short"}
    np.testing.assert_array_equal(points, [[2.0] * HORIZON, [np.nan] * HORIZON, [4.0] * HORIZON])


def test_an_estimate_that_is_not_finite_is_lost():
    model, points = _answer({"factor": np.inf}, [1.0, 2.0])
    assert model.lost == {0: "the estimate is not finite"}
    assert np.isnan(points).all()


def test_explosions_stay_within_three_ranges_and_are_explained():
    history = _panel([0.0, 10.0])
    model = fit(_estimate, {"factor": 100.0}, history, CONTEXT)
    future = _panel([np.nan] * HORIZON)
    np.testing.assert_array_equal(forecast(GROWING, model, history, future), np.full((1, HORIZON, 1), 40.0))
    parts = explain(GROWING, model, history, future)
    assert parts["correction"][0, 0] == 40 - 1000
    np.testing.assert_allclose(sum(parts.values()), 40.0)


def test_rows_that_came_since_widen_what_a_forecast_may_reach():
    _, points = _answer({"factor": 1.0}, [0.0, 1.0], after=_panel([0.0, 1.0, 50.0]))
    np.testing.assert_array_equal(points, [[50.0] * HORIZON])


def test_logarithms_are_taken_of_positive_series_alone():
    """In logarithms a constant factor is a power: 8 doubles its logarithm to 64; the other series doubles plainly."""
    _, points = _answer({"factor": 2.0, "log": True}, [1.0, 8.0], [-1.0, 8.0])
    np.testing.assert_allclose(points[:, 0], [64.0, 16.0])


def test_logarithms_suit_where_most_series_are_positive():
    assert suits_logarithms(_panel([1.0, 2.0], [3.0], [0.0, 1.0]))
    assert not suits_logarithms(_panel([1.0, 2.0], [0.0, 1.0]))


def test_a_function_without_a_counterpart_in_onnx_is_refused():
    graph = Graph()
    symbol = Symbol(graph, graph.input("x", np.float64, [1, 1]))
    with pytest.raises(TypeError, match="no implementation found for 'numpy.median'"):
        np.median(symbol)
    with pytest.raises(TypeError, match="did not implement|not supported|returned NotImplemented"):
        np.arctan(symbol)
