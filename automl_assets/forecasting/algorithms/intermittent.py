"""Intermittent demand: how much when there is any and how often, or how much in longer and longer buckets of time.

Croston divides a smoothed size by a smoothed interval (SBA takes 5 % off); TSB multiplies it by a smoothed probability;
ADIDA smooths sums over buckets as long as an interval, IMAPA those of every shorter length too.
"""

from functools import partial
from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models import state_space
from automl_assets.forecasting.models.components import LEVEL
from automl_assets.forecasting.models.state_space import Arrays, Estimate, Recursion, StateModel, fit
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config

LEAST_ZEROS = 0.3  # share of rows without demand from which on a panel is intermittent
PACE, SBA = 0.1, 0.95
BOUNDS = (0.1, 0.3)  # of the pace at which sums over buckets are smoothed
METHODS = ("sba", "imapa", "tsb", "croston", "adida")


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    is_demand = history.y.min(initial=0) >= 0 and float(np.mean(history.y == 0)) >= LEAST_ZEROS
    return [{"method": method} for method in METHODS] if is_demand else []


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    if y.min() < 0:
        raise ValueError("demand below zero")
    places = np.flatnonzero(y > 0)
    intervals = np.diff(places, prepend=-1).astype(float)
    if config["method"] in ("adida", "imapa"):
        longest = round(intervals.mean()) if len(places) else 1
        return _buckets(y, [longest] if config["method"] == "adida" else list(range(1, longest + 1)))
    return Estimate(
        {
            "by_interval": {"croston": 1.0, "sba": SBA}.get(config["method"], 0.0),
            "by_probability": float(config["method"] == "tsb"),
        },
        {
            "size": _smoothed(y[places], PACE)[-1] if len(places) else 0.0,
            "interval": _smoothed(intervals, PACE)[-1] if len(places) else 1.0,
            "probability": _smoothed((y > 0).astype(float), PACE)[-1],
            "n_demands": float(len(places)),
            "n_since": float(len(y) - 1 - places[-1]) if len(places) else float(len(y)),
        },
    )


def _smoothed(values: np.ndarray, pace: float) -> np.ndarray:
    """What is expected after each value, [n_values]; the first is taken as it is."""
    from scipy.signal import lfilter

    return lfilter([pace], [1.0, pace - 1.0], values, zi=[(1 - pace) * values[0]])[0]


def _parts(p: Arrays, s: Arrays) -> Arrays:
    by_interval, by_probability = s["size"] / s["interval"], s["size"] * s["probability"]
    return {LEVEL: p["by_interval"] * by_interval + p["by_probability"] * by_probability}


def _update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    is_demand, interval = y > 0, s["n_since"] + 1
    pace = np.where(s["n_demands"] > 0, PACE, 1.0)  # the first demand is taken as it is
    return {
        "size": np.where(is_demand, s["size"] + pace * (y - s["size"]), s["size"]),
        "interval": np.where(is_demand, s["interval"] + pace * (interval - s["interval"]), s["interval"]),
        "probability": s["probability"] + PACE * (np.where(is_demand, 1.0, 0.0) - s["probability"]),
        "n_demands": s["n_demands"] + np.where(is_demand, 1.0, 0.0),
        "n_since": np.where(is_demand, 0.0, interval),
    }


def _buckets(y: np.ndarray, lengths: list[int]) -> Estimate:
    """Sums over buckets that end with the last row, smoothed, for each length."""
    sums = [y[len(y) % length :].reshape(-1, length).sum(axis=1) for length in lengths]
    paces = [_best_pace(values) for values in sums]
    return Estimate(
        {"length": np.array(lengths, float), "pace": np.array(paces), "n_lengths": float(len(lengths))},
        {
            "expected": np.array([_smoothed(values, pace)[-1] for values, pace in zip(sums, paces, strict=True)]),
            "sum": np.zeros(len(lengths)),
            "n_rows": np.zeros(len(lengths)),
        },
    )


def _best_pace(values: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    def squares(pace: float) -> float:
        return float(np.square(values[1:] - _smoothed(values, pace)[:-1]).sum())

    return float(minimize_scalar(squares, bounds=BOUNDS, method="bounded").x)


def _bucket_parts(p: Arrays, s: Arrays) -> Arrays:
    rates = s["expected"] / np.maximum(p["length"], 1.0)
    return {LEVEL: np.sum(rates, axis=1, keepdims=True) / p["n_lengths"]}


def _bucket_update(p: Arrays, s: Arrays, y: Any) -> Arrays:
    total, n_rows = s["sum"] + y, s["n_rows"] + 1
    is_full = n_rows >= p["length"]
    return {
        "expected": np.where(is_full, s["expected"] + p["pace"] * (total - s["expected"]), s["expected"]),
        "sum": np.where(is_full, 0.0, total),
        "n_rows": np.where(is_full, 0.0, n_rows),
    }


RATES, BUCKETS = Recursion(_parts, _update, is_still=True), Recursion(_bucket_parts, _bucket_update, is_still=True)


def _recursion(model: StateModel) -> Recursion:
    return BUCKETS if "length" in model.parameters else RATES


def _forecast(model: StateModel, history: Panel, future: Panel) -> np.ndarray:
    return state_space.forecast(_recursion(model), model, history, future)


def _explain(model: StateModel, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    return state_space.explain(_recursion(model), model, history, future)


def _to_onnx(model: StateModel, graph: Graph, tensors: SeriesTensors) -> str:
    return state_space.to_onnx(_recursion(model), model, graph, tensors)


PART = Forecaster(
    name="intermittent",
    title="Intermittent demand",
    reference="Syntetos and Boylan, IJF 21(2), 2005; Teunter, Syntetos and Babai, EJOR 214(3), 2011; "
    "Petropoulos and Kourentzes, JORS 66(6), 2015",
    kinds=frozenset({"numpy"}),
    scope="series",
    portfolio=_portfolio,
    fit=partial(fit, _estimate),
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    time_share=0.2,
)
