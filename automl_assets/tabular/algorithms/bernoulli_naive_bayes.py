"""Bernoulli naive Bayes: which columns of the dense view lie above a threshold, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear, add_linear, between_classes, linear_scores
from automl_assets.learning.platt_scaling import with_odds
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as


@stored_as("tabular.bernoulli_naive_bayes.Model")
@dataclass(frozen=True)
class Switches:
    """A linear score of which columns lie above the threshold."""

    threshold: float
    linear: Linear


def _portfolio(problem: Problem) -> Sequence[Config]:
    """The mean of a number and absence of a category are 0 in the dense view."""
    return [{"alpha": 1.0, "threshold": 0.0}]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "alpha": trial.suggest_float("alpha", 1e-3, 30.0, log=True),
        "threshold": trial.suggest_float("threshold", -0.5, 0.75, step=0.25),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Switches:
    """Its own probabilities count what two columns say alike twice, so odds are learnt from them as from margins."""
    rows, _ = prepared(training, context.problem)
    above = Rows(_above(rows.x, config["threshold"]), rows.y, rows.weight)
    learnt = with_odds(lambda some: _shares(config["alpha"], some), linear_scores, above, context)
    return Switches(config["threshold"], learnt)


def _above(x: np.ndarray, threshold: float) -> np.ndarray:
    return (x > np.float32(threshold)).astype(np.float32)


def _shares(alpha: float, rows: Rows) -> Linear:
    from sklearn.naive_bayes import BernoulliNB

    learner = BernoulliNB(alpha=alpha, binarize=None).fit(rows.x, rows.y, sample_weight=rows.weight)
    is_on = learner.feature_log_prob_  # [n_classes, n_features]
    is_off = np.log1p(-np.exp(is_on))
    return between_classes(Linear((is_on - is_off).T, learner.class_log_prior_ + is_off.sum(axis=1)))


def _predict(model: Switches, x: np.ndarray) -> np.ndarray:
    return linear_scores(model.linear, _above(x, model.threshold))


def _to_onnx(models: Sequence[Switches], graph: Graph, x: str) -> str:
    """All models of a trial share its threshold."""
    from onnx import TensorProto

    is_above = graph.node("Greater", x, graph.constant(np.float32(models[0].threshold)))
    return add_linear([model.linear for model in models], graph, graph.node("Cast", is_above, to=TensorProto.FLOAT))


PART = Algorithm(
    name="bernoulli_naive_bayes",
    title="Bernoulli naive Bayes",
    tasks=frozenset({"classification"}),
    view="dense",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Manning, Raghavan and Schütze 2008; scikit-learn BernoulliNB, with odds as in Platt 1999.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.03,
)
