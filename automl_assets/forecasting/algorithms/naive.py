"""Naive forecasts: the last value, the last season, and their means. Whatever happens, one of them can answer."""

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models.components import LEVEL, SEASONS
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config

AVERAGED = 4  # last seasons that a seasonal average is taken over


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    """Forecasts repeat the mean of the last `n_blocks` blocks of `block` stamps each."""
    plain: list[Config] = [{"block": 1, "n_blocks": 1}, {"block": 1, "n_blocks": max(2, problem.horizon)}]
    seasonal = [{"block": period, "n_blocks": n} for period in problem.periods for n in (1, AVERAGED)]
    return seasonal + plain


def _fit(config: Config, history: Panel, context: ForecastContext) -> Config:
    return dict(config)


def _forecast(model: Config, history: Panel, future: Panel) -> np.ndarray:
    horizon = len(future.y) // max(1, future.n_series)
    return np.stack([_repeated(y, model, horizon) for y in history.series()])[:, :, None]


def _repeated(y: np.ndarray, model: Config, horizon: int) -> np.ndarray:
    """The mean block, one after the other, [horizon]."""
    block = _block(y, model)
    return block[np.arange(horizon) % len(block)]


def _block(y: np.ndarray, model: Config) -> np.ndarray:
    """The mean of the last whole blocks, as many of them as there are, [block]."""
    block = min(model["block"], len(y))
    n_blocks = min(model["n_blocks"], len(y) // block)
    return y[len(y) - block * n_blocks :].reshape(n_blocks, block).mean(axis=0)


def _explain(model: Config, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The mean of what is repeated, and how far each of its stamps is from that."""
    point = _forecast(model, history, future)[:, :, 0]
    levels = np.array([[_block(y, model).mean()] for y in history.series()])
    return {LEVEL: np.broadcast_to(levels, point.shape), SEASONS: point - levels}


def _to_onnx(model: Config, graph: Graph, tensors: SeriesTensors) -> str:
    one = graph.constant(np.array([1], np.int64))
    length = graph.node("Shape", tensors.y)
    block = graph.node("Min", graph.constant(np.array([model["block"]], np.int64)), length)
    n_blocks = graph.node(
        "Min", graph.constant(np.array([model["n_blocks"]], np.int64)), graph.node("Div", length, block)
    )
    start = graph.node("Sub", length, graph.node("Mul", block, n_blocks))
    blocks = graph.node("Slice", tensors.y, start, length)
    shape = graph.node("Concat", n_blocks, block, axis=0)
    mean = graph.node(
        "ReduceMean", graph.node("Reshape", blocks, shape), graph.constant(np.array([0], np.int64)), keepdims=0
    )
    horizon = graph.node("Squeeze", graph.node("Shape", tensors.future_seconds))
    zero, unit = graph.constant(np.int64(0)), graph.constant(np.int64(1))
    places = graph.node("Mod", graph.node("Range", zero, horizon, unit), block)
    return graph.node("Unsqueeze", graph.node("Gather", mean, places), one)


PART = Forecaster(
    name="naive",
    title="Naive",
    reference="Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, §5.2",
    kinds=frozenset({"numpy"}),
    scope="series",
    portfolio=_portfolio,
    fit=_fit,
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    is_fallback=True,
    has_cold_start=True,
    time_share=0.1,
)
