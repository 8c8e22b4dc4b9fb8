"""Promises that every forecaster keeps, found by the registry: fitted on one panel, asked with the same or a longer one.

How tensors are fed to a forecaster's ONNX nodes is shown by `_onnx_forecast`: a graph of one forecaster whose inputs
are `SeriesTensors`, run once for each series. What can be checked on one fit is checked on one: `_usual` makes it once.
"""

import time
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models import components
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config
from automl_assets.records import Problem
from automl_assets.resources.model_codec import read_models, write_models

HORIZON, N_NEW, MONTHS = 6, 5, 12
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="MS",
    periods=(MONTHS,),
    quantiles=(0.1, 0.5, 0.9),
    covariates=(Covariate("level", "known"), Covariate("visits", "past")),  # one is called as a summand is
    statics=(Covariate("size", "known"),),
)
LENGTHS = (72, 60, 84)  # of the histories


def _panel(targets: list[np.ndarray]) -> Panel:
    """Monthly series that end in the same month, with covariates that move the target a little."""
    lengths = np.array([len(y) for y in targets])
    random = np.random.default_rng(7)
    end = np.datetime64("2024-01", "M")
    stamps = [np.arange(end - length, end).astype("datetime64[us]") for length in lengths]
    return Panel(
        names=tuple(f"series {number}" for number in range(len(targets))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stamps=np.concatenate(stamps),
        y=np.concatenate(targets).astype(np.float64),
        is_filled=np.zeros(lengths.sum(), bool),
        covariates=random.normal(size=(lengths.sum(), 2)).astype(np.float32),
        statics=np.arange(len(targets), dtype=np.float32)[:, None],
    )


def _seasonal(length: int, seed: int) -> np.ndarray:
    """A trend, a year, and noise."""
    months = np.arange(length)
    noise = np.random.default_rng(seed).normal(scale=1.0, size=length)
    return 100 + 10 * seed + 0.5 * months + 12 * np.sin(2 * np.pi * months / MONTHS) + noise


def _rare(length: int, seed: int) -> np.ndarray:
    """Demand in one month of three."""
    random = np.random.default_rng(seed)
    return np.where(random.random(length) < 0.33, random.integers(1, 9, length), 0).astype(np.float64)


PANELS = {
    "seasonal": _panel([_seasonal(length + HORIZON, seed) for seed, length in enumerate(LENGTHS, start=1)]),
    "intermittent": _panel([_rare(length + HORIZON, seed) for seed, length in enumerate(LENGTHS, start=1)]),
}


def _future(panel: Panel) -> Panel:
    """The last rows as a forecaster sees them: neither the target nor past covariates."""
    future = panel.last(HORIZON)
    covariates = future.covariates.copy()
    covariates[:, 1] = np.nan
    return replace(future, y=np.full_like(future.y, np.nan), covariates=covariates)


def _suited(part: Forecaster) -> Panel:
    """A panel for which the forecaster has configurations."""
    return next(panel for panel in PANELS.values() if part.portfolio(PROBLEM, panel.until(HORIZON)))


SMALL = {"iterations": 3, "orders": 2, "n_estimators": 20, "rounds": 20, "epochs": 3}


def _configs(part: Forecaster) -> list[Config]:
    """The portfolio with fewer trees and epochs: the promises hold for any number."""
    portfolio = part.portfolio(PROBLEM, _suited(part).until(HORIZON))
    return [config | {key: value for key, value in SMALL.items() if key in config} for config in portfolio]


def _fitted(part: Forecaster, history: Panel, config: Config | None = None, seed: int = 0):
    return part.fit(config or _configs(part)[0], history, ForecastContext(PROBLEM, seed=seed))


@cache
def _usual(name: str) -> tuple[Any, Panel, Panel]:
    """The first configuration's model, the history it was fitted on, and what is ahead; nothing may change them."""
    part = registry.algorithms("forecasting")[name]
    history = _suited(part).until(HORIZON)
    return _fitted(part, history), history, _future(_suited(part))


@cache
def _usual_forecast(name: str) -> np.ndarray:
    return registry.algorithms("forecasting")[name].forecast(*_usual(name))


def _session(part: Forecaster, model) -> onnxruntime.InferenceSession:
    graph = Graph()
    shapes = {
        "series": (np.int64, [1]),
        "y": (np.float64, [None]),
        "n_new": (np.int64, [1]),
        "history_seconds": (np.int64, [None]),
        "future_seconds": (np.int64, [None]),
        "history_covariates": (np.float64, [None, len(PROBLEM.covariates)]),
        "future_covariates": (np.float64, [None, len(PROBLEM.covariates)]),
        "statics": (np.float64, [1, len(PROBLEM.statics)]),
    }
    tensors = SeriesTensors(**{f.name: graph.input(f.name, *shapes[f.name]) for f in fields(SeriesTensors)})
    graph.output("forecast", part.to_onnx(model, graph, tensors), np.float64, [None, None])
    return onnxruntime.InferenceSession(graph.build().SerializeToString())


def _onnx_forecast(session: onnxruntime.InferenceSession, history: Panel, future: Panel, n_new: int) -> np.ndarray:
    """What the ONNX nodes answer for each series, [n_series, horizon, n_heads]."""
    wanted = {given.name for given in session.get_inputs()}
    answers = []
    for number in range(history.n_series):
        past, ahead = history.of(np.array([number])), future.of(np.array([number]))
        feed = {
            "series": np.array([number]),
            "y": past.y,
            "n_new": np.array([n_new]),
            "history_seconds": past.stamps.astype("datetime64[s]").astype(np.int64),
            "future_seconds": ahead.stamps.astype("datetime64[s]").astype(np.int64),
            "history_covariates": past.covariates.astype(np.float64),
            "future_covariates": ahead.covariates.astype(np.float64),
            "statics": past.statics.astype(np.float64),
        }
        answers.append(session.run(None, {name: feed[name] for name in wanted})[0])
    return np.stack(answers)


def _assert_same(onnx: np.ndarray, python: np.ndarray) -> None:
    """Parity relative to the size of what is forecast of a series."""
    assert onnx.shape == python.shape
    np.testing.assert_array_equal(np.isnan(onnx), np.isnan(python))
    sizes = np.nanmax(np.abs(python), axis=(1, 2), initial=1e-12, keepdims=True)
    assert np.nanmax(np.abs(onnx - python) / sizes, initial=0) <= 1e-4


def _n_heads(part: Forecaster) -> int:
    return len(PROBLEM.quantiles) if part.heads == "quantiles" else 1


PARTS = list(registry.algorithms("forecasting").values())
every_forecaster = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
every_configuration = pytest.mark.parametrize(
    ("part", "config"),
    [
        pytest.param(part, config, id=f"{part.name}-{number}")
        for part in PARTS
        for number, config in enumerate(_configs(part), start=1)
    ],
)


@every_forecaster
def test_configurations_of_the_portfolio_differ(part):
    configs = [repr(sorted(config.items())) for config in part.portfolio(PROBLEM, _suited(part).until(HORIZON))]
    assert len(set(configs)) == len(configs)


@every_configuration
def test_every_configuration_forecasts_and_its_onnx_says_the_same(part, config):
    """Right after the fit, and with rows that came since: of one model."""
    panel = _suited(part)
    model = _fitted(part, panel.until(HORIZON + N_NEW), config)
    session = _session(part, model)
    for n_new in (0, N_NEW):
        known = panel.until(N_NEW - n_new)
        history, future = known.until(HORIZON), _future(known)
        forecast = part.forecast(model, history, future)
        assert forecast.shape == (history.n_series, HORIZON, _n_heads(part))
        assert np.isfinite(forecast).all()
        _assert_same(_onnx_forecast(session, history, future, n_new), forecast)


@every_forecaster
def test_beats_the_mean_of_a_seasonal_series(part):
    panel = _suited(part)
    if panel is not PANELS["seasonal"]:
        pytest.skip(f"{part.title} is for intermittent demand, where the mean is hard to beat")
    history, truth = panel.until(HORIZON), panel.last(HORIZON).as_matrix()
    forecast = _usual_forecast(part.name)
    middle = forecast[:, :, forecast.shape[2] // 2]
    means = np.array([y.mean() for y in history.series()])[:, None]
    assert np.abs(middle - truth).mean() < 0.9 * np.abs(means - truth).mean()


@every_forecaster
def test_same_seed_same_forecast(part):
    _, history, future = _usual(part.name)
    again = part.forecast(_fitted(part, history), history, future)
    np.testing.assert_array_equal(again, _usual_forecast(part.name))


@every_forecaster
def test_stored_and_read_forecasts_the_same(part):
    model, history, future = _usual(part.name)
    (read,) = read_models(write_models((model,)))
    np.testing.assert_array_equal(part.forecast(read, history, future), part.forecast(model, history, future))


@every_forecaster
def test_some_of_the_series_and_stamps_are_forecast_as_among_all(part):
    model, history, future = _usual(part.name)
    some = np.array([2, 0])
    among_all = _usual_forecast(part.name)[some][:, : HORIZON - 2]
    alone = part.forecast(model, history.of(some), future.of(some).until(2))
    np.testing.assert_allclose(alone, among_all, rtol=1e-6)


@every_forecaster
def test_the_truth_to_come_is_not_looked_at(part):
    model, history, _ = _usual(part.name)
    truth = _suited(part).last(HORIZON)
    np.testing.assert_array_equal(part.forecast(model, history, truth), _usual_forecast(part.name))


ODD = {
    "constant": [np.full(40, 7.0), np.full(30, -2.0), np.full(50, 1e6)],
    "zeros": [np.zeros(40), np.zeros(30), np.zeros(50)],
    "short": [np.arange(2.0) + HORIZON, np.array([3.0, 1.0, 2.0]), np.array([5.0, 4.0, 6.0, 5.0, 7.0])],
    "mixed": [np.zeros(3), _seasonal(60, 1), np.full(14, 5.0)],
    "far": [_seasonal(60, 1) * 1e9, _seasonal(48, 2) * 1e-9, _seasonal(60, 3) - 1e4],
}


@pytest.mark.parametrize("kind", ODD)
@every_forecaster
def test_odd_series_are_survived(part, kind):
    """Each is forecast, or is NaN as a whole: never an exception, never infinite; and ONNX says the same."""
    panel = _panel([np.concatenate([y, np.full(HORIZON, y[-1])]) for y in ODD[kind]])
    history, future = panel.until(HORIZON), _future(panel)
    model = _fitted(part, history)
    forecast = part.forecast(model, history, future)
    assert forecast.shape == (3, HORIZON, _n_heads(part))
    is_lost = np.isnan(forecast).any(axis=(1, 2))
    assert np.isnan(forecast[is_lost]).all()
    assert np.isfinite(forecast[~is_lost]).all()
    _assert_same(_onnx_forecast(_session(part, model), history, future, 0), forecast)


@every_forecaster
def test_deadline_in_the_past_is_kept(part):
    _, history, future = _usual(part.name)  # what is imported and compiled at the first fit is not what is asked here
    started = time.process_time()
    model = part.fit(_configs(part)[0], history, ForecastContext(PROBLEM, deadline=time.monotonic() - 1))
    assert time.process_time() - started < 2
    assert part.forecast(model, history, future).shape == (history.n_series, HORIZON, _n_heads(part))


@pytest.mark.parametrize("part", [part for part in PARTS if part.explain], ids=lambda part: part.name)
def test_components_add_up_to_the_point(part):
    model, history, future = _usual(part.name)
    forecast = _usual_forecast(part.name)
    contributions = part.explain(model, history, future)
    assert set(contributions) <= {*components.WORDS, *(components.of_column(one.name) for one in PROBLEM.covariates)}
    middle = forecast[:, :, forecast.shape[2] // 2]
    np.testing.assert_allclose(sum(contributions.values()), middle, rtol=1e-6)
