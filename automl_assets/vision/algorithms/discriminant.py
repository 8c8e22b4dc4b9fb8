"""Linear discriminant analysis of descriptors: one shape of noise for all classes, shrunk towards a round one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear, add_linear, between_classes, linear_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

AUTOMATIC = "auto"  # Ledoit and Wolf's
TINY = 1e-6


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"shrinkage": AUTOMATIC}, {"shrinkage": 0.3}]


def _space(trial: Any, problem: Problem) -> Config:
    return {"shrinkage": trial.suggest_float("shrinkage", 0.005, 0.9, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    """On standardised columns, as scores of the columns as they are."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows, _ = prepared(training, context.problem)
    x = rows.x.astype(np.float64)
    shift, scale = x.mean(axis=0), 1.0 / np.maximum(x.std(axis=0), TINY)
    found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=config["shrinkage"]).fit((x - shift) * scale, rows.y)
    linear = Linear(found.coef_.T, found.intercept_)
    linear = linear if context.problem.is_binary else between_classes(linear)
    coefficients = linear.coefficients * scale[:, None]
    return Linear(coefficients, linear.intercept - shift @ coefficients)


PART = Algorithm(
    name="discriminant",
    title="Discriminant analysis of descriptors",
    tasks=frozenset({"image_classification"}),
    view="descriptors",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Fisher 1936; Ledoit and Wolf 2004; scikit-learn LinearDiscriminantAnalysis.",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
)
