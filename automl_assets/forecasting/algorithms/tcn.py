"""A temporal convolutional network: dilated causal convolutions read the past, and every step ahead is answered at once.

Windows are normalised by their own mean and spread, and what is learnt is added to values of the last seasons, so that a
net that has learnt nothing yet is a seasonal naive forecast. Torch learns; what is learnt are numpy arrays, and
forecasting needs no torch.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl_assets.forecasting.features.network_inputs import (
    CYCLES,
    FARTHEST,
    Inputs,
    NetworkInputs,
    Table,
    fit_network_inputs,
    spreads,
    table_of,
    windows,
)
from automl_assets.forecasting.features.network_inputs_onnx import add_from, add_until, add_window, to_double, to_float
from automl_assets.forecasting.features.regressors import add_design
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models.components import LEVEL, PATTERN, SEASONS, of_column
from automl_assets.forecasting.records import MEDIAN, ForecastProblem, Panel
from automl_assets.learning.torch_training import AdamW, threads
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config
from automl_assets.stored import stored_as

LEAST_ORIGINS = 100  # from which a whole horizon can be learnt, with as many rows before them
MOST_CELLS = 7  # a receptive field of 509 rows
VECTOR = (3, 100)  # fewest and most numbers that tell a series
HIDDEN, STEP = 48, 8  # width of the decoder, and of what the past tells each step alone
EPOCHS, PATIENCE, PLATEAU = 100, 12, 4  # epochs without a better loss before learning ends, and before its rate halves
MOST_STEPS = 40  # of an epoch, which is a sample of all windows
FIRST_ORIGIN = 4  # rows before it tell the least that is needed to scale a window
BATCHES = (32, 128)  # fewest and most windows
MOST_CHECKED = 512  # windows of validation
VALIDATION = 0.1  # share of each history whose last rows tell when to stop
MEMORY = 0.97  # of the running mean of the weights, per step
CHUNK = 256  # windows that are answered at once
Weights = dict[str, Any]  # name -> numpy array, or torch tensor while learning


@stored_as("forecasting.tcn.Network")
@dataclass(frozen=True)
class Network:
    """A fitted network: what it looks at, what was learnt, and of which series."""

    sight: NetworkInputs
    weights: Weights
    names: tuple[str, ...]
    blocks: int
    cells: int
    middle: int  # place of the median among the quantiles


def _portfolio(problem: ForecastProblem, history: Panel) -> Sequence[Config]:
    """None where there is too little to learn from; else depth by the longest season, and what differs from that."""
    if _n_origins(history, problem.horizon) < LEAST_ORIGINS:
        return []
    cells = _cells(problem, history)
    default: Config = {
        **{"epochs": EPOCHS, "blocks": 1, "cells": cells, "channels": 16, "dropout": 0.1},
        **{"learning_rate": 5e-3, "log": False},
    }
    in_logarithms = [default | {"log": True}] if history.y.min() > 0 else []
    return [
        default,
        *in_logarithms,
        default | {"channels": 32, "dropout": 0.25, "learning_rate": 3e-3},
        default | {"blocks": 2, "cells": max(2, cells - 1), "learning_rate": 3e-3},
        default | {"cells": max(2, cells - 2), "channels": 8, "dropout": 0.0},
    ]


def _space(trial: Any, problem: ForecastProblem) -> Config:
    return {
        "epochs": EPOCHS,
        "blocks": trial.suggest_int("blocks", 1, 2),
        "cells": trial.suggest_int("cells", 2, 6),
        "channels": trial.suggest_categorical("channels", [8, 16, 32]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 2e-2, log=True),
        "log": trial.suggest_categorical("log", [False, True]),
    }


def _n_origins(history: Panel, horizon: int) -> int:
    return int(np.maximum(history.lengths - 2 * horizon + 1, 0).sum())


def _cells(problem: ForecastProblem, history: Panel) -> int:
    """Just enough of them to see a whole season of the longest, as far as histories go."""
    wanted = min(max(problem.periods, default=problem.horizon), int(np.median(history.lengths)) // 2)
    return next((cells for cells in range(2, MOST_CELLS) if _field(1, cells) > wanted), MOST_CELLS)


def _field(blocks: int, cells: int) -> int:
    """Rows that one answer sees: each cell convolves three rows twice, twice as far apart as the cell before."""
    return 4 * blocks * (2**cells - 1) + 1


# --- the network


def _initial(sight: NetworkInputs, config: Config, n_series: int, n_quantiles: int, generator: Any) -> Weights:
    """Tensors to learn. What is added to the last seasons is nothing at first, and each cell passes its input on."""
    import torch

    width, (horizon, n_lags) = config["channels"], sight.lags.shape
    n_vector = int(np.clip(math.ceil(n_series**0.25), *VECTOR)) if n_series > 1 else 0
    n_state = width + n_vector + len(sight.statics.names)
    n_ahead = n_lags * (1 + len(sight.known.names)) + len(sight.known.names) + len(sight.moments.names)

    def uniform(fan_in: int, *shape: int) -> Any:
        return (torch.rand((fan_in, *shape), generator=generator) * 2 - 1) * math.sqrt(3 / max(1, fan_in))

    weights = {
        "vectors": torch.randn((n_series, n_vector), generator=generator) * 0.3,
        "premix": uniform(2 + len(sight.past.names), width),
        "premix_bias": torch.zeros(width),
        "state": uniform(n_state, HIDDEN),
        "steps": uniform(n_state, horizon * STEP),
        "step": uniform(STEP, HIDDEN),
        "ahead": uniform(n_ahead, HIDDEN),
        "bias": torch.zeros((horizon, HIDDEN)),
        "hidden": uniform(HIDDEN, HIDDEN),
        "hidden_bias": torch.zeros(HIDDEN),
        "head": torch.zeros((HIDDEN, n_quantiles)),
        "head_bias": torch.zeros(n_quantiles),
        "skip": _first_skip(torch, n_lags),
    }
    for cell in range(config["blocks"] * config["cells"]):
        weights[f"first_{cell}"] = uniform(3 * width, width)
        weights[f"first_bias_{cell}"] = torch.zeros(width)
        weights[f"second_{cell}"] = uniform(3 * width, width) * 0.1
        weights[f"second_bias_{cell}"] = torch.zeros(width)
    return {name: tensor.requires_grad_() for name, tensor in weights.items()}


def _first_skip(torch: Any, n_lags: int) -> Any:
    """The mean of the last cycles of all seasons; without a season the last value."""
    skip = torch.zeros((n_lags, 1))
    skip[: max(1, n_lags - 1) : CYCLES] = 1 / len(skip[: max(1, n_lags - 1) : CYCLES])
    return skip


def _outputs(
    weights: Weights,
    shape: tuple[int, int],
    inputs: Inputs,
    kind: Any,
    drop: Callable[[Any], Any] = lambda hidden: hidden,
) -> Any:
    """Scaled quantiles [n_windows, horizon, n_quantiles]: the same words for numpy arrays and torch tensors (`kind`)."""
    state = [_convolved(weights, shape, inputs.past, kind, drop), weights["vectors"][inputs.series], inputs.statics]
    whole = kind.concatenate(state, axis=1)
    horizon, n_lags = weights["bias"].shape[0], weights["skip"].shape[0]
    steps = (whole @ weights["steps"]).reshape(-1, horizon, STEP) @ weights["step"]
    ahead = inputs.ahead @ weights["ahead"] + (whole @ weights["state"])[:, None]
    hidden = drop((steps + ahead + weights["bias"]).clip(min=0))
    hidden = drop((hidden @ weights["hidden"] + weights["hidden_bias"]).clip(min=0))
    return hidden @ weights["head"] + weights["head_bias"] + inputs.ahead[:, :, :n_lags] @ weights["skip"]


def _convolved(weights: Weights, shape: tuple[int, int], past: Any, kind: Any, drop: Callable[[Any], Any]) -> Any:
    """What the past says to the origin, [n_windows, channels].

    Of the last block only rows are computed that the last answer sees: every second one less, cell by cell.
    """
    blocks, cells = shape
    x = past @ weights["premix"] + weights["premix_bias"]
    for number in range(blocks * cells):
        is_last = number >= (blocks - 1) * cells
        apart = 1 if is_last else 2 ** (number % cells)
        hidden = (_triples(x, apart, kind) @ weights[f"first_{number}"] + weights[f"first_bias_{number}"]).clip(min=0)
        added = _triples(drop(hidden), apart, kind) @ weights[f"second_{number}"] + weights[f"second_bias_{number}"]
        x = (x[:, 4 * apart :] + added).clip(min=0)
        x = x[:, ::2] if is_last else x
    return x[:, -1]


def _triples(x: Any, apart: int, kind: Any) -> Any:
    """Each row beside the two rows `apart` before it, [n_windows, n_rows - 2 apart, 3 channels]."""
    n_rows = x.shape[1] - 2 * apart
    return kind.concatenate([x[:, k * apart : k * apart + n_rows] for k in range(3)], axis=2)


# --- learning


def _fit(config: Config, history: Panel, context: ForecastContext) -> Network:
    field = _field(config["blocks"], config["cells"])
    sight = fit_network_inputs(context.problem, history, field, config["log"])
    with threads(1):  # nets this small gain nothing by more, and learn the same everywhere
        learning = _Learning(sight, config, history, context)
        learning.run()
    weights = {name: tensor.numpy() for name, tensor in learning.best.items()}
    weights["vectors"] = np.vstack([weights["vectors"], weights["vectors"].mean(axis=0, keepdims=True)])
    middle = context.problem.quantiles.index(MEDIAN)
    return Network(sight, weights, history.names, config["blocks"], config["cells"], middle)


class _Learning:
    """One run of Adam: windows, rate, and the best epoch so far."""

    def __init__(self, sight: NetworkInputs, config: Config, history: Panel, context: ForecastContext):
        import torch

        self.sight, self.config, self.context = sight, config, context
        self.table = table_of(sight, history, spreads(sight, history))
        self.statics = sight.statics.of(history.statics).astype(np.float32)
        self.training, self.checked = _origins(sight, history, self.table)
        self.random = np.random.default_rng(context.seed)
        self.generator = torch.Generator().manual_seed(context.seed)
        levels = context.problem.quantiles
        self.levels = torch.tensor(levels, dtype=torch.float32)
        self.weights = _initial(sight, config, history.n_series, len(levels), self.generator)
        self.mean = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        self.best, self.best_loss, self.best_epoch = dict(self.mean), math.inf, 0
        self.optimizer = AdamW(self.weights, dict.fromkeys(self.weights, 0.0))

    def run(self) -> None:
        n_windows = len(self.training)
        if not n_windows:
            return
        size = int(np.clip(n_windows // 20, *BATCHES))
        rate, since = self.config["learning_rate"], 0
        n_steps = min(MOST_STEPS, -(-n_windows // size))
        for epoch in range(self.config["epochs"]):
            for _ in range(n_steps):
                if time.monotonic() >= self.context.deadline:
                    break
                self._step(self.training[self.random.integers(n_windows, size=size)], rate)
            self._remember(epoch)
            since = 0 if self.best_epoch == epoch else since + 1
            if since >= PLATEAU:
                rate, since = rate / 2, 0
            if epoch - self.best_epoch >= PATIENCE or time.monotonic() >= self.context.deadline:
                return

    def _step(self, chosen: np.ndarray, rate: float) -> None:
        import torch

        loss = self._loss(self.weights, chosen, self._dropped)
        gradients = torch.autograd.grad(loss, list(self.weights.values()), allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            self.optimizer.step(gradients, rate)
            memory = min(MEMORY, (1 + self.optimizer.n_steps) / (10 + self.optimizer.n_steps))
            for name, tensor in self.weights.items():
                self.mean[name].lerp_(tensor, 1 - memory)

    def _loss(self, weights: Weights, chosen: np.ndarray, drop: Callable[[Any], Any] = lambda hidden: hidden) -> Any:
        """Mean pinball over the quantiles, in spreads of each window; values made up do not count."""
        import torch

        series, origins = chosen.T
        inputs = windows(self.sight, self.table, origins, series, self.statics[series])
        ahead = origins[:, None] + np.arange(self.sight.horizon)
        scaled = np.clip((self.table.y[ahead] - inputs.centre) / inputs.spread, -FARTHEST, FARTHEST)
        truth = torch.from_numpy(scaled.astype(np.float32))[:, :, None]
        counted = torch.from_numpy(self.table.is_target[ahead].astype(np.float32))[:, :, None]
        shape = self.config["blocks"], self.config["cells"]
        missed = truth - _outputs(weights, shape, _tensors(inputs), torch, drop)
        return (torch.maximum(self.levels * missed, (self.levels - 1) * missed) * counted).mean()

    def _dropped(self, hidden: Any) -> Any:
        import torch

        rate = self.config["dropout"]
        if not rate:
            return hidden
        kept = torch.rand((len(hidden), 1, hidden.shape[2]), generator=self.generator) >= rate
        return hidden * (kept / (1 - rate))

    def _remember(self, epoch: int) -> None:
        """Keeps the mean of the weights where it forecasts the last origins best; without those the last one."""
        import torch

        with torch.no_grad():
            loss = float(self._loss(self.mean, self.checked)) if len(self.checked) else -float(epoch)
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            self.best = {name: tensor.clone() for name, tensor in self.mean.items()}


def _tensors(inputs: Inputs) -> Inputs:
    """The same with torch tensors."""
    import torch

    tensors: list[Any] = [torch.from_numpy(array) for array in vars(inputs).values()]
    return Inputs(*tensors)


def _origins(sight: NetworkInputs, history: Panel, table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Series and row of each origin to learn from, and to check with, int64 [n_windows, 2].

    What is learnt ends before the first value that is checked; a series too short to be learnt from is not checked.
    """
    last, checked = history.lengths - sight.horizon, np.maximum(sight.horizon, VALIDATION * history.lengths).astype(int)
    begins = history.lengths - checked
    ends = begins - sight.horizon  # the last origin to learn from
    begins = np.where(ends >= FIRST_ORIGIN, begins, last + 1)
    training = _numbered(table.first, np.full(history.n_series, FIRST_ORIGIN), ends)
    checking = _numbered(table.first, begins, last)
    return training, checking[:: -(-len(checking) // MOST_CHECKED) or 1]


def _numbered(first: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Origins from `begins` to `ends` of each series, as number of the series and row of the table."""
    found = [
        np.column_stack([np.full(end + 1 - begin, number), start + np.arange(begin, end + 1)])
        for number, (start, begin, end) in enumerate(zip(first, begins, np.maximum(ends, begins - 1), strict=True))
    ]
    return np.concatenate(found)


# --- forecasting


def _forecast(model: Network, history: Panel, future: Panel) -> np.ndarray:
    horizon = len(future.y) // max(1, future.n_series)
    parts = [np.arange(start, min(start + CHUNK, history.n_series)) for start in range(0, history.n_series, CHUNK)]
    return np.concatenate([_quantiles(model, history.of(part), future.of(part)) for part in parts])[:, :horizon]


def _quantiles(model: Network, history: Panel, future: Panel) -> np.ndarray:
    """float64 [n_series, horizon, n_quantiles], ascending."""
    inputs = _seen(model, history, future)
    whole = _scaled_quantiles(model, inputs) * inputs.spread[:, :, None] + inputs.centre[:, :, None]
    return whole if model.sight.least is None else np.exp(whole)


def _scaled_quantiles(model: Network, inputs: Inputs) -> np.ndarray:
    scaled = _outputs(model.weights, (model.blocks, model.cells), inputs, np).astype(np.float64)
    return np.sort(np.clip(scaled, -FARTHEST, FARTHEST), axis=2)


def _seen(model: Network, history: Panel, future: Panel) -> Inputs:
    """The window of each series that ends where its history does."""
    sight = model.sight
    numbers = np.array([model.names.index(name) if name in model.names else len(model.names) for name in history.names])
    table = table_of(sight, history.last(sight.context).then(future), spreads(sight, history))
    origins = table.first + np.minimum(history.lengths, sight.context)
    statics = sight.statics.of(history.statics).astype(np.float32)
    return replace(windows(sight, table, origins, np.arange(history.n_series), statics), series=numbers)


def _explain(model: Network, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The mean of the window, what the last seasons add to it, each known covariate, and the pattern that is left.

    A covariate adds what the answer loses when it is taken for its mean, the covariates before it left at theirs.
    """
    horizon, inputs = len(future.y) // max(1, future.n_series), _seen(model, history, future)
    n_lags = model.weights["skip"].shape[0]
    seasons, whole = (inputs.ahead[:, :, :n_lags] @ model.weights["skip"])[:, :, 0], _middle(model, inputs)
    scaled = {SEASONS: seasons}
    for name in dict.fromkeys(model.sight.known.names):
        inputs = _without(model.sight, inputs, name)
        rest = _middle(model, inputs)
        scaled[of_column(name)], whole = whole - rest, rest
    parts = scaled | {PATTERN: whole - seasons}
    level = np.broadcast_to(inputs.centre, whole.shape)
    return {
        name: values[:, :horizon]
        for name, values in ({LEVEL: level} | {name: part * inputs.spread for name, part in parts.items()}).items()
    }


def _middle(model: Network, inputs: Inputs) -> np.ndarray:
    return _scaled_quantiles(model, inputs)[:, :, model.middle]


def _without(sight: NetworkInputs, inputs: Inputs, name: str) -> Inputs:
    """The same with a known covariate at its mean, ahead and in the last seasons."""
    (n_lags, n_known), ahead = (sight.lags.shape[1], len(sight.known.names)), inputs.ahead.copy()
    own = np.flatnonzero(np.array(sight.known.names) == name)
    ahead[:, :, n_lags + own] = 0
    first_then = n_lags + n_known + len(sight.moments.names)
    ahead[:, :, first_then + np.add.outer(n_known * np.arange(n_lags), own).ravel()] = 0
    return replace(inputs, ahead=ahead)


# --- ONNX


def _to_onnx(model: Network, graph: Graph, tensors: SeriesTensors) -> str:
    """The same steps as `_quantiles`, in one pass; `past` and `ahead` are what `Inputs` holds of one window."""
    past, ahead, centre, spread = add_window(model.sight, graph, tensors)
    whole = [_add_convolved(model, graph, past), *_add_vector(model, graph, tensors.series)]
    whole += [to_float(graph, tensor) for tensor in add_design(graph, model.sight.statics, tensors.statics)]
    scaled = to_double(graph, _add_decoded(model, graph, graph.node("Concat", *whole, axis=1), ahead))
    limited = graph.node("Clip", scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST))
    n_quantiles = graph.constant(np.array([len(model.weights["head_bias"])]))
    ordered, _ = graph.node("TopK", limited, n_quantiles, axis=1, largest=0, n_outputs=2)
    answer = graph.node("Add", graph.node("Mul", ordered, spread), centre)
    return answer if model.sight.least is None else graph.node("Exp", answer)


def _add_vector(model: Network, graph: Graph, series: str) -> list[str]:
    """The learnt vector of the series [1, n], or the mean of all for one that was not learnt from."""
    vectors = model.weights["vectors"]
    if not vectors.shape[1]:
        return []
    is_known = graph.node("GreaterOrEqual", series, graph.constant(np.int64(0)))
    number = graph.node("Where", is_known, series, graph.constant(np.array([len(vectors) - 1])))
    return [graph.node("Gather", graph.constant(vectors), number, axis=0)]


def _add_affine(model: Network, graph: Graph, x: str, name: str, bias: str) -> str:
    product = graph.node("MatMul", x, graph.constant(model.weights[name]))
    return graph.node("Add", product, graph.constant(model.weights[bias]))


def _add_convolved(model: Network, graph: Graph, past: str) -> str:
    """What `_convolved` answers [1, channels], by dilated convolutions of all rows."""
    x = graph.node("Transpose", _add_affine(model, graph, past, "premix", "premix_bias"))
    x = graph.node("Unsqueeze", x, graph.constant(np.array([0])))
    for number in range(model.blocks * model.cells):
        apart = 2 ** (number % model.cells)
        hidden = graph.node("Relu", _add_convolution(model, graph, x, f"first_{number}", apart))
        added = _add_convolution(model, graph, hidden, f"second_{number}", apart)
        x = graph.node("Relu", graph.node("Add", add_from(graph, x, 4 * apart, axis=2), added))
    return graph.node("Squeeze", x, graph.constant(np.array([2])))


def _add_convolution(model: Network, graph: Graph, x: str, name: str, apart: int) -> str:
    matrix, bias = model.weights[name], model.weights[name.replace("_", "_bias_")]
    kernel = matrix.reshape(3, -1, matrix.shape[1]).transpose(2, 1, 0)  # [channels, channels, 3]
    return graph.node("Conv", x, graph.constant(kernel), graph.constant(bias), dilations=[apart], kernel_shape=[3])


def _add_decoded(model: Network, graph: Graph, whole: str, ahead: str) -> str:
    """The second half of `_outputs`: scaled quantiles [n_ahead_rows, n_quantiles]."""
    weights, n_lags = model.weights, model.weights["skip"].shape[0]
    horizon = graph.node("Shape", ahead, start=0, end=1)
    told = graph.node("MatMul", whole, graph.constant(weights["steps"]))
    told = graph.node("Reshape", told, graph.constant(np.array([model.sight.horizon, STEP])))
    steps = graph.node("MatMul", add_until(graph, told, horizon), graph.constant(weights["step"]))
    shown = graph.node("MatMul", ahead, graph.constant(weights["ahead"]))
    state = graph.node("MatMul", whole, graph.constant(weights["state"]))
    bias = add_until(graph, graph.constant(weights["bias"]), horizon)
    hidden = graph.node("Relu", graph.node("Sum", steps, shown, state, bias))
    hidden = graph.node("Relu", _add_affine(model, graph, hidden, "hidden", "hidden_bias"))
    bounds = graph.constant(np.array([0])), graph.constant(np.array([n_lags])), graph.constant(np.array([1]))
    lags = graph.node("MatMul", graph.node("Slice", ahead, *bounds), graph.constant(weights["skip"]))
    return graph.node("Add", _add_affine(model, graph, hidden, "head", "head_bias"), lags)


PART = Forecaster(
    name="tcn",
    title="Temporal convolutional network",
    reference="Bai, Kolter and Koltun 2018; as in Azure AutoML's TCNForecaster; own, with torch.",
    kinds=frozenset({"pytorch"}),
    scope="group",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    heads="quantiles",
    has_cold_start=True,
    time_share=2.0,
    requires="torch",
    preload=("torch",),
)
