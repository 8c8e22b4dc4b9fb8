"""k nearest neighbours by exact distance in the dense view: the mean answer of the most similar rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.fitting import few_rows
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

MAX_ROWS = 5000
MAX_NUMBERS = 250_000  # rows times features that are kept: bounds the latency of a row
CELLS = 8192.0  # squared distances are rounded to 1 / 8192, so that equal ones are equal in every arithmetic
CHUNK = 256  # rows whose distances are held at once


@stored_as("tabular.knn.Model")
@dataclass(frozen=True)
class Neighbours:
    """The rows that were learnt. A row's answer is `votes` of its neighbours, over the sum of their weights."""

    x: np.ndarray  # float64 [n_kept, n_features]
    votes: np.ndarray  # float64 [n_kept, n_outputs + 1], weighted class membership or value, then the row's weight
    k: int
    is_distance_weighted: bool


def _portfolio(problem: Problem) -> Sequence[Config]:
    kinds = ((10, "distance"), (25, "distance"), (5, "distance"), (15, "uniform"))
    return [{"n_neighbors": k, "weights": weights} for k, weights in kinds]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "n_neighbors": trial.suggest_int("n_neighbors", 2, 60, log=True),
        "weights": trial.suggest_categorical("weights", ("distance", "uniform")),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Neighbours:
    rows = few_rows(training, MAX_ROWS, MAX_NUMBERS, context.seed)
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight / rows.weight.mean()
    n_classes = context.problem.n_classes
    answers = np.eye(n_classes)[rows.y] if n_classes else rows.y[:, None]
    votes = np.hstack([answers * weight[:, None], weight[:, None]])
    k = min(config["n_neighbors"], len(rows.y))
    return Neighbours(rows.x.astype(np.float64), votes, k, config["weights"] == "distance")


def _predict(model: Neighbours, x: np.ndarray) -> np.ndarray:
    chunks = [_answers(model, x[start : start + CHUNK].astype(np.float64)) for start in range(0, len(x), CHUNK)]
    return np.concatenate(chunks)


def _answers(model: Neighbours, x: np.ndarray) -> np.ndarray:
    squared = (x**2).sum(axis=1, keepdims=True) - 2 * x @ model.x.T + (model.x**2).sum(axis=1)
    cells = np.round(squared * CELLS)
    order = cells * len(model.x) + np.arange(len(model.x))  # among equals the first, as ONNX's TopK chooses
    nearest = np.argpartition(order, model.k - 1, axis=1)[:, : model.k]
    votes = model.votes[nearest]  # [n_rows, k, n_outputs + 1]
    if model.is_distance_weighted:
        votes = votes * _closeness(np.take_along_axis(cells, nearest, axis=1))[:, :, None]
    total = votes.sum(axis=1)
    return total[:, :-1] / total[:, -1:]


def _closeness(cells: np.ndarray) -> np.ndarray:
    return 1.0 / np.sqrt(np.maximum(cells, 0.0) + 1.0)


def _to_onnx(models: Sequence[Neighbours], graph: Graph, x: str) -> str:
    from onnx import TensorProto

    wide = graph.node("Cast", x, to=TensorProto.DOUBLE)
    total = graph.node("Sum", *[_add_answers(graph, wide, model) for model in models])
    mean = graph.node("Div", total, graph.constant(float(len(models))))
    return graph.node("Cast", mean, to=TensorProto.FLOAT)


def _add_answers(graph: Graph, x: str, model: Neighbours) -> str:
    """The same steps as `_answers`, in double."""
    axes, k = graph.constant(np.array([1])), graph.constant(np.array([model.k]))
    cells, nearest = graph.node("TopK", _add_cells(graph, x, model), k, n_outputs=2, axis=1, largest=0, sorted=0)
    votes = graph.node("Gather", graph.constant(model.votes), nearest, axis=0)
    if model.is_distance_weighted:
        votes = graph.node("Mul", votes, _add_closeness(graph, cells))
    total = graph.node("ReduceSum", votes, axes, keepdims=0)
    n_outputs = model.votes.shape[1] - 1
    split = graph.constant(np.array([n_outputs, 1]))
    summed, weight = graph.node("Split", total, split, n_outputs=2, axis=1)
    return graph.node("Div", summed, weight)


def _add_cells(graph: Graph, x: str, model: Neighbours) -> str:
    axes = graph.constant(np.array([1]))
    own = graph.node("ReduceSumSquare", x, axes, keepdims=1)
    crossed = graph.node("MatMul", x, graph.constant(-2 * model.x.T))
    squared = graph.node("Add", graph.node("Add", crossed, graph.constant((model.x**2).sum(axis=1))), own)
    return graph.node("Round", graph.node("Mul", squared, graph.constant(CELLS)))


def _add_closeness(graph: Graph, cells: str) -> str:
    positive = graph.node("Max", cells, graph.constant(0.0))
    root = graph.node("Sqrt", graph.node("Add", positive, graph.constant(1.0)))
    return graph.node("Unsqueeze", graph.node("Reciprocal", root), graph.constant(np.array([2])))


PART = Algorithm(
    name="knn",
    title="k nearest neighbours",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    scalers=("max_abs", "l1", "truncated_svd"),
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Fix and Hodges 1951; own implementation.",
    kinds=frozenset({"python"}),
    is_refitted=True,
    time_share=0.2,
    requires="numpy",
    max_rows=MAX_ROWS,
    trial_seconds=lambda n_rows: 1.6e-8 * n_rows * min(n_rows, MAX_ROWS),  # each row is compared with all that are kept
)
