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

from automl_assets.descent import AdamW, threads
from automl_assets.design import Design, Moments, add_design, add_moments, fit_design, fit_moments
from automl_assets.parts import Config, ForecastContext, Forecaster, SeriesTensors
from automl_assets.series import MEDIAN, ForecastProblem, Panel

LEAST_ORIGINS = 100  # from which a whole horizon can be learnt, with as many rows before them
MOST_CELLS = 7  # a receptive field of 509 rows
CYCLES = 2  # of each season that every step ahead is shown
MOST_HARMONICS = 4  # of a day, a week, a year
FARTHEST = 20.0  # spreads from the mean of a window that the net is shown, and learns to answer
LEAST_SPREAD = 0.1  # of a window, as a share of the spread of its series
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


@dataclass(frozen=True)
class Sight:
    """What the network looks at, from wherever it forecasts."""

    context: int  # rows of the past
    field: int  # the last of them, which are convolved
    lags: np.ndarray  # int64 [horizon, n_lags], rows of the context that stand at the same place in their season
    past: Design  # of all covariates
    known: Design
    statics: Design
    moments: Moments
    least: float | None  # value below which nothing has a logarithm; None where the target is no logarithm

    @property
    def horizon(self) -> int:
        return len(self.lags)

    def scaled(self, y: np.ndarray) -> np.ndarray:
        return y if self.least is None else np.log(np.maximum(y, self.least))


@dataclass(frozen=True)
class Table:
    """Rows of a panel as windows are cut from them: each series between `context` empty rows and `horizon` more."""

    y: np.ndarray  # float64 [n_rows], on the scale that is learnt
    is_row: np.ndarray  # bool [n_rows]
    is_target: np.ndarray  # bool [n_rows]: known, not made up
    past: np.ndarray  # float32 [n_rows, n_past]
    ahead: np.ndarray  # float32 [n_rows, n_known + n_moments]
    first: np.ndarray  # int64 [n_series], where each series begins
    spread: np.ndarray  # float64 [n_series], mean distance from the mean of each series


@dataclass(frozen=True)
class Inputs:
    """A batch of windows as the network takes them."""

    past: np.ndarray  # float32 [n_windows, field, n_past]
    ahead: np.ndarray  # float32 [n_windows, horizon, n_lags + n_ahead]
    series: np.ndarray  # int64 [n_windows], rows of the table of learnt vectors
    statics: np.ndarray  # float32 [n_windows, n_statics]
    centre: np.ndarray  # float64 [n_windows, 1]
    spread: np.ndarray  # float64 [n_windows, 1]


@dataclass(frozen=True)
class Network:
    """A fitted network: what it looks at, what was learnt, and of which series."""

    sight: Sight
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


# --- what is looked at


def _fit_sight(config: Config, history: Panel, problem: ForecastProblem) -> Sight:
    lags = _lags(problem, int(history.lengths.max()))
    field = _field(config["blocks"], config["cells"])
    context = max(field, int(lags.max()))
    is_log = config["log"] and history.y.max() > 0
    return Sight(
        context=context,
        field=field,
        lags=context - lags,
        past=fit_design(problem.covariates, history.covariates),
        known=fit_design(problem.covariates, history.covariates, "known"),
        statics=fit_design(problem.statics, history.statics),
        moments=fit_moments(problem, history, MOST_HARMONICS),
        least=float(history.y[history.y > 0].min()) if is_log else None,
    )


def _lags(problem: ForecastProblem, longest: int) -> np.ndarray:
    """How many rows before the origin each step looks, int64 [horizon, n_lags]; the last column is the last row."""
    steps = np.arange(problem.horizon)
    periods = [period for period in problem.periods if CYCLES * period + problem.horizon <= longest]
    same = [(-(-(steps + 1) // period) + cycle) * period - steps for period in periods for cycle in range(CYCLES)]
    return np.column_stack([*same, np.ones_like(steps)])


def _table(sight: Sight, panel: Panel, spread: np.ndarray) -> Table:
    """Empty rows are zeros, and marked."""
    before, gap = sight.context, sight.context + sight.horizon
    first = panel.offsets[:-1] + before + gap * np.arange(panel.n_series)
    rows = np.arange(len(panel.y)) + np.repeat(first - panel.offsets[:-1], panel.lengths)
    n_rows = len(panel.y) + gap * panel.n_series

    def placed(values: np.ndarray, kind: Any) -> np.ndarray:
        found = np.zeros((n_rows, *values.shape[1:]), kind)
        found[rows] = values
        return found

    ahead = np.hstack([sight.known.of(panel.covariates), sight.moments.of(panel.stamps)])
    return Table(
        placed(sight.scaled(panel.y), np.float64),
        placed(np.ones(len(rows)), bool),
        placed(~panel.is_filled & np.isfinite(panel.y), bool),
        placed(sight.past.of(panel.covariates), np.float32),
        placed(ahead, np.float32),
        first,
        spread,
    )


def _spreads(sight: Sight, history: Panel) -> np.ndarray:
    scaled = (sight.scaled(y) for y in history.series())
    return np.array([np.abs(y - y.mean()).mean() for y in scaled])


def _windows(sight: Sight, table: Table, origins: np.ndarray, series: np.ndarray, statics: np.ndarray) -> Inputs:
    """What is seen from origins (rows of the table); of `series` and `statics` one row per origin."""
    past, ahead = origins[:, None] + np.arange(-sight.context, 0), origins[:, None] + np.arange(sight.horizon)
    is_row, recent = table.is_row[past], np.s_[:, sight.context - sight.field :]
    count = np.maximum(1, is_row[recent].sum(axis=1, keepdims=True))
    y = table.y[past]
    centre = (y * is_row)[recent].sum(axis=1, keepdims=True) / count
    distance = (np.abs(y - centre) * is_row)[recent].sum(axis=1, keepdims=True) / count
    spread = np.maximum(distance, LEAST_SPREAD * table.spread[series][:, None])
    spread = np.where(spread > 0, spread, 1.0)
    seen = (np.clip((y - centre) / spread, -FARTHEST, FARTHEST) * is_row).astype(np.float32)
    shown = [seen[recent][:, :, None], is_row[recent][:, :, None], table.past[past[recent]]]
    n_known = len(sight.known.names)
    known_then = table.ahead[past[:, sight.lags]][..., :n_known].reshape(len(past), sight.horizon, -1)
    return Inputs(
        np.concatenate(shown, axis=2, dtype=np.float32),
        np.concatenate([seen[:, sight.lags], table.ahead[ahead], known_then], axis=2),
        series,
        statics,
        centre,
        spread,
    )


# --- the network


def _initial(sight: Sight, config: Config, n_series: int, n_quantiles: int, generator: Any) -> Weights:
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
    sight = _fit_sight(config, history, context.problem)
    with threads(1):  # nets this small gain nothing by more, and learn the same everywhere
        learning = _Learning(sight, config, history, context)
        learning.run()
    weights = {name: tensor.numpy() for name, tensor in learning.best.items()}
    weights["vectors"] = np.vstack([weights["vectors"], weights["vectors"].mean(axis=0, keepdims=True)])
    middle = context.problem.quantiles.index(MEDIAN)
    return Network(sight, weights, history.names, config["blocks"], config["cells"], middle)


class _Learning:
    """One run of Adam: windows, rate, and the best epoch so far."""

    def __init__(self, sight: Sight, config: Config, history: Panel, context: ForecastContext):
        import torch

        self.sight, self.config, self.context = sight, config, context
        self.table = _table(sight, history, _spreads(sight, history))
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
        inputs = _windows(self.sight, self.table, origins, series, self.statics[series])
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


def _origins(sight: Sight, history: Panel, table: Table) -> tuple[np.ndarray, np.ndarray]:
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
    table = _table(sight, history.last(sight.context).then(future), _spreads(sight, history))
    origins = table.first + np.minimum(history.lengths, sight.context)
    statics = sight.statics.of(history.statics).astype(np.float32)
    return replace(_windows(sight, table, origins, np.arange(history.n_series), statics), series=numbers)


def _explain(model: Network, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The mean of the window, what the last seasons add to it, each known covariate, and the pattern that is left.

    A covariate adds what the answer loses when it is taken for its mean, the covariates before it left at theirs.
    """
    horizon, inputs = len(future.y) // max(1, future.n_series), _seen(model, history, future)
    n_lags = model.weights["skip"].shape[0]
    seasons, whole = (inputs.ahead[:, :, :n_lags] @ model.weights["skip"])[:, :, 0], _middle(model, inputs)
    scaled = {"seasons": seasons}
    for name in dict.fromkeys(model.sight.known.names):
        inputs = _without(model.sight, inputs, name)
        rest = _middle(model, inputs)
        scaled[name], whole = whole - rest, rest
    parts = scaled | {"pattern": whole - seasons}
    level = np.broadcast_to(inputs.centre, whole.shape)
    return {
        name: values[:, :horizon]
        for name, values in ({"level": level} | {name: part * inputs.spread for name, part in parts.items()}).items()
    }


def _middle(model: Network, inputs: Inputs) -> np.ndarray:
    return _scaled_quantiles(model, inputs)[:, :, model.middle]


def _without(sight: Sight, inputs: Inputs, name: str) -> Inputs:
    """The same with a known covariate at its mean, ahead and in the last seasons."""
    (n_lags, n_known), ahead = (sight.lags.shape[1], len(sight.known.names)), inputs.ahead.copy()
    own = np.flatnonzero(np.array(sight.known.names) == name)
    ahead[:, :, n_lags + own] = 0
    first_then = n_lags + n_known + len(sight.moments.names)
    ahead[:, :, first_then + np.add.outer(n_known * np.arange(n_lags), own).ravel()] = 0
    return replace(inputs, ahead=ahead)


# --- ONNX


def _to_onnx(model: Network, graph: Any, tensors: SeriesTensors) -> str:
    """The same steps as `_quantiles`, in one pass; `past` and `ahead` are what `Inputs` holds of one window."""
    past, ahead, centre, spread = _add_window(model.sight, graph, tensors)
    whole = [_add_convolved(model, graph, past), *_add_vector(model, graph, tensors.series)]
    whole += [_float(graph, tensor) for tensor in add_design(graph, model.sight.statics, tensors.statics)]
    scaled = _double(graph, _add_decoded(model, graph, graph.node("Concat", *whole, axis=1), ahead))
    limited = graph.node("Clip", scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST))
    n_quantiles = graph.constant(np.array([len(model.weights["head_bias"])]))
    ordered, _ = graph.node("TopK", limited, n_quantiles, axis=1, largest=0, n_outputs=2)
    answer = graph.node("Add", graph.node("Mul", ordered, spread), centre)
    return answer if model.sight.least is None else graph.node("Exp", answer)


def _add_window(sight: Sight, graph: Any, tensors: SeriesTensors) -> tuple[str, str, str, str]:
    """The same steps as `_windows`: past [field, n_past], ahead [n_ahead_rows, n_ahead], centre and spread [1]."""
    y, horizon = tensors.y, graph.node("Shape", tensors.future_seconds)
    if sight.least is not None:
        y = graph.node("Log", graph.node("Max", y, graph.constant(sight.least)))
    rows = _add_last(graph, y, sight.context)
    is_row = _add_last(graph, graph.node("Expand", graph.constant(1.0), graph.node("Shape", y)), sight.context)
    recent, is_recent = (_add_from(graph, tensor, -sight.field) for tensor in (rows, is_row))
    centre, distance = _add_moments(graph, recent, is_recent)
    _, whole = _add_moments(graph, y, graph.node("Expand", graph.constant(1.0), graph.node("Shape", y)))
    widest = graph.node("Max", distance, graph.node("Mul", whole, graph.constant(LEAST_SPREAD)))
    is_wide = graph.node("Greater", widest, graph.constant(0.0))
    spread = graph.node("Where", is_wide, widest, graph.constant(1.0))
    scaled = graph.node("Div", graph.node("Sub", rows, centre), spread)
    limited = graph.node("Clip", scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST))
    seen = graph.node("Mul", limited, is_row)
    designs = [
        _add_last(graph, tensor, sight.field) for tensor in add_design(graph, sight.past, tensors.history_covariates)
    ]
    columns = [_column(graph, _add_from(graph, seen, -sight.field)), _column(graph, is_recent), *designs]
    past = _float(graph, graph.node("Concat", *columns, axis=1))
    ahead = [_add_until(graph, graph.node("Gather", seen, graph.constant(sight.lags)), horizon)]
    ahead += _add_ahead(sight, graph, tensors, horizon)
    return past, _float(graph, graph.node("Concat", *ahead, axis=1)), centre, spread


def _add_ahead(sight: Sight, graph: Any, tensors: SeriesTensors, horizon: str) -> list[str]:
    """Known covariates and moments of the steps ahead, and those covariates in the last seasons."""
    known = add_design(graph, sight.known, tensors.future_covariates)
    moments = add_moments(graph, sight.moments, tensors.future_seconds)
    then = []
    for tensor in add_design(graph, sight.known, tensors.history_covariates):
        rows = graph.node("Gather", _add_last(graph, tensor, sight.context), graph.constant(sight.lags))
        shape = graph.constant(np.array([sight.horizon, sight.lags.shape[1] * len(sight.known.names)]))
        then.append(_add_until(graph, graph.node("Reshape", rows, shape), horizon))
    return [*known, *moments, *then]


def _add_moments(graph: Any, values: str, is_row: str) -> tuple[str, str]:
    """Mean, and mean distance from it, of the rows that there are, [1] each."""
    count = graph.node("Max", graph.node("ReduceSum", is_row, keepdims=1), graph.constant(1.0))
    total = graph.node("ReduceSum", graph.node("Mul", values, is_row), keepdims=1)
    centre = graph.node("Div", total, count)
    away = graph.node("Mul", graph.node("Abs", graph.node("Sub", values, centre)), is_row)
    return centre, graph.node("Div", graph.node("ReduceSum", away, keepdims=1), count)


def _add_last(graph: Any, rows: str, n_rows: int) -> str:
    """The last rows, behind zeros where there are not so many."""
    zero = graph.constant(np.array([0]))
    shape = graph.node("Concat", graph.constant(np.array([n_rows])), graph.node("Shape", rows, start=1), axis=0)
    empty = graph.node("Expand", graph.constant(0.0), shape)
    whole = graph.node("Concat", empty, rows, axis=0)
    return graph.node("Slice", whole, graph.constant(np.array([-n_rows])), graph.constant(np.array([2**62])), zero)


def _add_from(graph: Any, rows: str, first: int, axis: int = 0) -> str:
    bounds = graph.constant(np.array([first])), graph.constant(np.array([2**62]))
    return graph.node("Slice", rows, *bounds, graph.constant(np.array([axis])))


def _add_until(graph: Any, rows: str, horizon: str) -> str:
    zero = graph.constant(np.array([0]))
    return graph.node("Slice", rows, zero, horizon, zero)


def _column(graph: Any, values: str) -> str:
    return graph.node("Unsqueeze", values, graph.constant(np.array([1])))


def _float(graph: Any, tensor: str) -> str:
    from onnx import TensorProto

    return graph.node("Cast", tensor, to=TensorProto.FLOAT)


def _double(graph: Any, tensor: str) -> str:
    from onnx import TensorProto

    return graph.node("Cast", tensor, to=TensorProto.DOUBLE)


def _add_vector(model: Network, graph: Any, series: str) -> list[str]:
    """The learnt vector of the series [1, n], or the mean of all for one that was not learnt from."""
    vectors = model.weights["vectors"]
    if not vectors.shape[1]:
        return []
    is_known = graph.node("GreaterOrEqual", series, graph.constant(np.int64(0)))
    number = graph.node("Where", is_known, series, graph.constant(np.array([len(vectors) - 1])))
    return [graph.node("Gather", graph.constant(vectors), number, axis=0)]


def _add_affine(model: Network, graph: Any, x: str, name: str, bias: str) -> str:
    product = graph.node("MatMul", x, graph.constant(model.weights[name]))
    return graph.node("Add", product, graph.constant(model.weights[bias]))


def _add_convolved(model: Network, graph: Any, past: str) -> str:
    """What `_convolved` answers [1, channels], by dilated convolutions of all rows."""
    x = graph.node("Transpose", _add_affine(model, graph, past, "premix", "premix_bias"))
    x = graph.node("Unsqueeze", x, graph.constant(np.array([0])))
    for number in range(model.blocks * model.cells):
        apart = 2 ** (number % model.cells)
        hidden = graph.node("Relu", _add_convolution(model, graph, x, f"first_{number}", apart))
        added = _add_convolution(model, graph, hidden, f"second_{number}", apart)
        x = graph.node("Relu", graph.node("Add", _add_from(graph, x, 4 * apart, axis=2), added))
    return graph.node("Squeeze", x, graph.constant(np.array([2])))


def _add_convolution(model: Network, graph: Any, x: str, name: str, apart: int) -> str:
    matrix, bias = model.weights[name], model.weights[name.replace("_", "_bias_")]
    kernel = matrix.reshape(3, -1, matrix.shape[1]).transpose(2, 1, 0)  # [channels, channels, 3]
    return graph.node("Conv", x, graph.constant(kernel), graph.constant(bias), dilations=[apart], kernel_shape=[3])


def _add_decoded(model: Network, graph: Any, whole: str, ahead: str) -> str:
    """The second half of `_outputs`: scaled quantiles [n_ahead_rows, n_quantiles]."""
    weights, n_lags = model.weights, model.weights["skip"].shape[0]
    horizon = graph.node("Shape", ahead, start=0, end=1)
    told = graph.node("MatMul", whole, graph.constant(weights["steps"]))
    told = graph.node("Reshape", told, graph.constant(np.array([model.sight.horizon, STEP])))
    steps = graph.node("MatMul", _add_until(graph, told, horizon), graph.constant(weights["step"]))
    shown = graph.node("MatMul", ahead, graph.constant(weights["ahead"]))
    state = graph.node("MatMul", whole, graph.constant(weights["state"]))
    bias = _add_until(graph, graph.constant(weights["bias"]), horizon)
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
)
