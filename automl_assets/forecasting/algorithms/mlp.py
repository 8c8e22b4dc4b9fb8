"""A multilayer perceptron of the last values: residual blocks, and a linear path beside them, answer all steps at once.

One net is learnt from all series of a group. Values count from the level of the last season, in units of how much they
vary, and the net that has learnt nothing yet repeats the last season. Torch learns; what is learnt are numpy arrays, and
forecasting needs no torch.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from automl_assets.learning.torch_training import AdamW, threads
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.tracing import Symbol
from automl_assets.parts import Config
from automl_assets.stored import stored_as

LEAST_WINDOWS = 100  # to learn from, of all series
FARTHEST = 10.0  # units from the level that are looked at, or answered
WIDTHS = (6, 8)  # powers of two
BATCH = 256  # windows
EPOCHS, STEPS = 4, (300, 1500)  # how often each window is seen, within so many steps
TIMED_STEPS = 10  # by which it is found out how many there is time for
SAFETY = 0.9  # of that time
DECAY = 1e-2
MEMORY = 0.99  # of the running mean of the weights, per step
MOST_WEIGHT = 5.0  # of a window beside one that varies as its series does from season to season
Weights = dict[str, Any]  # name -> numpy array, torch tensor while learning, or symbol


@stored_as("forecasting.mlp.Network")
@dataclass(frozen=True)
class Perceptron:
    """A fitted net, and what it looks at."""

    lookback: WindowNormalization
    weights: Weights
    blocks: int


def _portfolio(problem: ForecastProblem, history: Panel) -> Sequence[Config]:
    """None where there is too little to learn from; else logarithms, wider and smaller nets, and more values."""
    sizes = [size for size in _sizes(problem, history) if n_windows(size, problem, history) >= LEAST_WINDOWS]
    if not sizes:
        return []
    width = _width(n_windows(sizes[0], problem, history))
    default: Config = {"values": sizes[0], "width": width, "blocks": 2, "dropout": 0.1, "rate": 2e-3, "log": False}
    in_logarithms = [default | {"log": True}] if history.y.min() >= 0 else []
    return [
        default,
        *in_logarithms,
        default | {"width": 2 * width, "rate": 1e-3},
        *(default | {"values": size} for size in sizes[1:]),
        default | {"width": width // 2, "dropout": 0.3},
    ]


def _width(n_windows: int) -> int:
    """Of the hidden layers: a power of two that grows with what there is to learn from.

    >>> _width(150), _width(25_000), _width(200_000)
    (64, 64, 128)
    """
    return 2 ** int(np.clip(round(math.log2(max(1, n_windows)) / 2 - 2), *WIDTHS))


def _sizes(problem: ForecastProblem, history: Panel) -> list[int]:
    """A season of the longest and one of the shortest, and the same twice."""
    found = seasons(problem, history)
    if found is None:
        return [max(size, problem.horizon) for size in DEFAULT_SIZES[::-1]]
    return [sum(found), 2 * sum(found)]


def _space(trial: Any, problem: ForecastProblem) -> Config:
    shortest, longest = (problem.periods[0], problem.periods[-1]) if problem.periods else DEFAULT_SIZES
    return {
        "values": trial.suggest_categorical("values", [longest, longest + shortest, 2 * longest]),
        "width": trial.suggest_categorical("width", [64, 128, 256, 512]),
        "blocks": trial.suggest_int("blocks", 1, 3),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "rate": trial.suggest_float("rate", 3e-4, 3e-3, log=True),
        "log": trial.suggest_categorical("log", [False, True]),
    }


# --- the net


def _initial(config: Config, lookback: WindowNormalization, problem: ForecastProblem, generator: Any) -> Weights:
    """Tensors to learn. The last season is repeated at first, and each block passes its input on."""
    import torch

    size, width, horizon = lookback.n_values, config["width"], problem.horizon

    def uniform(fan_in: int, fan_out: int) -> Any:
        return (torch.rand((fan_in, fan_out), generator=generator) * 2 - 1) / math.sqrt(fan_in)

    weights = {"enter": uniform(size, width), "enter_bias": torch.zeros(width)}
    for block in range(config["blocks"]):
        weights[f"first_{block}"], weights[f"first_bias_{block}"] = uniform(width, width), torch.zeros(width)
        weights[f"second_{block}"], weights[f"second_bias_{block}"] = uniform(width, width) / 10, torch.zeros(width)
    weights |= {"leave": torch.zeros((width, horizon)), "skip": torch.zeros((size, horizon))}
    weights["skip_bias"] = torch.zeros(horizon)
    season = max((period for period in problem.periods if period <= size), default=1)
    steps = torch.arange(horizon)
    weights["skip"][size - season + steps % season, steps] = 1.0
    return {name: tensor.requires_grad_() for name, tensor in weights.items()}


def _outputs(
    weights: Weights, blocks: int, x: Any, positive: Callable[[Any], Any], drop: Callable[[Any], Any] = lambda x: x
) -> Any:
    """What comes next, in units from the level [n, horizon]: the same words for arrays, tensors and symbols."""
    hidden = x @ weights["enter"] + weights["enter_bias"]
    for block in range(blocks):
        inner = positive(hidden @ weights[f"first_{block}"] + weights[f"first_bias_{block}"])
        hidden = hidden + drop(inner @ weights[f"second_{block}"] + weights[f"second_bias_{block}"])
    return positive(hidden) @ weights["leave"] + x @ weights["skip"] + weights["skip_bias"]


def _positive(x: Any) -> Any:
    """Of arrays and symbols."""
    return np.maximum(x, 0.0)


def _within(x: Any) -> Any:
    return np.minimum(np.maximum(x, -FARTHEST), FARTHEST)


# --- learning


def _fit(config: Config, history: Panel, context: ForecastContext) -> Perceptron:
    lookback = fit_lookback(history, context.problem, config["values"], config["log"])
    with threads(1):  # so that it learns the same everywhere
        weights = _Learning(config, lookback, history, context).run()
    return Perceptron(lookback, weights, config["blocks"])


class _Learning:
    """One run of Adam on windows drawn by chance, at a rate that falls as a cosine does."""

    def __init__(self, config: Config, lookback: WindowNormalization, history: Panel, context: ForecastContext):
        import torch

        self.config, self.lookback, self.context = config, lookback, context
        self.y = lookback.learnt(history.y)
        self.is_known = ~history.is_filled
        self.width = lookback.n_values + context.problem.horizon
        self.windows = _windows(history, self.width)
        self.varies = _varies(self.y, history, context.problem.season)
        self.random = np.random.default_rng(context.seed)
        self.generator = torch.Generator().manual_seed(context.seed)
        self.weights = _initial(config, lookback, context.problem, self.generator)
        self.mean = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        self.optimizer = AdamW(self.weights, {name: DECAY * (tensor.ndim > 1) for name, tensor in self.weights.items()})

    def run(self) -> Weights:
        """The mean of the weights of the last steps."""
        n_steps = int(np.clip(EPOCHS * len(self.windows) // BATCH, *STEPS)) if len(self.windows) else 0
        started, done = time.monotonic(), 0
        while done < n_steps and time.monotonic() < self.context.deadline:
            self._step(self.config["rate"] * (1 + math.cos(math.pi * done / n_steps)) / 2)
            done += 1
            if done == TIMED_STEPS:
                now = time.monotonic()
                affordable = SAFETY * (self.context.deadline - now) / (now - started) * TIMED_STEPS
                n_steps = int(min(n_steps, done + affordable))
        return {name: tensor.numpy() for name, tensor in self.mean.items()}

    def _step(self, rate: float) -> None:
        import torch

        chosen = self.windows[self.random.integers(len(self.windows), size=min(BATCH, len(self.windows)))]
        gradients = torch.autograd.grad(self._loss(chosen), list(self.weights.values()))
        with torch.no_grad():
            self.optimizer.step(gradients, rate)
            memory = min(MEMORY, (1 + self.optimizer.n_steps) / (10 + self.optimizer.n_steps))
            for name, tensor in self.weights.items():
                self.mean[name].lerp_(tensor, 1 - memory)

    def _loss(self, chosen: np.ndarray) -> Any:
        """Mean absolute error beside how much each series varies; values made up do not count."""
        import torch

        series, first = chosen.T
        rows, size = first[:, None] + np.arange(self.width), self.lookback.n_values
        values = self.y[rows]
        level, unit = self.lookback.unit(values[:, :size], self.lookback.floors[series])
        scaled = torch.from_numpy(_within((values - level) / unit).astype(np.float32))
        counted = np.minimum(unit / self.varies[series, None], MOST_WEIGHT) * self.is_known[rows[:, size:]]
        answers = _outputs(self.weights, self.config["blocks"], scaled[:, :size], torch.relu, self._dropped)
        return ((answers - scaled[:, size:]).abs() * torch.from_numpy(counted.astype(np.float32))).mean()

    def _dropped(self, hidden: Any) -> Any:
        import torch

        rate = self.config["dropout"]
        return hidden * (torch.rand(hidden.shape, generator=self.generator) >= rate) / (1 - rate)


def _windows(history: Panel, width: int) -> np.ndarray:
    """Number of the series and first row of every window, int64 [n_windows, 2]."""
    firsts = [
        np.column_stack(
            [np.full(max(0, end - start - width + 1), number), np.arange(start, max(start, end - width + 1))]
        )
        for number, (start, end) in enumerate(zip(history.offsets[:-1], history.offsets[1:], strict=True))
    ]
    return np.concatenate([np.zeros((0, 2), np.int64), *firsts])


def _varies(y: np.ndarray, history: Panel, season: int) -> np.ndarray:
    """Mean distance of values a season apart, or from the mean where there are none or no distance [n_series]."""
    found = []
    for start, end in zip(history.offsets[:-1], history.offsets[1:], strict=True):
        own = y[start:end]
        apart = float(np.abs(own[season:] - own[:-season]).mean()) if len(own) > season else 0.0
        found.append(apart or float(np.abs(own - own.mean()).mean()) or 1.0)
    return np.array(found)


# --- answering


def _forecast(model: Perceptron, history: Panel, future: Panel) -> np.ndarray:
    _, answers = _answers(model, history, len(future.y) // max(1, future.n_series))
    return model.lookback.given(answers)[:, :, None]


def _answers(model: Perceptron, history: Panel, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Level [n_series, 1] and values to come [n_series, horizon], on the scale that is learnt."""
    x, level, unit = model.lookback.seen(history)
    z = _within(_outputs(model.weights, model.blocks, _within(x), _positive))
    return level, (level + unit * z)[:, :horizon]


def _explain(model: Perceptron, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """The level, and by how much the net's answer differs."""
    level, answers = _answers(model, history, len(future.y) // max(1, future.n_series))
    before = np.broadcast_to(model.lookback.given(level), answers.shape)
    return {LEVEL: before, LAGS: model.lookback.given(answers) - before}


def _to_onnx(model: Perceptron, graph: Graph, tensors: SeriesTensors) -> str:
    """The same of one series."""
    x, level, unit = model.lookback.add_seen(graph, tensors)
    weights = {name: _add_weight(graph, array) for name, array in model.weights.items()}
    z = _within(_outputs(weights, model.blocks, _within(x), _positive))
    return model.lookback.add_answer(graph, tensors, level + unit * z)


def _add_weight(graph: Graph, array: np.ndarray) -> Symbol:
    """As a float32 that is widened: half the size."""
    from onnx import TensorProto

    return Symbol(graph, graph.node("Cast", graph.constant(array), to=TensorProto.DOUBLE))


PART = Forecaster(
    name="mlp",
    title="Multilayer perceptron of the last values",
    reference="Das et al. 2023, Long-term forecasting with TiDE: its residual blocks and linear path; own, with torch.",
    kinds=frozenset({"pytorch"}),
    scope="group",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    has_cold_start=True,
    time_share=2.0,
    requires="torch",
    preload=("torch",),
)
