"""Several seasons at once: each is taken out by local regressions, and what is left is smoothed exponentially."""

from functools import reduce
from operator import add
from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models.components import LEVEL, SEASONS, TREND
from automl_assets.forecasting.models.state_space import Arrays, Estimate, Recursion, state_forecaster, suits_logarithms
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config

LEAST_SEASONS = 2  # of a period that a series must hold


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    """`trend` is what the rest may be: every kind by the corrected Akaike criterion, or a level alone."""
    longest = history.lengths.max(initial=0) / LEAST_SEASONS
    periods = [period for period in problem.periods if period <= longest]
    if not periods:
        return []
    everything: list[Config] = [{"periods": periods, "trend": trend} for trend in ("ZZN", "ANN")]
    in_logarithms = [everything[1] | {"log": True}] * suits_logarithms(history)
    return [*everything, *in_logarithms, *[{"periods": periods[:1], "trend": "ZZN"}] * (len(periods) > 1)]


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    from statsforecast.ets import ets_f

    seasons = _seasons(y, config["periods"])
    found = ets_f(y - sum(seasons), 1, config["trend"])
    (_, trend, _, damped), (alpha, beta, _, phi), last = found["components"], found["par"][:4], found["states"][-1]
    return Estimate(
        {
            "alpha": alpha,
            "pull": beta / alpha if trend != "N" else 0.0,  # of the trend towards the change of the level
            "phi": phi if damped == "D" else 1.0,
        },
        {
            "level": last[0],
            "growth": last[1] if trend != "N" else 0.0,
            **{
                f"season of {period}": _ring(season, period)
                for period, season in zip(config["periods"], seasons, strict=True)
            },
        },
    )


def _seasons(y: np.ndarray, periods: list[int]) -> list[np.ndarray]:
    """The part of each row that belongs to each season, [n_rows] each; none of a season that the series is too short for."""
    from statsforecast.mstl import mstl

    usable = [period for period in periods if len(y) >= LEAST_SEASONS * period]
    if not usable:
        return [np.zeros(len(y)) for _ in periods]
    table = mstl(y, usable)
    name = "seasonal" if len(usable) == 1 else "seasonal{}"
    return [table[name.format(period)].to_numpy() if period in usable else np.zeros(len(y)) for period in periods]


def _ring(season: np.ndarray, period: int) -> np.ndarray:
    """The last season [period], the row that comes next last."""
    return np.pad(season[::-1][:period], (0, max(0, period - len(season))))


def _parts(p: Arrays, s: Arrays) -> Arrays:
    seasons = reduce(add, (s[name][:, -1:] for name in _rings(s)))
    return {LEVEL: s["level"], TREND: p["phi"] * s["growth"], SEASONS: seasons}


def _rings(s: Arrays) -> list[str]:
    return [name for name in s if name.startswith("season")]


def _update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    growth, adjusted = p["phi"] * s["growth"], y
    for name in _rings(s):
        adjusted = adjusted - s[name][:, -1:]
    level = s["level"] + growth + p["alpha"] * (adjusted - s["level"] - growth)
    turned = {name: np.concatenate([s[name][:, -1:], s[name][:, :-1]], axis=1) for name in _rings(s)}
    return {"level": level, "growth": growth + p["pull"] * (level - s["level"] - growth)} | turned


RECURSION = Recursion(_parts, _update)
PART = state_forecaster(
    _estimate,
    RECURSION,
    name="mstl",
    title="Decomposition by several seasons",
    reference="Bandara, Hyndman and Bergmeir, MSTL, arXiv:2107.13462 (statsforecast)",
    portfolio=_portfolio,
    time_share=0.5,
    requires="statsforecast",
    preload=("statsforecast.models",),
)
