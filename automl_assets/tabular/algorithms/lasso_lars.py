"""Lasso by least-angle regression: columns of the dense view enter one at a time, those most correlated first."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_STEPS = 500  # a column enters or leaves in each
MOST = 1e3  # standard deviations of the target that one of a column may move the answer; beyond, columns cancel out


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"alpha": alpha} for alpha in (0.001, 0.01)]


def _space(trial: Any, problem: Problem) -> Config:
    return {"alpha": trial.suggest_float("alpha", 1e-5, 0.3, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    rows, scale = prepared(training, context.problem)
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    centre = np.average(rows.x.astype(np.float64), axis=0, weights=weight)
    root = np.sqrt(weight)[:, None]  # the learner takes no weights: longer rows weigh as much
    found = _lars(config["alpha"], (rows.x - centre) * root, rows.y * root[:, 0], context.seed)
    coefficients = np.reshape(found, (-1, 1)) * scale.spread
    return Linear(coefficients, scale.centre - centre @ coefficients)


def _lars(alpha: float, x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Coefficients [n_columns] after as many steps as columns stay apart: once nearly the same ones have entered, they
    take on huge values that cancel out, and single precision makes nonsense of them."""
    from sklearn.linear_model import LassoLars

    n_steps = MAX_STEPS
    while n_steps:
        learner = LassoLars(alpha, fit_intercept=False, fit_path=False, max_iter=n_steps, random_state=seed)
        with stopping_early():  # it drops a column that others already say, with a warning
            learner.fit(x, y)
        if np.abs(learner.coef_).max(initial=0.0) <= MOST:
            return learner.coef_
        n_steps //= 2
    return np.zeros(x.shape[1])


PART = Algorithm(
    name="lasso_lars",
    title="Lasso by least-angle regression",
    tasks=frozenset({"regression"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="value",
    reference="Efron et al. 2004; scikit-learn LassoLars.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.05,
)
