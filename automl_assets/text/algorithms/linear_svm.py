"""Linear support vector machine: the plane among the terms that keeps classes apart by the widest margin."""

from collections.abc import Sequence
from typing import Any

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


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Of a label that few rows have more is learnt where less is believed: chosen by folds of go_emotions."""
    usual, further = (0.1, 0.3) if problem.is_multilabel else (0.3, 0.1)
    return [
        {"terms": terms, "C": strength}
        for terms, strength in (
            ("both", usual),
            ("characters", usual),
            ("words", usual),
            ("both", 1.0),
            ("both", further),
        )
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "terms": trial.suggest_categorical("terms", tuple(WHICH)),
        "C": trial.suggest_float("C", 1e-2, 10.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> TermScores:
    parts = WHICH[config["terms"]]
    return fit_odds_of_margins(lambda some, asked: _plane(config["C"], some, asked.seed), parts, training, context)


def _plane(strength: float, rows: Rows, seed: int) -> Linear:
    """Margins: of one plane for two classes, of one plane per class against all others for more."""
    from sklearn.svm import LinearSVC

    learner = LinearSVC(C=strength, tol=TOLERANCE, max_iter=MAX_ITERATIONS, random_state=seed)
    with stopping_early():
        learner.fit(rows.x, rows.y, sample_weight=rows.weight)
    return Linear(learner.coef_.T, learner.intercept_)


PART = Algorithm(
    name="linear_svm",
    title="Linear support vector machine over terms",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="terms",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=term_scores,
    to_onnx=add_term_scores,
    link="logit",
    reference="Joachims 1998; scikit-learn LinearSVC (liblinear), with odds as in Platt 1999.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.3,
    max_rows=MAX_ROWS,
)
