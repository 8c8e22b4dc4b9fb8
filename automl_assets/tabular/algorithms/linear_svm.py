"""Linear support vector machine: the plane in the dense view that keeps classes apart by the widest margin."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.platt_scaling import with_odds
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_ROWS = 100_000  # more move the plane by less than folds differ
MAX_ITERATIONS = 500


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (0.1, 0.01, 1.0)]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "C": trial.suggest_float("C", 1e-4, 10.0, log=True),
        "loss": trial.suggest_categorical("loss", ("squared_hinge", "hinge")),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    rows, _ = prepared(training, context.problem)
    return with_odds(lambda some: _plane(config, some, context.seed), linear_scores, rows, context)


def _plane(config: Config, rows: Rows, seed: int) -> Linear:
    """Margins: of one plane for two classes, of one plane per class against all others for more."""
    from sklearn.svm import LinearSVC

    learner = LinearSVC(**config, max_iter=MAX_ITERATIONS, random_state=seed)
    with stopping_early():
        learner.fit(rows.x.astype(np.float64), rows.y, sample_weight=rows.weight)
    return Linear(learner.coef_.T, learner.intercept_)


PART = Algorithm(
    name="linear_svm",
    title="Linear support vector machine",
    tasks=frozenset({"classification"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    scalers=("min_max",),
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Cortes and Vapnik 1995; scikit-learn LinearSVC (liblinear), with odds as in Platt 1999.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.15,
    max_rows=MAX_ROWS,
)
