"""The last values of a series, counted from their own level and in a unit of their own, so that one model suits many series.

What is learnt from so, is answered so: in arrays and in ONNX. Here belongs what is looked at. Not here: models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.forecasting.features.lag_selection import usable_periods
from automl_assets.forecasting.forecaster import SeriesTensors
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.tracing import Symbol
from automl_assets.stored import stored_as

DEFAULT_SIZES = (8, 16)  # values looked at where there is no season
CHUNK = 4096  # windows of a series that are held at once
LEAST_SCALE = 0.1  # of how much a whole series varies: what its last values vary is at least
TINY = 1e-9


@stored_as("forecasting.WindowNormalization")
@dataclass(frozen=True)
class WindowNormalization:
    """How many of the last values are looked at, and how."""

    names: tuple[str, ...]  # of the series learnt from
    floors: np.ndarray  # float64 [n_series + 1, 1], the least unit of each series, at last of any other
    n_values: int
    n_level: int  # last values whose mean is the level
    is_log: bool

    def numbers(self, history: Panel) -> np.ndarray:
        """Which of the series learnt from those of a panel are, int64 [n_series]; -1 is any other."""
        place = {name: number for number, name in enumerate(self.names)}
        return np.array([place.get(name, -1) for name in history.names], np.int64)

    def learnt(self, y: np.ndarray) -> np.ndarray:
        """Values on the scale that is learnt."""
        return np.log1p(np.maximum(y, 0.0)) if self.is_log else y

    def given(self, values: np.ndarray) -> np.ndarray:
        """Values of that scale as they are given."""
        return np.expm1(values) if self.is_log else values

    def unit(self, past: Any, floor: Any) -> tuple[Any, Any]:
        """Level and unit of rows [n, n_values], [n, 1] each: arrays, or the symbols of ONNX tensors."""
        level = np.sum(past[:, self.n_values - self.n_level :], axis=1, keepdims=True) / self.n_level
        middle = np.sum(past, axis=1, keepdims=True) / self.n_values
        return level, np.maximum(np.sum(np.abs(past - middle), axis=1, keepdims=True) / self.n_values, floor)

    def windows(self, history: Panel, number: int, horizon: int, stride: int = 1) -> Iterator[tuple[np.ndarray, ...]]:
        """Values of a series [n, n_values], and what came next [n, horizon]; not where most of that is made up."""
        rows, whole = slice(history.offsets[number], history.offsets[number + 1]), self.n_values + horizon
        if rows.stop - rows.start < whole:
            return
        windows = np.lib.stride_tricks.sliding_window_view(self.learnt(history.y[rows]), whole)[::stride]
        filled = np.lib.stride_tricks.sliding_window_view(history.is_filled[rows], whole)[::stride]
        for first in range(0, len(windows), CHUNK):
            part = windows[first : first + CHUNK]
            part = part[filled[first : first + CHUNK, self.n_values :].mean(axis=1) <= 1 / 2]
            if len(part):
                level, unit = self.unit(part[:, : self.n_values], self.floors[number])
                z = (part - level) / unit
                yield z[:, : self.n_values], z[:, self.n_values :]

    def seen(self, history: Panel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The last values [n_series, n_values], NaN where there are too few, their level and unit [n_series, 1]."""
        padded = [np.concatenate([np.full(self.n_values, np.nan), y])[-self.n_values :] for y in history.series()]
        past = self.learnt(np.array(padded).reshape(-1, self.n_values))
        level, unit = self.unit(past, self.floors[self.numbers(history)])
        return (past - level) / unit, level, unit

    def add_seen(self, graph: Graph, tensors: SeriesTensors) -> tuple[Any, Any, Any]:
        """The same of one series, as symbols."""
        padded = graph.node("Concat", graph.constant(np.full(self.n_values, np.nan)), tensors.y, axis=0)
        tail = graph.node("Slice", padded, _ints(graph, -self.n_values), _ints(graph, np.iinfo(np.int64).max))
        given: Any = Symbol(graph, graph.node("Unsqueeze", tail, _ints(graph, 0)))
        past: Any = np.log(np.maximum(given, 0.0) + 1.0) if self.is_log else given
        floor = Symbol(graph, graph.node("Gather", graph.constant(self.floors), tensors.series))
        level, unit = self.unit(past, floor)
        return (past - level) / unit, level, unit

    def add_answer(self, graph: Graph, tensors: SeriesTensors, answers: Any) -> str:
        """Symbols [1, horizon] of that scale as a tensor [n_ahead, 1], as they are given."""
        given: Any = np.exp(answers) - 1.0 if self.is_log else answers
        column = graph.node("Reshape", given.name, _ints(graph, -1, 1))
        return graph.node("Slice", column, _ints(graph, 0), graph.node("Shape", tensors.future_seconds))


def fit_lookback(history: Panel, problem: ForecastProblem, n_values: int, is_log: bool) -> WindowNormalization:
    """The level is that of the last season."""
    n_level = min(problem.season if problem.periods else DEFAULT_SIZES[0], n_values)
    unknown = WindowNormalization(history.names, np.zeros((0, 1)), n_values, n_level, is_log)
    learnt = (unknown.learnt(y) for y in history.series())
    floors = np.array([*(LEAST_SCALE * y.std() + TINY * (1 + abs(y.mean())) for y in learnt), TINY])
    return WindowNormalization(history.names, floors[:, None], n_values, n_level, is_log)


def n_windows(size: int, problem: ForecastProblem, history: Panel) -> int:
    """Windows that the first origin of the backtest has seen; none where most series are too short to be forecast."""
    lengths = history.lengths - problem.horizon - (problem.n_windows - 1) * problem.step
    is_enough = history.n_series > 0 and np.median(lengths) >= size
    return int(np.maximum(lengths - size - problem.horizon + 1, 0).sum()) if is_enough else 0


def seasons(problem: ForecastProblem, history: Panel) -> tuple[int, int] | None:
    """The shortest season and the longest, in stamps; None without one."""
    periods = usable_periods(problem, history)
    return (periods[0], periods[-1]) if periods else None


def _ints(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))
