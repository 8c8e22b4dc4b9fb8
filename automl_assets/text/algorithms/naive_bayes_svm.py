"""Naive Bayes and a linear support vector machine in one: terms weigh as much as they tell a class from the others, and a
machine learns on them what single terms cannot say.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from automl_assets.learning.fitting import stopping_early
from automl_assets.learning.linear_scores import Linear
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.text.models.term_scores import (
    WHICH,
    TermScores,
    add_term_scores,
    fit_odds_of_margins,
    term_scores,
)

MAX_ROWS = 100_000
MAX_ITERATIONS = 300
TOLERANCE = 0.1  # as in LIBLINEAR itself: of ten thousand texts nothing changes beyond it but the time
ALPHA = 1.0  # rows that every term is taken to stand in besides


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Of a label that few rows have more is learnt where less is believed: chosen by folds of go_emotions."""
    usual, less = (0.03, 0.1) if problem.is_multilabel else (0.1, 0.03)
    return [
        {"terms": terms, "C": strength}
        for terms, strength in (("both", usual), ("characters", usual), ("words", usual), ("both", less), ("both", 1.0))
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "terms": trial.suggest_categorical("terms", tuple(WHICH)),
        "C": trial.suggest_float("C", 1e-3, 3.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> TermScores:
    parts, n_others = WHICH[config["terms"]], training.x.others.shape[1]
    return fit_odds_of_margins(
        lambda some, asked: _planes(config["C"], n_others, some, asked), parts, training, context
    )


def _planes(strength: float, n_others: int, rows: Rows, context: FitContext) -> Linear:
    """Margins of each class against all others; of two classes, of the second against the first."""
    n_classes, n_terms = context.problem.n_classes, rows.x.shape[1] - n_others
    stands, planes = _with(rows.x, np.ones(rows.x.nnz))[:, :n_terms], []
    for code in [1] if n_classes == 2 else range(n_classes):
        asked = replace(rows, y=rows.y == code)
        scale = np.append(_log_ratios(stands, asked), np.ones(n_others))
        planes.append(_plane(strength, scale, asked, context.seed))
    return Linear(
        np.column_stack([coefficients for coefficients, _ in planes]), np.array([intercept for _, intercept in planes])
    )


def _with(x: Any, data: np.ndarray) -> Any:
    """A sparse matrix with other values in the same places."""
    from scipy.sparse import csr_matrix

    return csr_matrix((data, x.indices, x.indptr), shape=x.shape)


def _plane(strength: float, scale: np.ndarray, rows: Rows, seed: int) -> tuple[np.ndarray, float]:
    from sklearn.svm import LinearSVC

    learner = LinearSVC(C=strength, tol=TOLERANCE, max_iter=MAX_ITERATIONS, random_state=seed)
    with stopping_early():
        learner.fit(_with(rows.x, rows.x.data * scale[rows.x.indices]), rows.y, sample_weight=rows.weight)
    return learner.coef_[0] * scale, float(learner.intercept_[0])


def _log_ratios(stands: Any, rows: Rows) -> np.ndarray:
    """How much more often each term stands in rows of the class than in others, float64 [n_terms]; `stands` is 1 where a row
    has a term."""
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    inside, outside = (ALPHA + stands.T @ (weight * side) for side in (rows.y, ~rows.y))
    return np.log(inside / inside.sum()) - np.log(outside / outside.sum())


PART = Algorithm(
    name="naive_bayes_svm",
    title="Linear support vector machine over log ratios of naive Bayes",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="terms",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=term_scores,
    to_onnx=add_term_scores,
    link="logit",
    reference="Wang and Manning 2012; scikit-learn LinearSVC (liblinear), with odds as in Platt 1999.",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.5,
    max_rows=MAX_ROWS,
)
