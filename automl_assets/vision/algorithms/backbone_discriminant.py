"""Pretrained networks that stay as they are, and linear discriminant analysis of their vectors."""

from collections.abc import Sequence
from typing import Any

from automl_assets.backbones.reference import lacks_weights
from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.shrunk_discriminant import fit_discriminant
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

AUTOMATIC = "auto"  # Ledoit and Wolf's


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"shrinkage": AUTOMATIC}, {"shrinkage": 0.5}]


def _space(trial: Any, problem: Problem) -> Config:
    return {"shrinkage": trial.suggest_float("shrinkage", 0.01, 0.95)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    rows, _ = prepared(training, context.problem)
    shrinkage = None if config["shrinkage"] == AUTOMATIC else config["shrinkage"]
    return fit_discriminant(rows.x, rows.y, context.problem.n_classes, shrinkage, rows.weight)


PART = Algorithm(
    name="backbone_discriminant",
    title="Frozen backbones, discriminant analysis",
    tasks=frozenset({"image_classification"}),
    view="vectors",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Fisher 1936; Ledoit and Wolf 2004.",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.5,
    lacks=lacks_weights,
)
