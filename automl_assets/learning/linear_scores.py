"""What the algorithms share whose score is linear in the dense view: the model, its answer and its way into ONNX.

Not here: how coefficients are learnt; that is in each algorithm's file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.onnx.graph import Graph
from automl_assets.stored import stored_as


@stored_as("learning.LinearModel")
@dataclass(frozen=True)
class Linear:
    """scores = x @ coefficients + intercept"""

    coefficients: np.ndarray  # float64 [n_features, n_scores]
    intercept: np.ndarray  # float64 [n_scores]


def linear_scores(model: Linear, x: np.ndarray) -> np.ndarray:
    """Scores of rows, float64 [n_rows, n_scores]."""
    return x @ model.coefficients + model.intercept


def add_linear(models: Sequence[Linear], graph: Graph, x: str) -> str:
    """Adds the mean score of the models, which is one linear score again."""
    coefficients = np.mean([model.coefficients for model in models], axis=0).astype(np.float32)
    intercept = np.mean([model.intercept for model in models], axis=0).astype(np.float32)
    return graph.node("Gemm", x, graph.constant(coefficients), graph.constant(intercept))


def between_classes(log_probabilities: Linear) -> Linear:
    """What tells classes apart, from a log-probability per class: the log-odds of two, or each less the mean of all.

    >>> between_classes(Linear(np.array([[1.0, 3.0]]), np.array([0.0, -1.0])))
    Linear(coefficients=array([[2.]]), intercept=array([-1.]))
    """
    every = np.vstack([log_probabilities.coefficients, log_probabilities.intercept])
    differences = np.diff(every, axis=1) if every.shape[1] == 2 else every - every.mean(axis=1, keepdims=True)
    return Linear(differences[:-1], differences[-1])
