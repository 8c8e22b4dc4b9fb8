"""Naive Bayes and a linear support vector machine in one: terms weigh as much as they tell a class from the others, and a
machine learns on them what single terms cannot say.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from automl_assets.learning.fitting import stopping_early
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.text.models.term_scores import (
    WHICH,
    TermScores,
    add_term_scores,
    columns_of,
    fit_odds_of_margins,
    term_scores,
)

MAX_ROWS = 100_000
MAX_ITERATIONS = 300
ALPHA = 1.0  # rows that every term is taken to stand in besides


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [
        {"terms": terms, "C": strength}
        for terms, strength in (("both", 0.1), ("characters", 0.1), ("words", 0.1), ("both", 0.03), ("both", 1.0))
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "terms": trial.suggest_categorical("terms", tuple(WHICH)),
        "C": trial.suggest_float("C", 1e-3, 3.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> TermScores:
    return fit_odds_of_margins(lambda some, asked: _planes(config, some, asked), training, context)


def _planes(config: Config, rows: Rows, context: FitContext) -> TermScores:
    """Margins of each class against all others; of two classes, of the second against the first."""
    parts = WHICH[config["terms"]]
    x, n_classes = columns_of(rows.x, parts), context.problem.n_classes
    n_terms = x.shape[1] - rows.x.others.shape[1]
    classes = [1] if n_classes == 2 else range(n_classes)
    planes = [_plane(config["C"], x, n_terms, replace(rows, y=rows.y == code), context.seed) for code in classes]
    return TermScores(
        parts,
        np.column_stack([coefficients for coefficients, _ in planes]).astype(np.float32),
        np.array([intercept for _, intercept in planes]),
    )


def _plane(strength: float, x: Any, n_terms: int, rows: Rows, seed: int) -> tuple[np.ndarray, float]:
    from scipy.sparse import diags
    from sklearn.svm import LinearSVC

    scale = np.ones(x.shape[1])
    scale[:n_terms] = _log_ratios(x[:, :n_terms], rows)
    learner = LinearSVC(C=strength, max_iter=MAX_ITERATIONS, random_state=seed)
    with stopping_early():
        learner.fit((x @ diags(scale)).tocsr(), rows.y, sample_weight=rows.weight)
    return learner.coef_[0] * scale, float(learner.intercept_[0])


def _log_ratios(x: Any, rows: Rows) -> np.ndarray:
    """How much more often each term stands in rows of the class than in others, float64 [n_terms]."""
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    stands = x.astype(bool).astype(np.float64)
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
