"""What answers the same for every row, whatever a row is: class shares, or the mean of the target."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config, FitContext, Rows


def class_shares(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> np.ndarray:
    """The answer, float64 [n_outputs]."""
    if training.y.ndim == 2:
        return np.average(training.y, axis=0, weights=training.weight)
    if not context.problem.classes:
        return np.array([np.average(training.y, weights=training.weight)])
    counts = np.bincount(training.y, weights=training.weight, minlength=context.problem.n_classes)
    return counts / counts.sum()


def shares_of_rows(model: np.ndarray, x: Any) -> np.ndarray:
    """The same for each row, [n_rows, n_outputs]."""
    return np.tile(model, (len(x), 1))


def add_shares(models: Sequence[np.ndarray], graph: Graph, x: str) -> str:
    """Adds the mean answer of the models for every row of the tensor `x`."""
    return graph.rows(x, np.mean(models, axis=0).astype(np.float32))
