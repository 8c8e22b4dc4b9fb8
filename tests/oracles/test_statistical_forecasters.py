"""The libraries that estimate are oracles of what we do with the estimates: forecasts, and rows that came since."""

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config
from automl_assets.records import Problem

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
RARE = np.where(NOISE > 0.6, np.ceil(3 * NOISE), 0.0)
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
    return registry.algorithms("forecasting")[name].fit(config, _panel(y), ForecastContext(PROBLEM))


def _forecast(name: str, model, y: np.ndarray = Y) -> np.ndarray:
    return registry.algorithms("forecasting")[name].forecast(
        model, _panel(y), _panel(np.full((len(y), HORIZON), np.nan))
    )[:, :, 0]


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


@pytest.mark.parametrize("period", [MONTHS, 1])
def test_arima(period):
    from statsforecast.arima import auto_arima_f, forecast_arima

    found = [auto_arima_f(y, period=period, approximation=True, nmodels=30) for y in Y]
    assert {"drift", "ar1", "ma1"} <= {name for each in found for name in each["coef"]}
    expected = np.array([forecast_arima(each, HORIZON)["mean"] for each in found])
    _assert_equal(_forecast("arima", _fitted("arima", {"period": period})), expected)


def test_arima_takes_in_rows_that_came_since():
    """The filter has all but settled by the end of the rows, so that the gain no longer changes."""
    from statsforecast.arima import auto_arima_f, forecast_arima, forward_arima

    found = [forward_arima(auto_arima_f(y[:-N_NEW], approximation=True, nmodels=30), y) for y in Y]
    expected = np.array([forecast_arima(each, HORIZON)["mean"] for each in found])
    ours = _forecast("arima", _fitted("arima", {"period": 1}, Y[:, :-N_NEW]), Y)
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_auto_arima(monkeypatch):
    """pmdarima estimates on differenced rows: so are our forecasts, differenced, its own."""
    import pmdarima

    found, original = [], pmdarima.auto_arima
    monkeypatch.setattr(pmdarima, "auto_arima", lambda *args, **kw: found.append(original(*args, **kw)) or found[-1])
    some = Y[[0, 2, 4]]
    config = {"period": MONTHS, "iterations": 10, "orders": 5}
    ours = _forecast("auto_arima", _fitted("auto_arima", config, some), some)
    assert len({each.order[1] for each in found}) > 1
    for y, forecast, each in zip(some, ours, found, strict=True):
        rows = np.append(y, forecast)
        for lag in [1] * each.order[1] + [MONTHS] * each.seasonal_order[1]:
            rows = rows[lag:] - rows[:-lag]
        np.testing.assert_allclose(rows[-HORIZON:], each.arima_res_.forecast(HORIZON), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", ["croston", "sba", "adida", "imapa", "tsb"])
def test_intermittent(method):
    from statsforecast.models import ADIDA, IMAPA, TSB, CrostonClassic, CrostonSBA

    theirs = {
        "croston": CrostonClassic(),
        "sba": CrostonSBA(),
        "adida": ADIDA(),
        "imapa": IMAPA(),
        "tsb": TSB(0.1, 0.1),
    }
    expected = np.array([theirs[method].forecast(y, HORIZON)["mean"] for y in RARE])
    rtol = 1e-4 if method in ("adida", "imapa") else 1e-6  # paces are optimised by two methods
    ours = _forecast("intermittent", _fitted("intermittent", {"method": method}, RARE), RARE)
    np.testing.assert_allclose(ours, expected, rtol=rtol)


@pytest.mark.parametrize("method", ["croston", "sba", "tsb"])
def test_intermittent_takes_in_rows_that_came_since(method):
    """Smoothed at a fixed pace: as if all had been learnt at once, also where the first demand is among the new."""
    late = np.vstack([RARE, np.where(np.arange(RARE.shape[1]) >= RARE.shape[1] - 4, RARE.max(axis=0) + 1, 0)])
    whole = _forecast("intermittent", _fitted("intermittent", {"method": method}, late), late)
    caught_up = _forecast("intermittent", _fitted("intermittent", {"method": method}, late[:, :-N_NEW]), late)
    np.testing.assert_allclose(caught_up, whole, rtol=1e-9)


@pytest.mark.parametrize("periods", [[MONTHS], [4, MONTHS]])
def test_mstl(periods):
    from statsforecast.models import MSTL, AutoETS

    oracle = MSTL(periods, trend_forecaster=AutoETS(model="ANN"))
    expected = np.array([oracle.forecast(y, HORIZON)["mean"] for y in Y])
    _assert_equal(_forecast("mstl", _fitted("mstl", {"periods": periods, "trend": "ANN"})), expected)
