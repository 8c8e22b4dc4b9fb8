"""Elastic net: a value linear in the dense view, with a lasso and a ridge penalty on a standardised target."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.fitting import prepared
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_ITERATIONS = 2000


@dataclass(frozen=True)
class Linear:
    """scores = x @ coefficients + intercept"""

    coefficients: np.ndarray  # float64 [n_features, 1]
    intercept: np.ndarray  # float64 [1]


def _portfolio(problem: Problem) -> Sequence[Config]:
    penalties = ((0.001, 0.5), (0.01, 0.5), (0.0003, 0.0), (0.003, 1.0))
    return [{"alpha": alpha, "l1_ratio": l1_ratio} for alpha, l1_ratio in penalties]


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    from sklearn.exceptions import ConvergenceWarning

    rows, scale = prepared(training, context.problem)
    learner = _learner(config, *rows.x.shape)
    with warnings.catch_warnings():  # what coordinate descent has reached by then is good enough to be scored
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(rows.x.astype(np.float64), rows.y, sample_weight=rows.weight)
    coefficients = np.reshape(learner.coef_, (-1, 1)) * scale.spread
    return Linear(coefficients, np.atleast_1d(scale.undo(learner.intercept_)))


def _learner(config: Config, n_rows: int, n_features: int) -> Any:
    """Coordinate descent; a pure ridge is solved in closed form, where its penalty is a sum instead of a mean."""
    from sklearn.linear_model import ElasticNet, Ridge

    if config["l1_ratio"] == 0:
        return Ridge(alpha=config["alpha"] * n_rows)
    return ElasticNet(**config, max_iter=MAX_ITERATIONS, precompute=n_features < n_rows)


def _predict(model: Linear, x: np.ndarray) -> np.ndarray:
    return x @ model.coefficients + model.intercept


def _to_onnx(models: Sequence[Linear], graph: Any, x: str) -> str:
    coefficients = np.mean([model.coefficients for model in models], axis=0).astype(np.float32)
    intercept = np.mean([model.intercept for model in models], axis=0).astype(np.float32)
    return graph.node("Gemm", x, graph.constant(coefficients), graph.constant(intercept))


PART = Algorithm(
    name="elastic_net",
    title="Elastic net",
    tasks=frozenset({"regression"}),
    view="dense",
    portfolio=_portfolio,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="value",
    reference="Zou and Hastie 2005; scikit-learn ElasticNet and Ridge.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
)
