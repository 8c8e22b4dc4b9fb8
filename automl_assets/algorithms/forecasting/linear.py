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

from automl_assets.lag_plan import usable_periods
from automl_assets.parts import Config, ForecastContext, Forecaster, SeriesTensors
from automl_assets.series import ForecastProblem, Panel
from automl_assets.summands import LAGS, LEVEL
from automl_assets.symbols import Symbol

PULLS = (0.1, 1.0, 10.0)  # what draws a series to the shared regression, in rows of middling size
MOST_SIMPLE = 20  # short seasons in a long one: with more, a few short ones are worth a look
CHUNK = 4096  # windows of a series that are held at once
DEFAULT_SIZES = (8, 16)  # values looked at where there is no season
LEAST_WINDOWS = 2  # to learn from, of all series, for every value looked at
MOST_WORK = 1e11  # multiplications of the shared regression; of longer panels every so many windows are learnt from
MOST_WEIGHTS = 10_000_000  # of all series together: with more, none has its own
SHARED_PENALTY = 1e-3  # per window
LEAST_SCALE = 0.1  # of how much a whole series varies: what its last values vary is at least
TINY = 1e-9


@dataclass(frozen=True)
class Linear:
    """Weights of the last values, and at last of a constant, for each step of each series."""

    names: tuple[str, ...]  # of the series
    weights: np.ndarray  # float32 [n_series + 1, n_values + 1, horizon], at last those shared; or [1, …], all shared
    floors: np.ndarray  # float64 [n_series + 1, 1], the least scale of each series, at last of any other
    bounds: tuple[float, float]  # answers beyond were never seen, nor nearly so
    n_level: int  # last values whose mean is the level
    is_log: bool

    @property
    def n_values(self) -> int:
        return self.weights.shape[1] - 1


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    """How many values are looked at, and how strongly a series is drawn to what all have in common."""
    sizes = [size for size in _sizes(problem, history) if _is_taught(size, problem, history)]
    pulls = PULLS if history.n_series > 1 else PULLS[:1]
    found = [{"values": size, "pull": pull, "log": False} for pull in pulls for size in sizes]
    is_positive = bool(len(history.y)) and bool(history.y.min() >= 0)
    in_logarithms = [config | {"log": True} for config in found if config["values"] == sizes[0]]
    return found + in_logarithms[:2] * is_positive


def _is_taught(size: int, problem: ForecastProblem, history: Panel) -> bool:
    """Whether the first origin of the backtest has seen enough windows, and most series are long enough to be forecast."""
    lengths = history.lengths - problem.horizon - (problem.n_windows - 1) * problem.step
    n_windows = np.maximum(lengths - size - problem.horizon + 1, 0).sum()
    return bool(n_windows >= LEAST_WINDOWS * size and np.median(lengths) >= size)


def _sizes(problem: ForecastProblem, history: Panel) -> list[int]:
    periods = usable_periods(problem, history)
    if not periods:
        return list(DEFAULT_SIZES)
    longest, shortest = periods[-1], periods[0]
    if longest == shortest:
        return [longest, 2 * longest]
    few = [4 * shortest] if longest > MOST_SIMPLE * shortest else []
    return [longest, longest + shortest, *few, 2 * longest]


# Learning


def _fit(config: Config, history: Panel, context: ForecastContext) -> Linear:
    size, horizon = config["values"], context.problem.horizon
    y = np.log1p(np.maximum(history.y, 0.0)) if config["log"] else history.y
    series = [y[start:end] for start, end in zip(history.offsets[:-1], history.offsets[1:], strict=True)]
    floors = np.array([*(LEAST_SCALE * own.std() + TINY * (1 + abs(own.mean())) for own in series), TINY])
    n_level = min(context.problem.season if context.problem.periods else DEFAULT_SIZES[0], size)
    stride = int(np.ceil(len(y) * (size + 1.0) ** 2 / MOST_WORK))
    lessons = _Lessons(history, series, floors, size, horizon, n_level, max(1, stride))
    weights, bounds = lessons.learnt(config["pull"])
    return Linear(history.names, weights, floors[:, None], bounds, n_level, config["log"])


@dataclass(frozen=True)
class _Lessons:
    """Windows of the series of a panel: values, and what came next."""

    history: Panel
    series: list[np.ndarray]
    floors: np.ndarray
    size: int
    horizon: int
    n_level: int
    stride: int

    def learnt(self, pull: float) -> tuple[np.ndarray, tuple[float, float]]:
        """Weights as `Linear` has them, and the bounds of answers."""
        squares, products = np.zeros((self.size + 1, self.size + 1)), np.zeros((self.size + 1, self.horizon))
        low, high, n_windows = 0.0, 0.0, 0
        for number in range(len(self.series)):
            for x, z in self._of(number):
                squares, products = squares + x.T @ x, products + x.T @ z
                low, high, n_windows = min(low, z.min()), max(high, z.max()), n_windows + len(x)
        penalty = SHARED_PENALTY * max(1, n_windows)
        shared = np.linalg.solve(squares + penalty * np.eye(self.size + 1), products)
        slack = (high - low) / 2
        has_own = (len(self.series) + 1) * shared.size <= MOST_WEIGHTS
        own = [self._own(number, shared, pull) for number in range(len(self.series)) if has_own]
        return np.array([*own, shared], np.float32), (low - slack, high + slack)

    def _own(self, number: int, shared: np.ndarray, pull: float) -> np.ndarray:
        """The shared weights, and what a ridge regression on their errors adds."""
        squares, products, n_windows = np.zeros((self.size + 1, self.size + 1)), np.zeros_like(shared), 0
        for x, z in self._of(number):
            squares, products = squares + x.T @ x, products + x.T @ (z - x @ shared)
            n_windows += len(x)
        if not n_windows:
            return shared
        penalty = pull * np.trace(squares) / n_windows
        return shared + np.linalg.solve(squares + penalty * np.eye(self.size + 1), products)

    def _of(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Columns of windows [n, size + 1], and what came next [n, horizon]; not where most of that is made up."""
        y, whole = self.series[number], self.size + self.horizon
        if len(y) < whole:
            return
        start, end = self.history.offsets[number], self.history.offsets[number + 1]
        windows = np.lib.stride_tricks.sliding_window_view(y, whole)[:: self.stride]
        filled = np.lib.stride_tricks.sliding_window_view(self.history.is_filled[start:end], whole)[:: self.stride]
        for first in range(0, len(windows), CHUNK):
            part = windows[first : first + CHUNK]
            part = part[filled[first : first + CHUNK, self.size :].mean(axis=1) <= 1 / 2]
            if len(part):
                level, scale = _unit(part[:, : self.size], self.size, self.n_level, self.floors[number])
                z = (part - level) / scale
                yield np.hstack([z[:, : self.size], np.ones((len(z), 1))]), z[:, self.size :]


# Answering


def _unit(past: Any, size: int, n_level: int, floor: Any) -> tuple[Any, Any]:
    """Level and scale of rows [n, size], [n, 1] each: arrays, or the symbols of ONNX tensors."""
    level = np.sum(past[:, size - n_level :], axis=1, keepdims=True) / n_level
    middle = np.sum(past, axis=1, keepdims=True) / size
    return level, np.maximum(np.sum(np.abs(past - middle), axis=1, keepdims=True) / size, floor)


def _forecast(model: Linear, history: Panel, future: Panel) -> np.ndarray:
    level, scale, summands = _summands(model, history)
    answers = level + scale * np.clip(summands.sum(axis=0), *model.bounds)
    return _as_given(model, answers[:, : len(future.y) // max(1, future.n_series)])[:, :, None]


def _summands(model: Linear, history: Panel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level and scale [n_series, 1], and what earlier and latest values and the constant add [3, n_series, horizon]."""
    padded = [np.concatenate([np.full(model.n_values, np.nan), y])[-model.n_values :] for y in history.series()]
    past = np.array(padded).reshape(-1, model.n_values)
    past = np.log1p(np.maximum(past, 0.0)) if model.is_log else past
    place = {name: number for number, name in enumerate(model.names)}
    numbers = np.array([place.get(name, -1) for name in history.names], np.int64)
    level, scale = _unit(past, model.n_values, model.n_level, model.floors[numbers])
    x = np.hstack([(past - level) / scale, np.ones((len(past), 1))])
    weights = model.weights[numbers if len(model.weights) > 1 else np.zeros_like(numbers)].astype(np.float64)
    seams = (0, model.n_values - model.n_level, model.n_values, model.n_values + 1)
    parts = [slice(*ends) for ends in pairwise(seams)]
    return level, scale, np.array([np.einsum("sv,svh->sh", x[:, part], weights[:, part]) for part in parts])


def _as_given(model: Linear, values: np.ndarray) -> np.ndarray:
    return np.expm1(values) if model.is_log else values


def _explain(model: Linear, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The level, and by how much earlier values change the answer."""
    level, scale, summands = _summands(model, history)
    answers = level + scale * np.clip(summands.sum(axis=0), *model.bounds)
    sums = (level + scale * summands[-1], answers)
    before, after = (_as_given(model, total)[:, : len(future.y) // max(1, future.n_series)] for total in sums)
    return {LEVEL: before, LAGS: after - before}


# ONNX


def _to_onnx(model: Linear, graph: Any, tensors: SeriesTensors) -> str:
    """The same as `_forecast`, of one series."""
    past = _symbol(graph, _add_past(model, graph, tensors.y))
    floor = _symbol(graph, graph.node("Gather", graph.constant(model.floors), tensors.series))
    level, scale = _unit(past, model.n_values, model.n_level, floor)
    ones = _symbol(graph, graph.constant(np.ones((1, 1))))
    x: Any = np.concatenate([(past - level) / scale, ones], axis=1)
    z = _symbol(graph, graph.node("MatMul", x.name, _add_weights(model, graph, tensors.series)))
    answers = level + scale * np.minimum(np.maximum(z, model.bounds[0]), model.bounds[1])
    given: Any = np.exp(answers) - 1.0 if model.is_log else answers
    column = graph.node("Reshape", given.name, _ints(graph, -1, 1))
    return graph.node("Slice", column, _ints(graph, 0), graph.node("Shape", tensors.future_seconds))


def _add_past(model: Linear, graph: Any, y: str) -> str:
    """The last values as they are learnt, NaN where there are none, [1, n_values]."""
    padded = graph.node("Concat", graph.constant(np.full(model.n_values, np.nan)), y, axis=0)
    tail = graph.node("Slice", padded, _ints(graph, -model.n_values), _ints(graph, np.iinfo(np.int64).max))
    past = _symbol(graph, graph.node("Unsqueeze", tail, _ints(graph, 0)))
    learnt: Any = np.log(np.maximum(past, 0.0) + 1.0) if model.is_log else past
    return learnt.name


def _add_weights(model: Linear, graph: Any, series: str) -> str:
    """float64 [n_values + 1, horizon]; of a series not learnt from, number -1, those at last."""
    from onnx import TensorProto

    number = series if len(model.weights) > 1 else _ints(graph, 0)
    own = graph.node("Gather", graph.constant(model.weights), number)
    return graph.node("Cast", graph.node("Squeeze", own, _ints(graph, 0)), to=TensorProto.DOUBLE)


def _symbol(graph: Any, name: str) -> Any:
    """A tensor that numpy, and the checker of types, takes for an array."""
    return Symbol(graph, name)


def _ints(graph: Any, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))


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
)
