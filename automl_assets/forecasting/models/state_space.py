"""Models of single series as parameters and a state, in arrays over all series of a panel.

A family of models says what the next row is made of and how a row changes the state (`Recursion`), in numpy on arrays
[n_series, width]. Forecasts, rows that come after the fit, explanations and ONNX follow from that, and are here. Not
here: estimation, and the families themselves.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import accumulate
from operator import add
from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models.components import CORRECTION
from automl_assets.forecasting.records import Panel
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.tracing import Symbol
from automl_assets.parts import Config
from automl_assets.stored import stored_as

REACH = 3  # forecasts stay within so many ranges of what was seen; beyond is an explosion, not a forecast

Arrays = dict[str, Any]  # by name: arrays [n_series, width], or symbols of one series [1, width]


@dataclass(frozen=True)
class Recursion:
    """How a family of models forecasts. Both functions know numpy's operators, `where`, `concatenate` and `sum` only.

    `parts(parameters, state)` are the summands of the forecast of the next row, and `update(parameters, state, y)` are
    those arrays of the state that change once the row is known. A row that is only forecast changes the state as if it
    had come true, unless `is_still`.
    """

    parts: Callable[[Arrays, Arrays], Arrays]
    update: Callable[[Arrays, Arrays, Any], Arrays]
    is_still: bool = False


@dataclass(frozen=True)
class Estimate:
    """What was learnt from one series: numbers, or arrays [width]."""

    parameters: Arrays
    state: Arrays  # after the last row


@stored_as("forecasting.StateSpaceModel")
@dataclass(frozen=True)
class StateModel:
    """Estimates of all series of a panel, one below the other. Narrower arrays end with zeros."""

    names: tuple[str, ...]  # of the series
    n_rows: np.ndarray  # int64 [n_series], learnt from
    parameters: Arrays  # float64 [n_series, width]; empty where every series is lost
    state: Arrays  # float64 [n_series, width]
    lost: dict[int, str]  # number of a series that could not be learnt from, and why

    def of(self, names: Sequence[str]) -> "StateModel":
        """The named series alone, in their order."""
        if tuple(names) == self.names:
            return self
        numbers = {name: number for number, name in enumerate(self.names)}
        chosen = [numbers[name] for name in names]
        parameters, state = ({n: v[chosen] for n, v in given.items()} for given in (self.parameters, self.state))
        lost = {place: self.lost[number] for place, number in enumerate(chosen) if number in self.lost}
        return StateModel(tuple(names), self.n_rows[chosen], parameters, state, lost)


def fit(
    estimate: Callable[..., Estimate],
    config: Config,
    history: Panel,
    context: ForecastContext,
    beside: np.ndarray | None = None,
) -> StateModel:
    """Estimates each series on its own, by `estimate(y, config, context)`.

    With `log` in the configuration, a positive series is learnt in logarithms. Columns `beside` the target [n_rows, n]
    are handed on, those of the series, as `columns`.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # small matrices: threads would only wait for each other
        results = [
            _attempt(partial(estimate, **own), y, config, context)
            for y, own in zip(history.series(), _beside(history, beside), strict=True)
        ]
    return StateModel(
        history.names,
        history.lengths,
        _batched([result if isinstance(result, str) else result.parameters for result in results]),
        _batched([result if isinstance(result, str) else result.state for result in results]),
        {number: result for number, result in enumerate(results) if isinstance(result, str)},
    )


def _beside(history: Panel, columns: np.ndarray | None) -> list[Arrays]:
    """Of each series what its estimate is told besides, by name."""
    if columns is None:
        return [{}] * history.n_series
    return [{"columns": own} for own in np.split(columns, history.offsets[1:-1])]


def suits_logarithms(history: Panel) -> bool:
    """Whether most series are positive; the others are learnt as they are."""
    n_positive = sum(bool(y.min() > 0) for y in history.series() if len(y))
    return 2 * n_positive > history.n_series


def _attempt(estimate: Callable[..., Estimate], y: np.ndarray, config: Config, context: ForecastContext) -> Any:
    """The estimate, or the reason why there is none: one series must not cost the others their forecasts."""
    if time.monotonic() >= context.deadline:
        return "out of time"
    is_log = bool(config.get("log")) and bool(y.min() > 0)
    values = np.log(y) if is_log else y
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = estimate(values, config, context)
    except Exception as error:  # whatever a library raises for a series it cannot learn from
        return f"{type(error).__name__}: {error}"
    scale = {"is_log": float(is_log), "floor": y.min() if is_log else 1.0} if config.get("log") else {}
    extremes = {"lowest": values.min(), "highest": values.max()}
    whole = Estimate(found.parameters | scale, found.state | extremes)
    return whole if _is_finite(whole) else "the estimate is not finite"


def _is_finite(found: Estimate) -> bool:
    return all(np.isfinite(values).all() for values in (*found.parameters.values(), *found.state.values()))


def _batched(rows: Sequence[Arrays | str]) -> Arrays:
    found = [row for row in rows if not isinstance(row, str)]
    widths = {name: max(np.size(row[name]) for row in found) for name in found[0]} if found else {}
    batch = {name: np.zeros((len(rows), width)) for name, width in widths.items()}
    for number, row in enumerate(rows):
        for name, values in ({} if isinstance(row, str) else row).items():
            batch[name][number, : np.size(values)] = values
    return batch


def forecast(recursion: Recursion, model: StateModel, history: Panel, future: Panel) -> np.ndarray:
    """The point [n_series, horizon, 1]."""
    model, horizon = model.of(history.names), len(future.y) // max(1, future.n_series)
    points = np.full((history.n_series, horizon, 1), np.nan)
    if model.parameters:
        state = _caught_up(recursion, model, history)
        for step in range(horizon):
            _, point, state = _ahead(recursion, model.parameters, state)
            points[:, step] = _as_given(model.parameters, point)
    points[list(model.lost)] = np.nan
    return points


def explain(recursion: Recursion, model: StateModel, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The summands of the point [n_series, horizon] by name."""
    model, horizon = model.of(history.names), len(future.y) // max(1, future.n_series)
    if not model.parameters:
        return {"forecast": np.full((history.n_series, horizon), np.nan)}
    state, steps = _caught_up(recursion, model, history), []
    for _ in range(horizon):
        parts, point, state = _ahead(recursion, model.parameters, state)
        steps.append(_contributions(model.parameters, parts | {CORRECTION: point - _total(parts)}))
    found = {name: np.hstack([step[name] for step in steps]) for name in steps[0]}
    for values in found.values():
        values[list(model.lost)] = np.nan
    return {name: values for name, values in found.items() if name != CORRECTION or np.nanmax(np.abs(values)) > 0}


def _contributions(parameters: Arrays, parts: Arrays) -> Arrays:
    """Summands in the scale of the data: by how much each, in its turn, changes the forecast of those before it."""
    sums = [_as_given(parameters, total) for total in accumulate(parts.values())]
    before = [np.zeros_like(sums[-1]), *sums[:-1]]
    return {name: after - earlier for name, after, earlier in zip(parts, sums, before, strict=True)}


def to_onnx(recursion: Recursion, model: StateModel, graph: Graph, tensors: SeriesTensors) -> str:
    """Gathers what is known of the series, takes in its new rows, and goes on through the horizon: [horizon, 1]."""
    horizon = graph.node("Squeeze", graph.node("Shape", tensors.future_seconds))
    if not model.parameters:
        return graph.node("Expand", graph.constant(np.array([[np.nan]])), _shape(graph, horizon))
    gathered = {
        name: graph.node("Gather", graph.constant(values), tensors.series)
        for name, values in (model.parameters | model.state).items()
    }
    parameters = {name: gathered[name] for name in model.parameters}
    known = _take_in(recursion, parameters, {name: gathered[name] for name in model.state}, graph, tensors)

    def step(inner: Graph, number: str, *carried: str) -> list[str]:
        symbols = _symbols(inner, parameters)
        state = _symbols(inner, dict(zip(model.state, carried, strict=True)))
        _, point, state = _ahead(recursion, symbols, state)
        return [*(state[name].name for name in model.state), _as_given(symbols, point).name]

    points = graph.loop(horizon, known, step)[-1]
    if model.lost:
        points = graph.node("Add", points, _nan_of_lost(model, graph, tensors))
    return graph.node("Reshape", points, graph.constant(np.array([-1, 1], np.int64)))


def _take_in(
    recursion: Recursion, parameters: Arrays, state: Arrays, graph: Graph, tensors: SeriesTensors
) -> list[str]:
    """The state after the last `n_new` rows of the history."""
    first = graph.node("Sub", graph.node("Shape", tensors.y), tensors.n_new)

    def step(inner: Graph, number: str, *carried: str) -> list[str]:
        place = inner.node("Reshape", inner.node("Add", first, number), inner.constant(np.array([1, 1], np.int64)))
        symbols = _symbols(inner, parameters)
        y = _as_learnt(symbols, Symbol(inner, inner.node("Gather", tensors.y, place)))
        after = _after(recursion, symbols, _symbols(inner, dict(zip(state, carried, strict=True))), y)
        return [after[name].name for name in state]

    return list(graph.loop(graph.node("Squeeze", tensors.n_new), list(state.values()), step))


def _nan_of_lost(model: StateModel, graph: Graph, tensors: SeriesTensors) -> str:
    marks = np.zeros((len(model.n_rows), 1))
    marks[list(model.lost)] = np.nan
    return graph.node("Gather", graph.constant(marks), tensors.series)


def _shape(graph: Graph, horizon: str) -> str:
    one = graph.constant(np.array([1], np.int64))
    return graph.node("Concat", graph.node("Reshape", horizon, one), one, axis=0)


def _symbols(graph: Graph, names: Arrays) -> Arrays:
    return {name: Symbol(graph, tensor) for name, tensor in names.items()}


def _caught_up(recursion: Recursion, model: StateModel, history: Panel) -> Arrays:
    """The state after all rows of the history, those that came after the fit included."""
    state, n_new = model.state, history.lengths - model.n_rows
    with np.errstate(all="ignore"):  # of lost series
        for step in range(n_new.max(initial=0)):
            rows = np.minimum(history.offsets[:-1] + model.n_rows + step, history.offsets[1:] - 1)
            y = _as_learnt(model.parameters, history.y[rows][:, None])
            after = _after(recursion, model.parameters, state, y)
            state = {name: np.where((step < n_new)[:, None], after[name], state[name]) for name in state}
    return state


def _after(recursion: Recursion, parameters: Arrays, state: Arrays, y: Any) -> Arrays:
    """The state once a row has come."""
    extremes = {"lowest": np.minimum(state["lowest"], y), "highest": np.maximum(state["highest"], y)}
    return state | recursion.update(parameters, state, y) | extremes


def _ahead(recursion: Recursion, parameters: Arrays, state: Arrays) -> tuple[Arrays, Any, Arrays]:
    """Summands and forecast of the next row, and the state after it."""
    with np.errstate(all="ignore"):  # of lost series
        parts = recursion.parts(parameters, state)
        reach = REACH * (state["highest"] - state["lowest"])
        point = np.minimum(np.maximum(_total(parts), state["lowest"] - reach), state["highest"] + reach)
        changes = {} if recursion.is_still else recursion.update(parameters, state, point)
    return parts, point, state | changes


def _total(parts: Arrays) -> Any:
    return reduce(add, parts.values())


def _as_learnt(parameters: Arrays, y: Any) -> Any:
    """A value in the scale in which its series was learnt; in logarithms nothing is below the least that was learnt."""
    if "is_log" not in parameters:
        return y
    return np.where(parameters["is_log"] > 0, np.log(np.maximum(y, parameters["floor"])), y)


def _as_given(parameters: Arrays, point: Any) -> Any:
    """A value back in the scale of the data."""
    if "is_log" not in parameters:
        return point
    return np.where(parameters["is_log"] > 0, np.exp(point * parameters["is_log"]), point)


def state_forecaster(
    estimate: Callable[[np.ndarray, Config, ForecastContext], Estimate], recursion: Recursion, **about: Any
) -> Forecaster:
    """A forecaster of single series that is no more than an estimate and a recursion; `about` are its other fields."""
    return Forecaster(
        scope="series",
        kinds=frozenset({"python"}),
        fit=partial(fit, estimate),
        forecast=partial(forecast, recursion),
        to_onnx=partial(to_onnx, recursion),
        explain=partial(explain, recursion),
        **about,
    )
