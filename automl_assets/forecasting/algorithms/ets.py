"""Exponential smoothing: level, trend and season by error, the kind of each chosen by the corrected Akaike criterion."""

from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models.components import LEVEL, SEASONS, TREND
from automl_assets.forecasting.models.state_space import Arrays, Estimate, Recursion, state_forecaster
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config

MOST_PERIOD = 24  # of a season that statsforecast estimates


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    seasonal: list[Config] = [{"period": period, "model": "ZZZ"} for period in problem.periods if period <= MOST_PERIOD]
    return [*seasonal, {"period": 1, "model": "ZZN"}]


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    from statsforecast.ets import ets_f

    found = ets_f(y, config["period"], config["model"])
    (_, trend, season, damped), (alpha, beta, gamma, phi) = found["components"], found["par"][:4]
    states = iter(found["states"][-1])
    level, growth = next(states), next(states) if trend != "N" else 0.0
    cycle = np.fromiter(states, float)
    still = np.zeros(config["period"])
    return Estimate(
        {
            "alpha": alpha,
            "pull": beta / alpha if trend != "N" else 0.0,  # of the trend towards the change of the level
            "gamma": gamma if season != "N" else 0.0,
            "phi": phi if damped == "D" else 1.0,
            "is_multiplicative": float(season == "M"),
        },
        {
            "level": level,
            "growth": growth,
            "added": cycle if season == "A" else still,  # seasons, the next one last
            "factor": cycle if season == "M" else still + 1,
        },
    )


def _parts(p: Arrays, s: Arrays) -> Arrays:
    growth = p["phi"] * s["growth"]
    season = (s["level"] + growth) * (s["factor"][:, -1:] - 1) + s["added"][:, -1:]
    return {LEVEL: s["level"], TREND: growth, SEASONS: season}


def _update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    added, factor = s["added"][:, -1:], s["factor"][:, -1:]
    growth = p["phi"] * s["growth"]
    expected = s["level"] + growth
    level = expected + p["alpha"] * ((y - added) / factor - expected)
    ratio = y / np.where(np.abs(expected) > 1e-10, expected, 1e-10)
    new_added = added + p["gamma"] * (1 - p["is_multiplicative"]) * (y - expected - added)
    new_factor = factor + p["gamma"] * p["is_multiplicative"] * (ratio - factor)
    return {
        "level": level,
        "growth": growth + p["pull"] * (level - s["level"] - growth),
        "added": np.concatenate([new_added, s["added"][:, :-1]], axis=1),
        "factor": np.concatenate([new_factor, s["factor"][:, :-1]], axis=1),
    }


RECURSION = Recursion(_parts, _update)
PART = state_forecaster(
    _estimate,
    RECURSION,
    name="ets",
    title="Exponential smoothing",
    reference="Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, Springer 2008 (statsforecast)",
    portfolio=_portfolio,
    time_share=0.6,
    requires="statsforecast",
    preload=("statsforecast.models",),
)
