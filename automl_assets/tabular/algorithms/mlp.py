"""A multilayer perceptron that is many: members share their matrices and differ in rank-one adapters (TabM).

Numbers enter as piecewise linear codes and as a softly clipped value, categories as learnt vectors. Torch learns; what
is learnt are numpy arrays, and scoring needs no torch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.fitting import TargetScale, on_scale, prepared
from automl_assets.learning.torch_training import AdamW, Schedule, threads
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

MAX_ROWS = 50_000
MAX_ENCODED = 640  # piecewise linear inputs of all numbers together: bounds the cost of a step
SOFT_LIMIT = 3.0  # robust scales beyond which a value hardly grows any more
FARTHEST = np.float32(1e6)  # whose square is still a float32
BATCHES = ((1_500, 64), (5_000, 128), (50_000, 256))  # up to so many rows -> rows of a batch
MOST_SEEN = {"classification": 320_000, "regression": 620_000}  # rows in all epochs; more gained nothing where tried
PATIENCE = 0.25  # of all epochs, without a better validation loss
CHUNK = 512  # rows that are scored at once
Weights = dict[str, Any]  # name -> numpy array, or torch tensor while learning


@stored_as("tabular.mlp.Inputs")
@dataclass(frozen=True)
class Inputs:
    """From codes to what the first layer takes. Missing numbers become the median, and have a marker."""

    numbers: np.ndarray  # int64 [n_numbers], columns of the codes
    centre: np.ndarray  # float32 [n_numbers]
    slope: np.ndarray  # float32 [n_numbers], one over the spread
    lower: np.ndarray  # float32 [n_numbers, n_bins], where the bins of the piecewise linear code begin
    steepness: np.ndarray  # float32 [n_numbers, n_bins], one over their width; 0 for a bin that is not needed
    categories: np.ndarray  # int64 [n_categories], columns of the codes
    n_levels: np.ndarray  # float32 [n_categories]; one more level is for what is missing or was never seen
    first_level: np.ndarray  # int64 [n_categories], in the table of learnt vectors

    @property
    def n_dense(self) -> int:
        return len(self.numbers) * 2 + self.lower.size

    def dense(self, x: np.ndarray) -> np.ndarray:
        """float32 [n_rows, n_dense]: soft values, markers, piecewise linear codes."""
        is_missing = np.isnan(x[:, self.numbers])
        filled = np.where(is_missing, self.centre, x[:, self.numbers])
        scaled = np.clip((filled - self.centre) * self.slope, -FARTHEST, FARTHEST)
        soft = scaled / np.sqrt(1 + np.square(scaled / np.float32(SOFT_LIMIT)))
        pieces = np.clip((filled[:, :, None] - self.lower) * self.steepness, 0, 1)
        return np.hstack([soft, is_missing, pieces.reshape(len(x), self.lower.size)], dtype=np.float32)

    def levels(self, x: np.ndarray) -> np.ndarray:
        """int64 [n_rows, n_categories], rows of the table of learnt vectors."""
        codes = x[:, self.categories]
        is_known = (codes >= 0) & (codes < self.n_levels)  # false for NaN
        return np.where(is_known, codes, self.n_levels).astype(np.int64) + self.first_level


@stored_as("tabular.mlp.Network")
@dataclass(frozen=True)
class Network:
    """A fitted network: how rows enter, what was learnt, and the scale its target was learnt on."""

    inputs: Inputs
    weights: Weights
    is_classifier: bool
    scale: TargetScale
    epochs: int = 0  # after which it answered validation rows best


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Sizes between TabM's and RealMLP's defaults, made small enough for a few seconds of one core."""
    default = {
        **{"epochs": 80, "width": 128, "layers": 2, "members": 8, "bins": 16, "embedding": 8},
        **{"learning_rate": 6e-3, "weight_decay": 1e-2, "dropout": 0.1, "smoothing": 0.0},
    }
    return [
        default,
        default | {"dropout": 0.3, "weight_decay": 0.1},
        default | {"bins": 48, "learning_rate": 3e-3, "dropout": 0.2},
        default | {"layers": 3, "bins": 8, "dropout": 0.0, "embedding": 4},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "epochs": 80,
        "width": trial.suggest_categorical("width", [64, 128, 192]),
        "layers": trial.suggest_int("layers", 1, 3),
        "members": 8,
        "bins": trial.suggest_int("bins", 4, 64, log=True),
        "embedding": trial.suggest_categorical("embedding", [4, 8, 16]),
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 2e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "smoothing": trial.suggest_float("smoothing", 0.0, 0.1) if problem.classes else 0.0,
    }


# --- inputs


def _fit_inputs(x: np.ndarray, categories: dict[int, int], n_bins: int) -> Inputs:
    """Learns medians, spreads and quantiles of the training rows; columns that never vary are left out."""
    varying = [column for column in range(x.shape[1]) if _varies(x[:, column])]
    numbers = [column for column in varying if column not in categories]
    chosen = [column for column in varying if column in categories]
    n_levels = np.array([categories[column] for column in chosen], np.int64)
    most = max(1, min(n_bins, MAX_ENCODED // max(1, len(numbers))))
    fitted = [_fit_number(x[:, column], most) for column in numbers]
    centre, slope, lower, steepness = (
        (np.array(part, np.float32) for part in zip(*fitted, strict=True))
        if fitted
        else (
            *np.zeros((2, 0), np.float32),
            *np.zeros((2, 0, most), np.float32),
        )
    )
    first_level = np.cumsum(n_levels + 1) - (n_levels + 1)
    columns = np.array(numbers, np.int64), np.array(chosen, np.int64)
    return Inputs(columns[0], centre, slope, lower, steepness, columns[1], n_levels.astype(np.float32), first_level)


def _varies(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return len(known) > 0 and (len(known) < len(values) or known.min() < known.max())


def _fit_number(values: np.ndarray, n_bins: int) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Median, one over the spread, begins of the bins and one over their widths, for one column."""
    known = values[~np.isnan(values)].astype(np.float64)
    low, centre, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.35 or (known.max() - known.min()) / 4 or 1.0
    edges = np.unique(np.quantile(known, np.linspace(0, 1, n_bins + 1)).astype(np.float32)).astype(np.float64)
    width = np.diff(edges)
    lower, steepness = np.zeros(n_bins), np.zeros(n_bins)
    lower[: len(width)], steepness[: len(width)] = edges[:-1], 1 / width
    return float(centre), 1 / spread, lower, steepness


# --- learning


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Network:
    import torch

    rows, scale = prepared(training, context.problem)
    inputs = _fit_inputs(rows.x, context.categories, config["bins"])
    with threads(1):  # nets this small gain nothing by more threads, and learn the same everywhere
        generator = torch.Generator().manual_seed(context.seed)
        weights = _initial(inputs, context.problem.n_outputs, config, generator)
        learning = _Learning(inputs, weights, config, context, generator)
        learning.run(rows, on_scale(validation, scale) if validation else None)
    return Network(inputs, learning.learnt(), bool(context.problem.classes), scale, learning.best_epoch + 1)


def _initial(inputs: Inputs, n_outputs: int, config: Config, generator: Any) -> Weights:
    """Tensors to learn. Members begin apart by random signs of what leaves the first layer, as in TabM."""
    import torch

    k, width, size = config["members"], config["width"], config["embedding"]
    n_rows, n_embedded = int(inputs.n_levels.sum()) + len(inputs.n_levels), len(inputs.categories) * size

    def uniform(*shape: int, fan_in: int) -> Any:
        return (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(max(1, fan_in))

    n_inputs = inputs.n_dense + n_embedded
    weights = {
        "vectors": torch.randn((n_rows, size), generator=generator) * 0.3,
        "dense": uniform(inputs.n_dense, width, fan_in=n_inputs),
        "embedded": uniform(n_embedded, width, fan_in=n_inputs),
        "out_0": torch.randint(0, 2, (k, 1, width), generator=generator) * 2.0 - 1.0,
        "bias_0": uniform(k, 1, width, fan_in=n_inputs),
        "head": uniform(k, width, n_outputs, fan_in=width),
        "head_bias": torch.zeros((k, 1, n_outputs)),
    }
    for layer in range(1, config["layers"]):
        weights[f"in_{layer}"] = torch.ones((k, 1, width))
        weights[f"matrix_{layer}"] = uniform(width, width, fan_in=width)
        weights[f"out_{layer}"] = torch.ones((k, 1, width))
        weights[f"bias_{layer}"] = uniform(k, 1, width, fan_in=width)
    return {name: tensor.requires_grad_() for name, tensor in weights.items()}


def _outputs(weights: Weights, dense: Any, levels: Any, drop: Callable[[Any], Any] = lambda hidden: hidden) -> Any:
    """What each member answers, [n_members, n_rows, n_outputs]: the same words for numpy arrays and torch tensors."""
    n_embedded = len(weights["embedded"])
    embedded = weights["vectors"][levels].reshape(len(levels), n_embedded)
    first = dense @ weights["dense"] + embedded @ weights["embedded"]
    hidden = drop((first * weights["out_0"] + weights["bias_0"]).clip(min=0))
    for layer in range(1, _n_layers(weights)):
        mixed = (hidden * weights[f"in_{layer}"]) @ weights[f"matrix_{layer}"]
        hidden = drop((mixed * weights[f"out_{layer}"] + weights[f"bias_{layer}"]).clip(min=0))
    return hidden @ weights["head"] + weights["head_bias"]


def _n_layers(weights: Weights) -> int:
    return sum(name.startswith("bias_") for name in weights)


class _Learning:
    """One run of AdamW: batches, schedule, and the best epoch so far."""

    def __init__(self, inputs: Inputs, weights: Weights, config: Config, context: FitContext, generator: Any):
        self.inputs, self.weights, self.config, self.context = inputs, weights, config, context
        self.generator = generator
        self.optimizer = AdamW(weights, _decays(weights, config["weight_decay"]))
        self.best_loss, self.best_epoch = math.inf, 0
        self.best: Weights = {}
        self.met = np.zeros(0, np.int64)  # levels that a row had
        self.schedule = Schedule(1, context.deadline)

    def run(self, rows: Rows, validation: Rows | None) -> None:
        self.met = np.unique(self.inputs.levels(rows.x))
        batch_rows = next((size for most, size in BATCHES if len(rows.y) <= most), BATCHES[-1][1])
        n_batches = -(-len(rows.y) // batch_rows)
        n_epochs = max(1, min(self.config["epochs"], MOST_SEEN[self.context.problem.task] // len(rows.y)))
        self.schedule = Schedule(n_epochs * n_batches, self.context.deadline)
        for epoch in range(n_epochs):
            for batch in self._batches(len(rows.y), n_batches):
                self._step(rows, batch)
                if self.schedule.is_over():
                    break
            self._remember(epoch, validation)
            is_stalled = validation is not None and epoch - self.best_epoch > PATIENCE * n_epochs
            if is_stalled or self.schedule.is_over():
                return

    def learnt(self) -> Weights:
        """The weights of the best epoch, as numpy arrays. Levels that no row had answer like the mean of their column."""
        arrays = {name: tensor.numpy() for name, tensor in self.best.items()}
        return arrays | {"vectors": _with_mean_of_met(arrays["vectors"], self.inputs, self.met)}

    def _batches(self, n_rows: int, n_batches: int) -> Sequence[np.ndarray]:
        import torch

        return np.array_split(torch.randperm(n_rows, generator=self.generator).numpy(), n_batches)

    def _step(self, rows: Rows, batch: np.ndarray) -> None:
        import torch

        outputs = _outputs(self.weights, *self._tensors(rows.x[batch]), self._dropped)
        loss = self._loss(outputs, rows, batch)
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        with torch.no_grad():
            self.optimizer.step(gradients, self.config["learning_rate"] * self.schedule.next_rate())

    def _tensors(self, x: np.ndarray) -> tuple[Any, Any]:
        import torch

        return torch.from_numpy(self.inputs.dense(x)), torch.from_numpy(self.inputs.levels(x))

    def _dropped(self, hidden: Any) -> Any:
        """Dropout, the same for every member: chance is the dearest part of a step."""
        import torch

        rate = self.config["dropout"]
        if not rate:
            return hidden
        kept = torch.rand(hidden.shape[1:], generator=self.generator) >= rate
        return hidden * (kept / (1 - rate))

    def _loss(self, outputs: Any, rows: Rows, batch: np.ndarray) -> Any:
        """Weighted mean over rows of the mean loss of the members: each learns on its own."""
        import torch

        y = torch.from_numpy(rows.y[batch])
        if self.context.problem.classes:
            log_shares = torch.log_softmax(outputs, dim=2)
            own = -log_shares[:, torch.arange(len(y)), y]
            smoothing = self.config["smoothing"]
            losses = (1 - smoothing) * own - smoothing * log_shares.mean(dim=2)
        else:
            losses = (outputs[:, :, 0] - y.float()) ** 2
        weight = None if rows.weight is None else torch.from_numpy(rows.weight[batch]).float()
        return losses.mean() if weight is None else (losses * weight).mean()

    def _remember(self, epoch: int, validation: Rows | None) -> None:
        """Keeps the weights where they answer validation rows best; without such rows the last ones."""
        loss = -math.inf if validation is None else self._validation_loss(validation)
        if loss < self.best_loss or not self.best or validation is None:
            self.best_loss, self.best_epoch = loss, epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.weights.items()}

    def _validation_loss(self, rows: Rows) -> float:
        arrays = {name: tensor.detach().numpy() for name, tensor in self.weights.items()}
        answers = _answers(arrays, self.inputs, bool(self.context.problem.classes), rows.x)
        if self.context.problem.classes:
            losses = -np.log(np.maximum(answers[np.arange(len(rows.y)), rows.y], 1e-12))
        else:
            losses = (answers[:, 0] - rows.y) ** 2
        return float(np.average(losses, weights=rows.weight))


def _decays(weights: Weights, decay: float) -> dict[str, float]:
    """Only matrices decay."""
    return {name: decay if tensor.dim() == 2 and name != "vectors" else 0.0 for name, tensor in weights.items()}


def _with_mean_of_met(vectors: np.ndarray, inputs: Inputs, met: np.ndarray) -> np.ndarray:
    filled = vectors.copy()
    for first, n_levels in zip(inputs.first_level, inputs.n_levels.astype(int), strict=True):
        own = np.arange(first, first + n_levels + 1)
        filled[np.setdiff1d(own, met)] = vectors[np.intersect1d(own, met)].mean(axis=0)
    return filled


# --- answering


def _with_rounds_of(config: Config, model: Network) -> Config:
    return config | {"epochs": model.epochs}


def _predict(model: Network, x: np.ndarray) -> np.ndarray:
    return model.scale.undo(_answers(model.weights, model.inputs, model.is_classifier, x))


def _answers(weights: Weights, inputs: Inputs, is_classifier: bool, x: np.ndarray) -> np.ndarray:
    """Mean probabilities or values of the members, float64 [n_rows, n_outputs]."""
    parts = [x[start : start + CHUNK] for start in range(0, max(1, len(x)), CHUNK)]
    return np.concatenate([_mean_answer(weights, inputs, is_classifier, part) for part in parts])


def _mean_answer(weights: Weights, inputs: Inputs, is_classifier: bool, x: np.ndarray) -> np.ndarray:
    outputs = _outputs(weights, inputs.dense(x), inputs.levels(x)).astype(np.float64)
    if is_classifier:
        powers = np.exp(outputs - outputs.max(axis=2, keepdims=True))
        outputs = powers / powers.sum(axis=2, keepdims=True)
    return outputs.mean(axis=0)


# --- ONNX


def _to_onnx(models: Sequence[Network], graph: Graph, x: str) -> str:
    total = [_add_answer(graph, x, model) for model in models]
    return graph.node("Mean", *total)


def _add_answer(graph: Graph, x: str, model: Network) -> str:
    """The same steps as `_mean_answer`."""
    outputs = _add_outputs(graph, _add_first(graph, x, model), model.weights)
    if model.is_classifier:
        outputs = graph.node("Softmax", outputs, axis=2)
    mean = graph.node("ReduceMean", outputs, graph.constant(np.array([0])), keepdims=0)
    if model.scale == TargetScale():
        return mean
    scaled = graph.node("Mul", mean, graph.constant(np.float32(model.scale.spread)))
    return graph.node("Add", scaled, graph.constant(np.float32(model.scale.centre)))


def _add_first(graph: Graph, x: str, model: Network) -> str:
    """What leaves the first matrix, [n_rows, width]."""
    inputs, weights = model.inputs, model.weights
    parts = []
    if len(inputs.numbers):
        parts.append(graph.node("MatMul", _add_dense(graph, x, inputs), graph.constant(weights["dense"])))
    if len(inputs.categories):
        vectors = graph.node("Gather", graph.constant(weights["vectors"]), _add_levels(graph, x, inputs), axis=0)
        flat = graph.node("Flatten", vectors, axis=1)
        parts.append(graph.node("MatMul", flat, graph.constant(weights["embedded"])))
    if not parts:
        return graph.rows(x, np.zeros(weights["dense"].shape[1], np.float32))
    return parts[0] if len(parts) == 1 else graph.node("Add", *parts)


def _add_dense(graph: Graph, x: str, inputs: Inputs) -> str:
    """The same steps as `Inputs.dense`."""
    from onnx import TensorProto

    values = graph.node("Gather", x, graph.constant(inputs.numbers), axis=1)
    is_missing = graph.node("IsNaN", values)
    filled = graph.node("Where", is_missing, graph.constant(inputs.centre), values)
    shifted = graph.node("Sub", filled, graph.constant(inputs.centre))
    bounds = graph.constant(-FARTHEST), graph.constant(FARTHEST)
    scaled = graph.node("Clip", graph.node("Mul", shifted, graph.constant(inputs.slope)), *bounds)
    limited = graph.node("Div", scaled, graph.constant(np.float32(SOFT_LIMIT)))
    grown = graph.node("Add", graph.node("Mul", limited, limited), graph.constant(np.float32(1)))
    soft = graph.node("Div", scaled, graph.node("Sqrt", grown))
    marker = graph.node("Cast", is_missing, to=TensorProto.FLOAT)
    return graph.node("Concat", soft, marker, _add_pieces(graph, filled, inputs), axis=1)


def _add_pieces(graph: Graph, filled: str, inputs: Inputs) -> str:
    deep = graph.node("Unsqueeze", filled, graph.constant(np.array([2])))
    beyond = graph.node("Sub", deep, graph.constant(inputs.lower))
    share = graph.node("Mul", beyond, graph.constant(inputs.steepness))
    pieces = graph.node("Clip", share, graph.constant(np.float32(0)), graph.constant(np.float32(1)))
    return graph.node("Flatten", pieces, axis=1)


def _add_levels(graph: Graph, x: str, inputs: Inputs) -> str:
    """The same steps as `Inputs.levels`."""
    from onnx import TensorProto

    codes = graph.node("Gather", x, graph.constant(inputs.categories), axis=1)
    n_levels = graph.constant(inputs.n_levels)
    from_zero = graph.node("GreaterOrEqual", codes, graph.constant(np.float32(0)))
    is_known = graph.node("And", from_zero, graph.node("Less", codes, n_levels))
    level = graph.node("Cast", graph.node("Where", is_known, codes, n_levels), to=TensorProto.INT64)
    return graph.node("Add", level, graph.constant(inputs.first_level))


def _add_outputs(graph: Graph, first: str, weights: Weights) -> str:
    """The same steps as `_outputs`, from the first layer's adapters on."""

    def adapted(tensor: str, layer: int) -> str:
        scaled = graph.node("Mul", tensor, graph.constant(weights[f"out_{layer}"]))
        return graph.node("Relu", graph.node("Add", scaled, graph.constant(weights[f"bias_{layer}"])))

    hidden = adapted(first, 0)
    for layer in range(1, _n_layers(weights)):
        entering = graph.node("Mul", hidden, graph.constant(weights[f"in_{layer}"]))
        hidden = adapted(graph.node("MatMul", entering, graph.constant(weights[f"matrix_{layer}"])), layer)
    outputs = graph.node("MatMul", hidden, graph.constant(weights["head"]))
    return graph.node("Add", outputs, graph.constant(weights["head_bias"]))


PART = Algorithm(
    name="mlp",
    title="Multilayer perceptron",
    tasks=frozenset({"classification", "regression"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="probability",
    reference="Gorishniy et al. 2025 (TabM), Gorishniy et al. 2022 (numbers), Holzmüller et al. 2024; own, with torch.",
    kinds=frozenset({"pytorch"}),
    time_share=1.5,
    requires="torch",
    preload=("torch",),
    max_rows=MAX_ROWS,
)
