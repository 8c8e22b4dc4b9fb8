"""Multinomial naive Bayes: how much of a row's mass each column of the dense view holds, class by class."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear, add_linear, between_classes, linear_scores
from automl_assets.learning.platt_scaling import with_odds
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

SCALER = {"scaler": "min_max"}  # mass is never negative


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [SCALER | {"alpha": 1.0}]


def _space(trial: Any, problem: Problem) -> Config:
    return SCALER | {"alpha": trial.suggest_float("alpha", 1e-3, 30.0, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Linear:
    """Its own probabilities count what two columns say alike twice, so odds are learnt from them as from margins."""
    rows, _ = prepared(training, context.problem)
    return with_odds(lambda some: _shares(config, some), linear_scores, rows, context)


def _shares(config: Config, rows: Rows) -> Linear:
    from sklearn.naive_bayes import MultinomialNB

    learner = MultinomialNB(**config).fit(rows.x, rows.y, sample_weight=rows.weight)
    return between_classes(Linear(learner.feature_log_prob_.T, learner.class_log_prior_))


PART = Algorithm(
    name="multinomial_naive_bayes",
    title="Multinomial naive Bayes",
    tasks=frozenset({"classification"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="McCallum and Nigam 1998; scikit-learn MultinomialNB, with odds as in Platt 1999.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.03,
)
