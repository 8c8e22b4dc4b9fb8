"""Support vector machine with a Gaussian kernel: a weighted sum of similarities to some of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from automl_assets.learning.fitting import few_rows, prepared, stopping_early
from automl_assets.learning.platt_scaling import with_odds
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

MAX_ROWS = 3000  # time grows with their square
MAX_NUMBERS = 150_000  # rows times features that are learnt from: bounds the latency of a row
MAX_ITERATIONS = 200_000
CHUNK = 256  # rows whose similarities are held at once


@stored_as("tabular.svm.Model")
@dataclass(frozen=True)
class Kernel:
    """scores = exp(-gamma * |x - support|^2) @ coefficients + intercept"""

    support: np.ndarray  # float64 [n_support, n_features]
    gamma: float
    coefficients: np.ndarray  # float64 [n_support, n_scores]
    intercept: np.ndarray  # float64 [n_scores]


def _portfolio(problem: Problem) -> Sequence[Config]:
    """`width` is the kernel's, relative to the spread of the rows."""
    return [{"C": strength, "width": width} for strength, width in ((1.0, 1.0), (10.0, 2.0), (3.0, 0.5))]


def _space(trial: Any, problem: Problem) -> Config:
    shared = {
        "C": trial.suggest_float("C", 0.03, 100.0, log=True),
        "width": trial.suggest_float("width", 0.3, 10.0, log=True),
    }
    if problem.classes:
        return shared
    return shared | {"epsilon": trial.suggest_float("epsilon", 0.01, 0.5, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Kernel:
    rows, scale = prepared(few_rows(training, MAX_ROWS, MAX_NUMBERS, context.seed), context.problem)
    if context.problem.classes:
        return with_odds(lambda some: _classes(config, some), _predict, rows, context)
    from sklearn.svm import SVR

    learner = _learnt(SVR, config, rows)
    return Kernel(
        learner.support_vectors_, learner.gamma, learner.dual_coef_.T * scale.spread, scale.undo(learner.intercept_)
    )


def _learnt(kind: Any, config: Config, rows: Rows) -> Any:
    x = rows.x.astype(np.float64)
    gamma = 1.0 / (config["width"] ** 2 * max(float(x.var(axis=0).sum()), 1e-12))
    own = {key: value for key, value in config.items() if key != "width"}
    with stopping_early():
        return kind(**own, gamma=gamma, max_iter=MAX_ITERATIONS).fit(x, rows.y, sample_weight=rows.weight)


def _classes(config: Config, rows: Rows) -> Kernel:
    """A class's margin is the mean of its margins against every other: one column for two classes."""
    from sklearn.svm import SVC

    learner = _learnt(SVC, config, rows)
    support, dual = learner.support_vectors_, learner.dual_coef_  # [n_classes - 1, n_support]
    if len(learner.classes_) == 2:
        return Kernel(support, learner.gamma, dual.T, learner.intercept_)
    coefficients, intercept = _against_others(dual, learner.intercept_, learner.n_support_)
    return Kernel(support, learner.gamma, coefficients, intercept)


def _against_others(dual: np.ndarray, intercepts: np.ndarray, n_support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From scikit-learn's layout: in the margin of classes (i, j) rows of i count by row j - 1 of `dual`, those of j
    by row i."""
    n_classes = len(n_support)
    own = np.repeat(np.arange(n_classes), n_support)  # the class of each support vector
    coefficients, intercept = np.zeros((len(own), n_classes)), np.zeros(n_classes)
    for (i, j), offset in zip(combinations(range(n_classes), 2), intercepts, strict=True):
        pair = np.where(own == i, dual[j - 1], 0.0) + np.where(own == j, dual[i], 0.0)
        coefficients[:, i] += pair
        coefficients[:, j] -= pair
        intercept[[i, j]] += offset, -offset
    return coefficients / (n_classes - 1), intercept / (n_classes - 1)


def _predict(model: Kernel, x: np.ndarray) -> np.ndarray:
    chunks = [_scores(model, x[start : start + CHUNK].astype(np.float64)) for start in range(0, len(x), CHUNK)]
    return np.concatenate(chunks)


def _scores(model: Kernel, x: np.ndarray) -> np.ndarray:
    squared = (x**2).sum(axis=1, keepdims=True) - 2 * x @ model.support.T + (model.support**2).sum(axis=1)
    return np.exp(-model.gamma * squared) @ model.coefficients + model.intercept


def _to_onnx(models: Sequence[Kernel], graph: Graph, x: str) -> str:
    """In double: large coefficients of opposite sign cancel out."""
    from onnx import TensorProto

    wide = graph.node("Cast", x, to=TensorProto.DOUBLE)
    total = graph.node("Sum", *[_add_scores(graph, wide, model) for model in models])
    mean = graph.node("Div", total, graph.constant(float(len(models))))
    return graph.node("Cast", mean, to=TensorProto.FLOAT)


def _add_scores(graph: Graph, x: str, model: Kernel) -> str:
    """The same steps as `_scores`, with gamma inside."""
    own = graph.node("ReduceSumSquare", x, graph.constant(np.array([1])), keepdims=1)
    crossed = graph.node("MatMul", x, graph.constant(2 * model.gamma * model.support.T))
    closer = graph.node("Sub", crossed, graph.node("Mul", own, graph.constant(model.gamma)))
    power = graph.node("Sub", closer, graph.constant(model.gamma * (model.support**2).sum(axis=1)))
    weighted = graph.node("MatMul", graph.node("Exp", power), graph.constant(model.coefficients))
    return graph.node("Add", weighted, graph.constant(model.intercept))


PART = Algorithm(
    name="svm",
    title="Support vector machine",
    tasks=frozenset({"classification", "regression"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    scalers=("max_abs", "l2", "pca"),
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Cortes and Vapnik 1995; scikit-learn SVC and SVR (libsvm), with odds as in Platt 1999.",
    kinds=frozenset({"scikitlearn"}),
    is_refitted=True,
    time_share=0.3,
    max_rows=MAX_ROWS,
    trial_seconds=lambda n_rows: 1.2 * min(1.0, n_rows / MAX_ROWS) ** 2 + 2e-5 * n_rows,  # of six fits, and the answers
)
