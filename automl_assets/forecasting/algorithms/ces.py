"""Complex exponential smoothing: level and its growth as one complex number, and a season that is none, simple or full."""

from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models.components import LEVEL, SEASONS
from automl_assets.forecasting.models.state_space import Arrays, Estimate, Recursion, state_forecaster, suits_logarithms
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    """In logarithms too, where a series is positive: the method itself only adds."""
    periods = [period for period in problem.periods if history.lengths.max(initial=0) >= 2 * period] or [1]
    plain: list[Config] = [{"period": period} for period in periods]
    return [*plain, {"period": periods[0], "log": True}] if suits_logarithms(history) else plain


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    from statsforecast.ces import auto_ces

    found = auto_ces(y, config["period"])
    par, season, period = found["par"], found["seasontype"], found["m"] if found["seasontype"] != "N" else 1
    last = found["states"][len(y) : len(y) + period][::-1]  # the newest first
    rings = np.zeros((4, config["period"]))
    rings[: last.shape[1], :period] = last.T
    return Estimate(
        {
            "alpha_0": par["alpha_0"],
            "alpha_1": par["alpha_1"],
            "beta_0": par["beta_0"] if season == "F" else 1 + par["beta_0"] if season == "P" else 1.0,
            "beta_1": par["beta_1"] if season == "F" else 1.0,
            "is_simple": float(season == "S"),  # the level itself is that of a season ago
        },
        dict(zip(("level", "growth", "season", "season_growth"), rings, strict=True)),
    )


def _parts(p: Arrays, s: Arrays) -> Arrays:
    return {LEVEL: _before(p, s["level"]), SEASONS: s["season"][:, -1:]}


def _before(p: Arrays, ring: Any) -> Any:
    """What the next level is made from: the last one, or the one a season ago."""
    return np.where(p["is_simple"] > 0, ring[:, -1:], ring[:, :1])


def _update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    error = y - _before(p, s["level"]) - s["season"][:, -1:]
    level = _turned(p["alpha_0"], p["alpha_1"], (_before(p, s["level"]), _before(p, s["growth"])), error)
    season = _turned(p["beta_0"], p["beta_1"], (s["season"][:, -1:], s["season_growth"][:, -1:]), error)
    new = dict(zip(("level", "growth", "season", "season_growth"), (*level, *season), strict=True))
    return {name: np.concatenate([values, s[name][:, :-1]], axis=1) for name, values in new.items()}


def _turned(real: Any, imaginary: Any, state: tuple[Any, Any], error: Any) -> tuple[Any, Any]:
    """The next of a complex state, by a complex smoothing parameter."""
    value, growth = state
    return (
        value - (1 - imaginary) * growth + (real - imaginary) * error,
        value + (1 - real) * growth + (real + imaginary) * error,
    )


RECURSION = Recursion(_parts, _update)
PART = state_forecaster(
    _estimate,
    RECURSION,
    name="ces",
    title="Complex exponential smoothing",
    reference="Svetunkov, Kourentzes and Ord, Naval Research Logistics 69(8), 2022 (statsforecast)",
    portfolio=_portfolio,
    time_share=0.3,
    requires="statsforecast",
    preload=("statsforecast.models",),
)
