"""Answers the same for every row: class shares or the mean. What any model must beat."""

from collections.abc import Sequence

import numpy as np

from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{}]


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> np.ndarray:
    """The answer, float64 [n_outputs]."""
    if not context.problem.classes:
        return np.array([np.average(training.y, weights=training.weight)])
    counts = np.bincount(training.y, weights=training.weight, minlength=context.problem.n_classes)
    return counts / counts.sum()


def _predict(model: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.tile(model, (len(x), 1))


def _to_onnx(models: Sequence[np.ndarray], graph: Graph, x: str) -> str:
    return graph.rows(x, np.mean(models, axis=0).astype(np.float32))


PART = Algorithm(
    name="baseline",
    title="Baseline",
    tasks=frozenset({"classification", "regression"}),
    view="codes",
    portfolio=_portfolio,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Class shares, or the mean of the target.",
    kinds=frozenset({"python"}),
    is_fallback=True,
    time_share=0.01,
    requires="numpy",
)
