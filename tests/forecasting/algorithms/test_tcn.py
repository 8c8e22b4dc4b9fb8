"""What is the network's own: windows, what is computed of the last block, series it never met, and when it suits."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from automl_assets import registry
from automl_assets.forecasting.algorithms import tcn
from automl_assets.forecasting.features.network_inputs import fit_network_inputs, table_of
from automl_assets.forecasting.forecaster import ForecastContext, SeriesTensors
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.records import Problem

HORIZON, N_ROWS, DAY = 12, 400, 24
PART = registry.algorithms("forecasting")["tcn"]
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="h",
    periods=(DAY,),
    quantiles=(0.1, 0.5, 0.9),
    covariates=(Covariate("heat", "known"), Covariate("visits", "past"), Covariate("day", "known", ("work", "feast"))),
)
CONFIG = {
    **{"epochs": 15, "blocks": 2, "cells": 2, "channels": 8, "dropout": 0.1},
    **{"learning_rate": 1e-2, "log": False},
}


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Hours of two series that follow the day, and heat twice as much."""
    random, hours = np.random.default_rng(0), np.arange(N_ROWS)
    heat = random.normal(size=2 * N_ROWS)
    day = np.tile(np.sin(2 * np.pi * hours / DAY), 2)
    feast = np.tile(hours // DAY % 7 == 6, 2)
    y = 50 + 10 * day + 20 * heat + random.normal(size=2 * N_ROWS)
    return Panel(
        names=("a", "b"),
        offsets=np.array([0, N_ROWS, 2 * N_ROWS]),
        stamps=np.tile((np.datetime64("2024-01-01T00", "h") + hours).astype("datetime64[us]"), 2),
        y=y,
        is_filled=np.zeros(2 * N_ROWS, bool),
        covariates=np.column_stack([heat, random.normal(size=2 * N_ROWS), feast]).astype(np.float32),
        statics=np.zeros((2, 0), np.float32),
    )


@pytest.fixture(scope="module")
def model(panel) -> tcn.Network:
    return PART.fit(CONFIG, panel.until(HORIZON), ForecastContext(PROBLEM))


def _onnx_forecast(model: tcn.Network, history: Panel, future: Panel, series: int) -> np.ndarray:
    graph = Graph()
    tensors = SeriesTensors(
        series=graph.input("series", np.int64, [1]),
        y=graph.input("y", np.float64, [None]),
        n_new="",
        history_seconds="",
        future_seconds=graph.input("future_seconds", np.int64, [None]),
        history_covariates=graph.input("history_covariates", np.float64, [None, 3]),
        future_covariates=graph.input("future_covariates", np.float64, [None, 3]),
        statics="",
    )
    graph.output("forecast", PART.to_onnx(model, graph, tensors), np.float64, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    feed = {
        "series": np.array([series]),
        "y": history.y,
        "future_seconds": future.stamps.astype("datetime64[s]").astype(np.int64),
        "history_covariates": history.covariates.astype(np.float64),
        "future_covariates": future.covariates.astype(np.float64),
    }
    return session.run(None, feed)[0]


def test_dilated_convolutions_of_onnx_and_the_thinned_ones_of_learning_say_the_same(panel, model):
    one = np.array([1])
    history, future = panel.until(HORIZON).of(one), panel.last(HORIZON).of(one)
    np.testing.assert_allclose(
        _onnx_forecast(model, history, future, 1), PART.forecast(model, history, future)[0], rtol=1e-4
    )


def test_fewer_steps_are_the_first_of_all(panel, model):
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    whole, first = PART.forecast(model, history, future), future.until(HORIZON - 5)
    np.testing.assert_allclose(PART.forecast(model, history, first), whole[:, :5], rtol=1e-5)
    one = np.array([0])
    onnx = _onnx_forecast(model, history.of(one), first.of(one), 0)
    np.testing.assert_allclose(onnx, whole[0, :5], rtol=1e-4)


def test_a_series_never_met_is_forecast_by_what_all_have_in_common(panel, model):
    one = np.array([0])
    history, future = replace(panel.until(HORIZON).of(one), names=("new",)), panel.last(HORIZON).of(one)
    forecast = PART.forecast(model, history, future)[0]
    np.testing.assert_allclose(_onnx_forecast(model, history, future, -1), forecast, rtol=1e-4)
    assert np.abs(forecast[:, 1] - future.y).mean() < 12


def test_known_covariates_are_learnt_and_quantiles_ascend(panel, model):
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    forecast = PART.forecast(model, history, future)
    assert (np.diff(forecast, axis=2) >= 0).all()
    error = np.abs(forecast[:, :, 1] - future.as_matrix()).mean()
    assert error < 6  # heat alone moves the target by 16 on average


def test_what_a_known_covariate_adds_is_told(panel, model):
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    told = PART.explain(model, history, future)
    assert set(told) == {"level", "seasons", "heat", "day", "pattern"}
    heat = future.covariates[:, 0].reshape(2, HORIZON)
    assert (
        np.corrcoef(told["heat"].ravel(), heat.ravel())[0, 1] > 0.7
    )  # what heat did to the last seasons is taken back


def test_origins_to_learn_from_end_before_what_is_checked(panel):
    field = tcn._field(CONFIG["blocks"], CONFIG["cells"])
    sight = fit_network_inputs(PROBLEM, panel, field, CONFIG["log"])
    table = table_of(sight, panel, np.ones(2))
    training, checked = tcn._origins(sight, panel, table)
    for number in range(2):
        learnt, held = (part[part[:, 0] == number, 1] for part in (training, checked))
        assert learnt.max() + HORIZON <= held.min()
        assert held.max() + HORIZON == table.first[number] + N_ROWS


def test_too_little_to_learn_from_is_not_tried(panel):
    assert PART.portfolio(PROBLEM, panel)
    assert not PART.portfolio(PROBLEM, panel.last(60))
