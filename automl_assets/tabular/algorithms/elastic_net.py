"""Elastic net: a value linear in the dense view, with a lasso and a ridge penalty on a standardised target."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_ITERATIONS = 2000


def _portfolio(problem: Problem) -> Sequence[Config]:
    penalties = ((0.001, 0.5), (0.01, 0.5), (0.0003, 0.0), (0.003, 1.0))
    return [{"alpha": alpha, "l1_ratio": l1_ratio} for alpha, l1_ratio in penalties]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "alpha": trial.suggest_float("alpha", 1e-5, 0.3, log=True),
        "l1_ratio": trial.suggest_float("l1_ratio", 0.0, 1.0, step=0.1),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    rows, scale = prepared(training, context.problem)
    learner = _learner(config, *rows.x.shape)
    with stopping_early():
        learner.fit(rows.x.astype(np.float64), rows.y, sample_weight=rows.weight)
    coefficients = np.reshape(learner.coef_, (-1, 1)) * scale.spread
    return Linear(coefficients, np.atleast_1d(scale.undo(learner.intercept_)))


def _learner(config: Config, n_rows: int, n_features: int) -> Any:
    """Coordinate descent; a pure ridge is solved in closed form, where its penalty is a sum instead of a mean."""
    from sklearn.linear_model import ElasticNet, Ridge

    if config["l1_ratio"] == 0:
        return Ridge(alpha=config["alpha"] * n_rows)
    return ElasticNet(**config, max_iter=MAX_ITERATIONS, precompute=n_features < n_rows)


PART = Algorithm(
    name="elastic_net",
    title="Elastic net",
    tasks=frozenset({"regression", "forecasting"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    scalers=("robust",),
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="value",
    reference="Zou and Hastie 2005; scikit-learn ElasticNet and Ridge.",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
)
