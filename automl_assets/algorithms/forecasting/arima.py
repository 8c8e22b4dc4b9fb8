"""ARIMA with seasons, orders found step by step, as statsforecast estimates it: fast enough for many series."""

from functools import partial
from typing import Any

import numpy as np

from automl_assets import arma
from automl_assets.innovations import Arrays, Estimate, explain, fit, forecast, to_onnx
from automl_assets.parts import Config, ForecastContext, Forecaster
from automl_assets.series import ForecastProblem, Panel

MOST_PERIOD = 24  # longer seasons take minutes a series
MOST_ROWS = 400  # the last ones are learnt from
MOST_MODELS = 30  # tried for one series
LONG_PERIOD = 12  # beyond, errors before the first row count as none (conditional sums): five times faster


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    period = next((period for period in problem.periods if period <= MOST_PERIOD), 1)
    plain: Config = {"period": period}
    is_positive = history.y.min(initial=0) > 0
    return [plain, *([plain | {"log": True}] if is_positive else []), *([{"period": 1}] if period > 1 else [])]


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    from statsforecast.arima import auto_arima_f

    y, is_long = y[-MOST_ROWS:], config["period"] > LONG_PERIOD
    found = auto_arima_f(
        y, period=config["period"], approximation=True, nmodels=MOST_MODELS, method="CSS" if is_long else None
    )
    coefficients, model = found["coef"], found["model"]
    drift = coefficients.get("drift", 0.0)
    mean = coefficients.get("intercept", 0.0) + drift * np.arange(1, len(y) + 1)
    filtered = _filtered(y - mean, model)
    return arma.estimate(y - mean, model["delta"], filtered, {"base": mean[-1], "drift": drift, "constant": 0.0})


def _filtered(z: np.ndarray, model: dict[str, Any]) -> Arrays:
    """State and gain after all rows, which conditional sums do not leave behind."""
    from statsforecast.arima import arima_like, make_arima

    fresh = make_arima(model["phi"], model["theta"], model["delta"])
    polynomials = fresh["phi"], fresh["theta"], fresh["delta"]
    arima_like(z, *polynomials, fresh["a"], fresh["P"], fresh["Pn"], 0, True)  # fills the last three
    width = len(fresh["a"]) - len(fresh["delta"])
    surprise = fresh["Pn"] @ fresh["Z"]
    return {"state": fresh["a"][:width], "weights": fresh["phi"], "gain": surprise[:width] / (fresh["Z"] @ surprise)}


PART = Forecaster(
    name="arima",
    title="ARIMA",
    reference="Hyndman and Khandakar, Journal of Statistical Software 27(3), 2008 (statsforecast)",
    kinds=frozenset({"python"}),
    scope="series",
    portfolio=_portfolio,
    fit=partial(fit, _estimate),
    forecast=partial(forecast, arma.RECURSION),
    to_onnx=partial(to_onnx, arma.RECURSION),
    explain=partial(explain, arma.RECURSION),
    time_share=1.5,
    requires="statsforecast",
)
