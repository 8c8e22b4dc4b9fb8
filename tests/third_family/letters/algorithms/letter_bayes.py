"""Bernoulli naive Bayes over the letters that occur."""

from collections.abc import Sequence

import numpy as np

from automl_assets.learning.linear_scores import Linear, add_linear, between_classes, linear_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as


@stored_as("letters.bayes")
class Bayes(Linear):
    """Log-odds, linear in what occurs."""


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"smoothing": 1.0}, {"smoothing": 0.1}]


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Bayes:
    if context.problem.is_multilabel:
        each = [_of_classes(config, Rows(training.x, y.astype(np.int64)), 2) for y in training.y.T]
        return Bayes(np.hstack([one.coefficients for one in each]), np.concatenate([one.intercept for one in each]))
    return _of_classes(config, training, context.problem.n_classes)


def _of_classes(config: Config, training: Rows, n_classes: int) -> Bayes:
    classes = np.arange(n_classes)
    n_rows = np.array([(training.y == code).sum() for code in classes])
    counts = np.array([training.x[training.y == code].sum(axis=0) for code in classes])
    share = (counts + config["smoothing"]) / (n_rows[:, None] + 2 * config["smoothing"])
    coefficients = (np.log(share) - np.log1p(-share)).T
    intercept = np.log1p(-share).sum(axis=1) + np.log(n_rows / n_rows.sum())
    found = between_classes(Linear(coefficients, intercept))
    return Bayes(found.coefficients, found.intercept)


PART = Algorithm(
    name="letter_bayes",
    title="Naive Bayes over letters",
    tasks=frozenset({"spelling", "sounds"}),
    view="dense",
    portfolio=_portfolio,
    fit=_fit,
    predict=linear_scores,
    to_onnx=add_linear,
    link="logit",
    reference="Manning et al. 2008, section 13.3.",
    kinds=frozenset({"numpy"}),
    requires="numpy",
)
