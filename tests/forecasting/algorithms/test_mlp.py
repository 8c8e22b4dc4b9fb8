"""What is the net's own: what it answers before it has learnt, what a line cannot learn, what it does not look at."""

import time
from dataclasses import replace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.forecasting.algorithms import mlp
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.records import Problem
from tests.clocks import Ticking

HORIZON, N_ROWS, WEEK = 3, 400, 7
PART = registry.algorithms("forecasting")["mlp"]
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="D",
    periods=(WEEK,),
    quantiles=(0.1, 0.5, 0.9),
)
CONFIG = {"values": 14, "width": 32, "blocks": 1, "dropout": 0.0, "rate": 3e-3, "log": False}


def panel(*targets: np.ndarray) -> Panel:
    lengths = np.array([len(y) for y in targets])
    days = [np.datetime64("2024-01-01", "D") + np.arange(length) for length in lengths]
    return Panel(
        names=tuple(f"series {number}" for number in range(len(targets))),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        stamps=np.concatenate(days).astype("datetime64[us]"),
        y=np.concatenate(targets).astype(np.float64),
        is_filled=np.zeros(lengths.sum(), bool),
        covariates=np.zeros((lengths.sum(), 0), np.float32),
        statics=np.zeros((len(targets), 0), np.float32),
    )


def future(history: Panel) -> Panel:
    return panel(*np.full((history.n_series, HORIZON), np.nan))


def tent(seed: int) -> np.ndarray:
    """Each value follows from the one before, by a tent that no line comes near."""
    values = [np.random.default_rng(seed).uniform(0.1, 0.9)]
    while len(values) < N_ROWS:
        values.append(0.95 * (1 - abs(2 * values[-1] - 1)) + 0.01)
    return np.array(values)


def errors(name: str, config: dict, history: Panel) -> float:
    """Mean absolute error of the first step, at the ends of all series."""
    part = registry.algorithms("forecasting")[name]
    known = history.until(HORIZON)
    model = part.fit(config, known, ForecastContext(PROBLEM))
    truth = history.last(HORIZON).as_matrix()[:, 0]
    return float(np.abs(part.forecast(model, known, future(known))[:, 0, 0] - truth).mean())


def test_a_net_that_has_learnt_nothing_repeats_the_season() -> None:
    history = panel(np.tile(np.arange(WEEK), 30) + np.repeat(np.arange(30), WEEK), np.tile(np.arange(WEEK) ** 2.0, 9))
    model = PART.fit(CONFIG, history, ForecastContext(PROBLEM, deadline=time.monotonic()))
    last = np.array([y[-WEEK:][:HORIZON] for y in history.series()])
    assert PART.forecast(model, history, future(history))[:, :, 0] == pytest.approx(last, rel=1e-6)


def test_what_no_line_comes_near_is_learnt() -> None:
    history = panel(*(tent(seed) for seed in range(20)))
    linear = errors("linear", {"values": 14, "pull": 10.0, "log": False}, history)
    assert errors("mlp", CONFIG, history) < linear / 3


def test_values_made_up_are_not_learnt() -> None:
    history = panel(np.tile([10.0, 12, 14, 16, 18, 20, 22], 60) + np.random.default_rng(0).normal(size=7 * 60))
    history = replace(history, is_filled=np.arange(7 * 60) >= 100)
    learning = mlp._Learning(CONFIG, mlp.fit_lookback(history, PROBLEM, 14, False), history, ForecastContext(PROBLEM))
    known, made_up = (float(learning._loss(np.array([[0, first]])).detach()) for first in (80, 90))
    assert known > 0 and made_up == 0


def test_time_that_is_short_means_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    history = panel(*(tent(seed) for seed in range(20)))
    clock = Ticking(seconds_a_look=0.02)
    monkeypatch.setattr(mlp, "time", clock)
    context = ForecastContext(PROBLEM, deadline=clock.now + 0.5)
    learning = mlp._Learning(CONFIG, mlp.fit_lookback(history, PROBLEM, 14, False), history, context)
    learning.run()
    assert learning.optimizer.n_steps > 0 and clock.now < context.deadline + 0.05


def test_too_few_windows_suit_no_net() -> None:
    assert PART.portfolio(PROBLEM, panel(np.arange(60.0))) == []
    assert len(PART.portfolio(PROBLEM, panel(*np.ones((20, 60))))) == 5
