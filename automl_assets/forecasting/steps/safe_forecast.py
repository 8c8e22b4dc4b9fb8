"""safe_forecast: what one fitted forecaster answers for given series, made safe. Not here: which models are asked, and weighing."""

import numpy as np

from automl_assets import registry
from automl_assets.errors import LearningError
from automl_assets.forecasting.forecaster import Forecaster
from automl_assets.forecasting.records import ForecastProblem, Panel

REACH = 5.0  # ranges of its history that a forecast may lie beyond it

Carried = str | Forecaster  # a forecaster on its way to another process


def carried(forecaster: Forecaster) -> Carried:
    """The name of a forecaster that every process finds, else the forecaster itself."""
    return forecaster.name if registry.algorithms("forecasting").get(forecaster.name) is forecaster else forecaster


def part_of(part: Carried) -> Forecaster:
    return registry.algorithms("forecasting")[part] if isinstance(part, str) else part


def fallback() -> Forecaster:
    """The forecaster that answers where nothing else does."""
    return next(part for part in registry.algorithms("forecasting").values() if part.is_fallback)


def n_heads(forecaster: Forecaster, problem: ForecastProblem) -> int:
    return len(problem.quantiles) if forecaster.heads == "quantiles" else 1


def answers(
    forecaster: Forecaster, model: object, history: Panel, future: Panel, problem: ForecastProblem
) -> np.ndarray:
    """What a model forecasts, float64 [n_series, n_stamps, n_heads], NaN where it cannot; the future is hidden from it.

    `future` holds equally many stamps of each series, `horizon` at most.
    """
    shape = (history.n_series, len(future.y) // max(1, history.n_series), n_heads(forecaster, problem))
    if not history.n_series:
        return np.empty(shape)
    found = np.asarray(forecaster.forecast(model, history, future.hidden(problem)), dtype=np.float64)
    if found.shape != shape:
        raise LearningError(f"{forecaster.name} forecast an array of shape {found.shape} where {shape} was asked")
    return tamed(found, history, problem)


def floors(history: Panel, problem: ForecastProblem) -> np.ndarray:
    """Below which no series is forecast: that of the problem, unless it has been there since, float64 [n_series]."""
    lows = np.array([y.min(initial=np.inf) for y in history.series()])
    return np.where(lows >= problem.floor, problem.floor, -np.inf)


def tamed(forecasts: np.ndarray, history: Panel, problem: ForecastProblem) -> np.ndarray:
    """Forecasts [n_series, …] without what no series does: far beyond all it ever was, below zero where none of its group
    ever was, or infinite (then NaN)."""
    low, high = np.array([(y.min(), y.max()) for y in history.series()]).T.reshape(2, -1, *[1] * (forecasts.ndim - 1))
    room = REACH * np.maximum(high - low, np.maximum(np.abs(low), np.abs(high)))
    least = np.maximum(low - room, floors(history, problem).reshape(low.shape))
    return np.clip(np.where(np.isfinite(forecasts), forecasts, np.nan), least, high + room)
