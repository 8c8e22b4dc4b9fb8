"""Stochastic gradient descent: a linear score learnt row by row, with losses that other linear models do not offer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.platt_scaling import with_odds
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_EPOCHS = 300
TOLERANCE, PATIENCE = 1e-4, 2  # a gain a row below this, so many epochs on end, makes steps a fifth as long


def _portfolio(problem: Problem) -> Sequence[Config]:
    losses = ("modified_huber", "log_loss") if problem.classes else ("squared_error", "huber")
    return [{"loss": loss, "penalty": "l2", "alpha": alpha} for loss, alpha in zip(losses, (1e-4, 1e-3), strict=True)]


def _space(trial: Any, problem: Problem) -> Config:
    losses = ("log_loss", "modified_huber", "hinge") if problem.classes else ("squared_error", "huber")
    return {
        "loss": trial.suggest_categorical("loss", losses),
        "penalty": trial.suggest_categorical("penalty", ("l2", "elasticnet", "l1")),
        "alpha": trial.suggest_float("alpha", 1e-6, 1e-1, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    rows, scale = prepared(training, context.problem)
    if context.problem.classes:
        return with_odds(lambda some: _classes(config, some, context), linear_scores, rows, context)
    from sklearn.linear_model import SGDRegressor

    learner = _learnt(SGDRegressor, config, rows, context)
    return Linear(learner.coef_[:, None] * scale.spread, scale.undo(learner.intercept_))


def _classes(config: Config, rows: Rows, context: FitContext) -> Linear:
    from sklearn.linear_model import SGDClassifier

    learner = _learnt(SGDClassifier, config, rows, context)
    return Linear(learner.coef_.T, learner.intercept_)


def _learnt(kind: Any, config: Config, rows: Rows, context: FitContext) -> Any:
    x, weight = rows.x.astype(np.float64), np.ones(len(rows.y)) if rows.weight is None else rows.weight
    steepest = np.max(weight * (1.0 + np.einsum("ij,ij->i", x, x)))
    learner = kind(
        **config,
        learning_rate="adaptive",
        eta0=1.0 / steepest,  # a longer step could overshoot on a row that is long or heavy, and never come back
        max_iter=MAX_EPOCHS,
        tol=TOLERANCE,
        n_iter_no_change=PATIENCE,
        random_state=context.seed,
    )
    with stopping_early():
        return learner.fit(x, rows.y, sample_weight=weight)


PART = Algorithm(
    name="sgd",
    title="Stochastic gradient descent",
    tasks=frozenset({"classification", "regression"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    scalers=("robust",),
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Bottou 2010; scikit-learn SGDClassifier and SGDRegressor, with odds as in Platt 1999.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.1,
)
