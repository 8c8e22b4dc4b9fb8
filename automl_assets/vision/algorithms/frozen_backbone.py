"""Pretrained networks that stay as they are, and logistic regression on their vectors; of several labels each by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.backbones.reference import lacks_weights
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.standardised_odds import learn_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (0.003, 0.03, 0.0003)]


def _space(trial: Any, problem: Problem) -> Config:
    return {"C": trial.suggest_float("C", 1e-5, 1, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    return learn_scores(training.x.astype(np.float64), training, config["C"], context)


PART = Algorithm(
    name="frozen_backbone",
    title="Frozen backbones, logistic regression",
    tasks=frozenset({"image_classification", "image_classification_multilabel"}),
    view="vectors",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Sharif Razavian et al. 2014; Sandler et al. 2018 (MobileNetV2); Tan and Le 2019 (EfficientNet).",
    is_essential=True,
    kinds=frozenset({"scipy"}),
    time_share=1.0,
    requires="scipy",
    lacks=lacks_weights,
)
