"""Logistic regression: log-odds linear in the dense view, with a ridge penalty."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_ITERATIONS = 300


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (1.0, 10.0, 0.1, 0.01)]


def _space(trial: Any, problem: Problem) -> Config:
    return {"C": trial.suggest_float("C", 1e-4, 1e2, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    from sklearn.linear_model import LogisticRegression

    rows, _ = prepared(training, context.problem)
    learner = LogisticRegression(**config, max_iter=MAX_ITERATIONS, random_state=context.seed)
    with stopping_early():
        learner.fit(rows.x.astype(np.float64), rows.y, sample_weight=rows.weight)
    return Linear(learner.coef_.T, learner.intercept_)


PART = Algorithm(
    name="logistic_regression",
    title="Logistic regression",
    tasks=frozenset({"classification"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    scalers=("min_max", "robust"),
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Cox 1958; scikit-learn LogisticRegression (L-BFGS).",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
)
