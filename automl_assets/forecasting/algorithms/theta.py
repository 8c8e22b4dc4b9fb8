"""The theta method: a level by smoothing plus part of a line through all rows, on a series freed of its season."""

from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models.components import LEVEL, SEASONS, TREND
from automl_assets.forecasting.models.state_space import Arrays, Estimate, Recursion, state_forecaster
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config

MODELS = {"dynamic_optimized": "DOTM", "optimized": "OTM", "standard": "STM"}


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    """`season` says how a season is taken out; where it would be multiplied out of values below zero it is added."""
    seasons = ("multiplicative", "additive") if problem.periods else ("additive",)
    first: list[Config] = [
        {"period": period, "model": "dynamic_optimized", "season": season}
        for period in problem.periods or (1,)
        for season in seasons
    ]
    return first + [first[0] | {"model": model} for model in list(MODELS)[1:]]


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    from statsforecast.theta import auto_theta

    period = config["period"]
    found = auto_theta(y, period, model=MODELS[config["model"]], decomposition_type=config["season"])
    level, mean, start, slope, _ = found["states"][-1]
    cycle = found["seas_forecast"]["mean"][:period][::-1] if found.get("decompose") else None
    is_multiplicative = cycle is not None and found["decomposition_type"] == "multiplicative"
    alpha, theta = found["par"]["alpha"], found["par"]["theta"]
    return Estimate(
        {"alpha": alpha, "weight": 1 - 1 / theta, "is_dynamic": float(config["model"] == "dynamic_optimized")},
        {
            "level": level,
            "mean": mean,
            "start": start,
            "slope": slope,
            "n_rows": float(len(y)),
            "fade": (1 - alpha) ** len(y),
            "added": np.zeros(period) if cycle is None or is_multiplicative else cycle,  # seasons, the next one last
            "factor": cycle if is_multiplicative else np.ones(period),
        },
    )


def _parts(p: Arrays, s: Arrays) -> Arrays:
    line = p["weight"] * (s["start"] * s["fade"] + s["slope"] * (1 - (1 - p["alpha"]) * s["fade"]) / p["alpha"])
    season = (s["level"] + line) * (s["factor"][:, -1:] - 1) + s["added"][:, -1:]
    return {LEVEL: s["level"], TREND: line, SEASONS: season}


def _update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    adjusted, n = (y - s["added"][:, -1:]) / s["factor"][:, -1:], s["n_rows"]
    mean = (n * s["mean"] + adjusted) / (n + 1)
    slope = ((n - 1) * s["slope"] + 6 * (adjusted - s["mean"]) / (n + 1)) / (n + 2)
    return {
        "level": p["alpha"] * adjusted + (1 - p["alpha"]) * s["level"],
        "mean": mean,
        "start": np.where(p["is_dynamic"] > 0, mean - slope * (n + 2) / 2, s["start"]),
        "slope": np.where(p["is_dynamic"] > 0, slope, s["slope"]),
        "n_rows": n + 1,
        "fade": s["fade"] * (1 - p["alpha"]),
        "added": _turned(s["added"]),
        "factor": _turned(s["factor"]),
    }


def _turned(ring: Any) -> Any:
    """Seasons one row later."""
    return np.concatenate([ring[:, -1:], ring[:, :-1]], axis=1)


RECURSION = Recursion(_parts, _update)
PART = state_forecaster(
    _estimate,
    RECURSION,
    name="theta",
    title="Theta",
    reference="Fiorucci et al., International Journal of Forecasting 32(4), 2016 (statsforecast)",
    portfolio=_portfolio,
    time_share=0.4,
    requires="statsforecast",
    preload=("statsforecast.models",),
)
