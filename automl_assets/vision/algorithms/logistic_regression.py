"""Logistic regression: log-odds linear in descriptors, with a ridge penalty; of several labels each by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.standardised_odds import learn_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (0.03, 0.003, 0.3)]


def _space(trial: Any, problem: Problem) -> Config:
    return {"C": trial.suggest_float("C", 1e-4, 10, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    return learn_scores(training.x.astype(np.float64), training, config["C"], context)


PART = Algorithm(
    name="logistic_regression",
    title="Logistic regression over descriptors",
    tasks=frozenset({"image_classification", "image_classification_multilabel"}),
    view="descriptors",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Cox 1958; truncated Newton (Lin et al. 2008).",
    is_essential=True,
    kinds=frozenset({"scipy"}),
    time_share=0.5,
    requires="scipy",
)
