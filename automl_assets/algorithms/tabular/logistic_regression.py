"""Logistic regression: log-odds linear in the dense view, with a ridge penalty."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.fitting import prepared
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_ITERATIONS = 300


@dataclass(frozen=True)
class Linear:
    """scores = x @ coefficients + intercept"""

    coefficients: np.ndarray  # float64 [n_features, n_scores]
    intercept: np.ndarray  # float64 [n_scores]


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (1.0, 0.1, 0.01, 10.0)]


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, _ = prepared(training, context.problem)
    learner = LogisticRegression(**config, max_iter=MAX_ITERATIONS, random_state=context.seed)
    with warnings.catch_warnings():  # after so many iterations the scores no longer change to the eye
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(rows.x.astype(np.float64), rows.y, sample_weight=rows.weight)
    return Linear(learner.coef_.T, learner.intercept_)


def _predict(model: Linear, x: np.ndarray) -> np.ndarray:
    return x @ model.coefficients + model.intercept


def _to_onnx(models: Sequence[Linear], graph: Any, x: str) -> str:
    coefficients = np.mean([model.coefficients for model in models], axis=0).astype(np.float32)
    intercept = np.mean([model.intercept for model in models], axis=0).astype(np.float32)
    return graph.node("Gemm", x, graph.constant(coefficients), graph.constant(intercept))


PART = Algorithm(
    name="logistic_regression",
    title="Logistic regression",
    tasks=frozenset({"classification"}),
    view="dense",
    portfolio=_portfolio,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Cox 1958; scikit-learn LogisticRegression (L-BFGS).",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
)
