"""Logistic regression: log-odds linear in the dense view, with a ridge penalty.

Where columns outnumber rows a ridge sees nothing: each of ten thousand columns of noise gets a share of what a few tell. The
default then takes a lasso, as strict as noise makes it necessary; the others of the portfolio stay ridges.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_ITERATIONS = 300
WIDE_PENALTY = "wide_penalty"  # key: of which kind the penalty is where columns outnumber rows
NOISE_SHARE = (
    0.3  # of the largest gradient that so many columns of noise have by chance: what C = 1 holds back by a lasso
)


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": 1.0, WIDE_PENALTY: "l1"}, *({"C": strength} for strength in (10.0, 0.1, 0.01))]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "C": trial.suggest_float("C", 1e-4, 1e2, log=True),
        WIDE_PENALTY: trial.suggest_categorical(WIDE_PENALTY, ("l2", "l1")),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    from sklearn.linear_model import LogisticRegression

    rows, _ = prepared(training, context.problem)
    is_lasso = config.get(WIDE_PENALTY) == "l1" and rows.x.shape[1] > len(rows.y) and context.problem.n_classes == 2
    strength = config["C"] ** 0.5 / _noise(rows) if is_lasso else config["C"]
    kind: Config = {"l1_ratio": 1.0, "solver": "liblinear", "intercept_scaling": 10.0} if is_lasso else {}
    learner = LogisticRegression(C=strength, **kind, max_iter=MAX_ITERATIONS, random_state=context.seed)
    with stopping_early():
        learner.fit(rows.x.astype(np.float64), rows.y, sample_weight=rows.weight)
    return Linear(learner.coef_.T, learner.intercept_)


def _noise(rows: Rows) -> float:
    """What the lasso holds back: a share of the largest gradient that columns of noise are likely to have (universal
    threshold, Donoho and Johnstone 1994)."""
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    share = float(np.average(rows.y > 0, weights=weight))
    spread = np.sqrt(share * (1 - share) * np.square(weight).sum())
    return max(1e-12, NOISE_SHARE * float(spread * np.sqrt(2 * np.log(rows.x.shape[1]))))


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
    reference="Cox 1958, Tibshirani 1996; scikit-learn LogisticRegression (L-BFGS, liblinear).",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
)
