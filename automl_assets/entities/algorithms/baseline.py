"""Answers the same for every token: how often each tag occurs."""

from collections.abc import Sequence

import numpy as np

from automl_assets.entities.features.chains_onnx import add_is_first
from automl_assets.entities.features.tokens_onnx import TokenTensors
from automl_assets.entities.records import TokenInputs
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.tagging import is_inside


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> np.ndarray:
    counts = np.bincount(training.y, weights=training.weight, minlength=context.problem.n_classes)
    return counts / counts.sum()


def _predict(model: np.ndarray, x: TokenInputs) -> np.ndarray:
    return np.where(x.texts.is_first[:, None], _first(model), model)


def _first(model: np.ndarray) -> np.ndarray:
    """No I- begins a text."""
    inside = np.where(is_inside(np.arange(len(model))), model, 0.0)
    return model - inside + np.eye(len(model))[0] * inside.sum()


def _to_onnx(models: Sequence[np.ndarray], graph: Graph, x: TokenTensors) -> str:
    mean = np.mean(models, axis=0)
    first, others = (graph.constant(one.astype(np.float32)) for one in (_first(mean), mean))
    bounds = (graph.constant(np.array([value])) for value in (0, -1, 0))
    is_first = graph.node("Slice", add_is_first(graph, x.text), *bounds)
    return graph.node("Where", graph.node("Unsqueeze", is_first, graph.constant(np.array([1]))), first, others)


PART = Algorithm(
    name="baseline",
    title="Shares of tags",
    tasks=frozenset({"text_ner"}),
    view="tokens",
    portfolio=lambda problem: [{}],
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Shares of tags.",
    kinds=frozenset({"python"}),
    is_fallback=True,
    time_share=0.01,
    requires="numpy",
)
