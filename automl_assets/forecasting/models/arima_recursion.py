"""ARIMA of any order and season as a recursion of `state_space`: what is remembered, what is differenced, a mean that drifts.

Here belongs what forecasters that estimate ARIMA share. Not here: how they find its orders.
"""

from typing import Any

import numpy as np

from automl_assets.forecasting.models.components import LAGS, LEVEL
from automl_assets.forecasting.models.state_space import Arrays, Estimate, Recursion


def estimate(z: np.ndarray, differencing: np.ndarray, memory: Arrays, mean: Arrays) -> Estimate:
    """Of the rows `z`, which are those of the series without their mean.

    `differencing` are the weights of past rows that are subtracted; (1,) for first differences. `memory` is of Harvey's
    form for the differenced rows: its `state` after the last one [width], the `weights` [<= width] of its first element,
    and the `gain` [width] by which the error of a forecast changes it. `mean` is that of the last row (`base`), how much
    it grows each row (`drift`), and what is added to each differenced row (`constant`).
    """
    width, n_past = len(memory["state"]), max(1, len(differencing))
    return Estimate(
        {
            "weights": np.pad(memory["weights"], (0, width - len(memory["weights"]))),
            "gain": memory["gain"],
            "differencing": np.pad(differencing, (0, n_past - len(differencing))),
            "constant": np.pad([mean["constant"]], (0, width - 1)),
            "drift": mean["drift"],
        },
        {"memory": memory["state"], "past": z[::-1][:n_past], "base": mean["base"]},
    )


def of_statsforecast(y: np.ndarray, found: dict[str, Any]) -> Estimate:
    """From what `statsforecast.arima` found for the rows `y`, which are without what regressors explain."""
    coefficients, model = found["coef"], found["model"]
    drift = coefficients.get("drift", 0.0)
    mean = coefficients.get("intercept", 0.0) + drift * np.arange(1, len(y) + 1)
    filtered = _filtered(y - mean, model)
    return estimate(y - mean, model["delta"], filtered, {"base": mean[-1], "drift": drift, "constant": 0.0})


def _filtered(z: np.ndarray, model: dict[str, Any]) -> Arrays:
    """State and gain after all rows, which conditional sums do not leave behind."""
    from statsforecast.arima import arima_like, make_arima

    fresh = make_arima(model["phi"], model["theta"], model["delta"])
    polynomials = fresh["phi"], fresh["theta"], fresh["delta"]
    arima_like(z, *polynomials, fresh["a"], fresh["P"], fresh["Pn"], 0, True)  # fills the last three
    width = len(fresh["a"]) - len(fresh["delta"])
    surprise = fresh["Pn"] @ fresh["Z"]
    return {"state": fresh["a"][:width], "weights": fresh["phi"], "gain": surprise[:width] / (fresh["Z"] @ surprise)}


def _remembered(p: Arrays, s: Arrays) -> Any:
    """The memory one row later, as long as nothing new is learnt."""
    first = s["memory"][:, :1]
    return p["weights"] * first + np.concatenate([s["memory"][:, 1:], first * 0.0], axis=1) + p["constant"]


def _parts(p: Arrays, s: Arrays) -> Arrays:
    subtracted = np.sum(p["differencing"] * s["past"], axis=1, keepdims=True)
    return {LEVEL: s["base"] + p["drift"], LAGS: _remembered(p, s)[:, :1] + subtracted}


def _update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    parts = _parts(p, s)
    z = y - parts[LEVEL]
    error = z - parts[LAGS]
    return {
        "memory": _remembered(p, s) + p["gain"] * error,
        "past": np.concatenate([z, s["past"][:, :-1]], axis=1),
        "base": parts[LEVEL],
    }


RECURSION = Recursion(_parts, _update)
