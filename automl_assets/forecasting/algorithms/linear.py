"""Linear regression of all steps ahead at once on the last values, in closed form.

One ridge regression is shared by all series of a group; each series has its own, drawn towards the shared one, so that a
series with a habit of its own is heard and a short one does not learn by heart. Values count from the level of the last
season, in units of how much they vary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from automl_assets.forecasting.features.window_normalization import (
    DEFAULT_SIZES,
    WindowNormalization,
    fit_lookback,
    n_windows,
    seasons,
)
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models.components import LAGS, LEVEL
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.tracing import Symbol
from automl_assets.parts import Config
from automl_assets.stored import stored_as

PULLS = (0.1, 1.0, 10.0)  # what draws a series to the shared regression, in rows of middling size
MOST_SIMPLE = 20  # short seasons in a long one: with more, a few short ones are worth a look
LEAST_WINDOWS = 2  # to learn from, of all series, for every value looked at
MOST_WORK = 1e11  # multiplications of the shared regression; of longer panels every so many windows are learnt from
MOST_WEIGHTS = 10_000_000  # of all series together: with more, none has its own
SHARED_PENALTY = 1e-3  # per window


@stored_as("forecasting.linear.Model")
@dataclass(frozen=True)
class Linear:
    """Weights of the last values, and at last of a constant, for each step of each series."""

    lookback: WindowNormalization
    weights: np.ndarray  # float32 [n_series + 1, n_values + 1, horizon], at last those shared; or [1, …], all shared
    bounds: tuple[float, float]  # answers beyond were never seen, nor nearly so


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    """How many values are looked at, and how strongly a series is drawn to what all have in common."""
    sizes = [size for size in _sizes(problem, history) if n_windows(size, problem, history) >= LEAST_WINDOWS * size]
    pulls = PULLS if history.n_series > 1 else PULLS[:1]
    found = [{"values": size, "pull": pull, "log": False} for pull in pulls for size in sizes]
    is_positive = bool(len(history.y)) and bool(history.y.min() >= 0)
    in_logarithms = [config | {"log": True} for config in found if config["values"] == sizes[0]]
    return found + in_logarithms[:2] * is_positive


def _sizes(problem: ForecastProblem, history: Panel) -> list[int]:
    found = seasons(problem, history)
    if found is None:
        return list(DEFAULT_SIZES)
    shortest, longest = found
    if longest == shortest:
        return [longest, 2 * longest]
    few = [4 * shortest] if longest > MOST_SIMPLE * shortest else []
    return [longest, longest + shortest, *few, 2 * longest]


# Learning


def _fit(config: Config, history: Panel, context: ForecastContext) -> Linear:
    lookback = fit_lookback(history, context.problem, config["values"], config["log"])
    stride = int(np.ceil(len(history.y) * (lookback.n_values + 1.0) ** 2 / MOST_WORK))
    lessons = _Lessons(history, lookback, context.problem.horizon, max(1, stride))
    return Linear(lookback, *lessons.learnt(config["pull"]))


@dataclass(frozen=True)
class _Lessons:
    """Windows of the series of a panel: values, and what came next."""

    history: Panel
    lookback: WindowNormalization
    horizon: int
    stride: int

    @property
    def n_columns(self) -> int:
        return self.lookback.n_values + 1

    def learnt(self, pull: float) -> tuple[np.ndarray, tuple[float, float]]:
        """Weights as `Linear` has them, and the bounds of answers."""
        squares, products = np.zeros((self.n_columns, self.n_columns)), np.zeros((self.n_columns, self.horizon))
        low, high, n_seen = 0.0, 0.0, 0
        for number in range(self.history.n_series):
            for x, z in self._of(number):
                squares, products = squares + x.T @ x, products + x.T @ z
                low, high, n_seen = min(low, z.min()), max(high, z.max()), n_seen + len(x)
        penalty = SHARED_PENALTY * max(1, n_seen)
        shared = np.linalg.solve(squares + penalty * np.eye(self.n_columns), products)
        slack = (high - low) / 2
        has_own = (self.history.n_series + 1) * shared.size <= MOST_WEIGHTS
        own = [self._own(number, shared, pull) for number in range(self.history.n_series) if has_own]
        return np.array([*own, shared], np.float32), (low - slack, high + slack)

    def _own(self, number: int, shared: np.ndarray, pull: float) -> np.ndarray:
        """The shared weights, and what a ridge regression on their errors adds."""
        squares, products, n_seen = np.zeros((self.n_columns, self.n_columns)), np.zeros_like(shared), 0
        for x, z in self._of(number):
            squares, products = squares + x.T @ x, products + x.T @ (z - x @ shared)
            n_seen += len(x)
        if not n_seen:
            return shared
        penalty = pull * np.trace(squares) / n_seen
        return shared + np.linalg.solve(squares + penalty * np.eye(self.n_columns), products)

    def _of(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for x, z in self.lookback.windows(self.history, number, self.horizon, self.stride):
            yield np.hstack([x, np.ones((len(x), 1))]), z


# Answering


def _forecast(model: Linear, history: Panel, future: Panel) -> np.ndarray:
    level, scale, summands = _summands(model, history)
    answers = level + scale * np.clip(summands.sum(axis=0), *model.bounds)
    return model.lookback.given(answers[:, : len(future.y) // max(1, future.n_series)])[:, :, None]


def _summands(model: Linear, history: Panel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level and scale [n_series, 1], and what earlier and latest values and the constant add [3, n_series, horizon]."""
    past, level, scale = model.lookback.seen(history)
    numbers = model.lookback.numbers(history)
    x, (n_values, n_level) = np.hstack([past, np.ones((len(past), 1))]), (past.shape[1], model.lookback.n_level)
    weights = model.weights[numbers if len(model.weights) > 1 else np.zeros_like(numbers)].astype(np.float64)
    parts = [slice(*ends) for ends in pairwise((0, n_values - n_level, n_values, n_values + 1))]
    return level, scale, np.array([np.einsum("sv,svh->sh", x[:, part], weights[:, part]) for part in parts])


def _explain(model: Linear, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The level, and by how much earlier values change the answer."""
    level, scale, summands = _summands(model, history)
    answers = level + scale * np.clip(summands.sum(axis=0), *model.bounds)
    sums, horizon = (level + scale * summands[-1], answers), len(future.y) // max(1, future.n_series)
    before, after = (model.lookback.given(total[:, :horizon]) for total in sums)
    return {LEVEL: before, LAGS: after - before}


# ONNX


def _to_onnx(model: Linear, graph: Graph, tensors: SeriesTensors) -> str:
    """The same as `_forecast`, of one series."""
    past, level, scale = model.lookback.add_seen(graph, tensors)
    x: Any = np.concatenate([past, Symbol(graph, graph.constant(np.ones((1, 1))))], axis=1)
    z = x @ Symbol(graph, _add_weights(model, graph, tensors.series))
    answers = level + scale * np.minimum(np.maximum(z, model.bounds[0]), model.bounds[1])
    return model.lookback.add_answer(graph, tensors, answers)


def _add_weights(model: Linear, graph: Graph, series: str) -> str:
    """float64 [n_values + 1, horizon]; of a series not learnt from, number -1, those at last."""
    from onnx import TensorProto

    first = graph.constant(np.array([0], np.int64))
    own = graph.node("Gather", graph.constant(model.weights), series if len(model.weights) > 1 else first)
    return graph.node("Cast", graph.node("Squeeze", own, first), to=TensorProto.DOUBLE)


PART = Forecaster(
    name="linear",
    title="Linear regression of all steps",
    reference="Zeng et al. 2023, Are Transformers effective for time series forecasting?; closed form: Toner and Darlow 2024",
    kinds=frozenset({"numpy"}),
    scope="group",
    portfolio=_portfolio,
    fit=_fit,
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    has_cold_start=True,
    time_share=0.25,
)
