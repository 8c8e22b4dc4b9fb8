"""The libraries that estimate are oracles of what we do with the estimates: forecasts, and rows that came since."""

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.parts import Config, ForecastContext
from automl_assets.records import Problem
from automl_assets.series import ForecastProblem, Panel

HORIZON, N_NEW, MONTHS = 30, 7, 12
MONTH = np.arange(96)
NOISE = np.random.default_rng(3).normal(size=(8, 96))
SERIES = {
    "growing": 100 + MONTH + 10 * np.sin(2 * np.pi * MONTH / MONTHS) + NOISE[0],
    "multiplied": (50 + MONTH) * (1 + 0.3 * np.sin(2 * np.pi * MONTH / MONTHS)) * np.exp(0.03 * NOISE[1]),
    "wandering": 40 + np.cumsum(NOISE[2]),
    "negative": -20 + 5 * np.cos(2 * np.pi * MONTH / MONTHS) + NOISE[3],
    "noise": 5 + NOISE[4],
    "fading": 100 + np.cumsum(0.95**MONTH * 3 + 0.5 * NOISE[5]),
    "jumping": 30 + 8 * (MONTH > 50) + NOISE[6],
}
Y = np.stack(list(SERIES.values()))
UNDAMPED = [number for number, name in enumerate(SERIES) if name != "fading"]


def _panel(y: np.ndarray) -> Panel:
    n_series, length = y.shape
    return Panel(
        names=tuple(f"series {number}" for number in range(n_series)),
        offsets=np.arange(n_series + 1) * length,
        stamps=np.tile(np.arange("2000-01", length, dtype="datetime64[M]").astype("datetime64[us]"), n_series),
        y=y.ravel(),
        is_filled=np.zeros(y.size, bool),
        covariates=np.zeros((y.size, 0), np.float32),
        statics=np.zeros((n_series, 0), np.float32),
    )


PROBLEM = ForecastProblem(Problem("forecasting", "mean_absolute_error"), HORIZON, "MS", (MONTHS,), (0.5,))


def _fitted(name: str, config: Config, y: np.ndarray = Y):
    return registry.forecasters()[name].fit(config, _panel(y), ForecastContext(PROBLEM))


def _forecast(name: str, model, y: np.ndarray = Y) -> np.ndarray:
    return registry.forecasters()[name].forecast(model, _panel(y), _panel(np.full((len(y), HORIZON), np.nan)))[:, :, 0]


def _assert_equal(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6 * np.abs(theirs).mean())


def _undamped(forecast: np.ndarray, found: dict) -> np.ndarray:
    """statsforecast 2.1 adds φ once more where the second step of a damped trend adds φ² (and so on, to φ^h)."""
    phi, growth = found["par"][3], found["states"][-1][1]
    return forecast - growth * (phi - phi ** np.arange(1, HORIZON + 1))


@pytest.mark.parametrize("config", [{"period": MONTHS, "model": "ZZZ"}, {"period": 1, "model": "ZZN"}])
def test_ets(config):
    from statsforecast.ets import ets_f, forecast_ets

    expected, kinds = [], set()
    for y in Y:
        found = ets_f(y, config["period"], config["model"])
        mean = forecast_ets(found, HORIZON)["mean"]
        kinds.add(found["components"])
        expected.append(_undamped(mean, found) if found["components"].endswith("D") else mean)
    assert len(kinds) >= 3
    _assert_equal(_forecast("ets", _fitted("ets", config)), np.array(expected))


def test_ets_takes_in_rows_that_came_since():
    from statsforecast.ets import ets_f, forecast_ets, forward_ets

    found = [forward_ets(ets_f(y[:-N_NEW], MONTHS, "ZZZ"), y) for y in Y[UNDAMPED]]
    expected = np.array([forecast_ets(each, HORIZON)["mean"] for each in found])
    model = _fitted("ets", {"period": MONTHS, "model": "ZZZ"}, Y[UNDAMPED][:, :-N_NEW])
    _assert_equal(_forecast("ets", model, Y[UNDAMPED]), expected)


@pytest.mark.parametrize("period", [MONTHS, 1])
def test_ces(period):
    from statsforecast.ces import auto_ces, forecast_ces

    found = [auto_ces(y, period) for y in Y]
    assert len({each["seasontype"] for each in found}) >= (1 if period == 1 else 2)
    expected = np.array([forecast_ces(each, HORIZON)["mean"] for each in found])
    _assert_equal(_forecast("ces", _fitted("ces", {"period": period})), expected)


@pytest.mark.parametrize("season", ["multiplicative", "additive"])
@pytest.mark.parametrize(("model", "code"), [("dynamic_optimized", "DOTM"), ("optimized", "OTM"), ("standard", "STM")])
def test_theta(model, code, season):
    from statsforecast.theta import auto_theta, forecast_theta

    found = [auto_theta(y, MONTHS, model=code, decomposition_type=season) for y in Y]
    assert {each.get("decompose", False) for each in found} == {True, False}
    expected = np.array([forecast_theta(each, HORIZON)["mean"] for each in found])
    config = {"period": MONTHS, "model": model, "season": season}
    _assert_equal(_forecast("theta", _fitted("theta", config)), expected)
