"""Complement naive Bayes: which class a text is least unlike, by how often its terms stand in texts of all other classes."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.linear_scores import Linear, between_classes
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.text.models.term_scores import (
    TermScores,
    add_term_scores,
    fit_odds_of_margins,
    term_scores,
)

WHICH = {"both": ("words", "characters"), "words": ("words",), "characters": ("characters",)}  # no other columns


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [
        {"terms": terms, "alpha": alpha}
        for terms, alpha in (("both", 0.1), ("both", 1.0), ("characters", 0.1), ("words", 0.1), ("both", 0.03))
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "terms": trial.suggest_categorical("terms", tuple(WHICH)),
        "alpha": trial.suggest_float("alpha", 1e-3, 3.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> TermScores:
    """Its own probabilities count what two terms say alike twice, so odds are learnt from them as from margins."""
    parts = WHICH[config["terms"]]
    return fit_odds_of_margins(lambda some, asked: _unlikeness(config["alpha"], some), parts, training, context)


def _unlikeness(alpha: float, rows: Rows) -> Linear:
    from sklearn.naive_bayes import ComplementNB

    learner = ComplementNB(alpha=alpha).fit(rows.x, rows.y, sample_weight=rows.weight)
    return between_classes(Linear(learner.feature_log_prob_.T, learner.class_log_prior_))


PART = Algorithm(
    name="complement_naive_bayes",
    title="Complement naive Bayes over terms",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="terms",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=term_scores,
    to_onnx=add_term_scores,
    link="logit",
    reference="Rennie et al. 2003; scikit-learn ComplementNB, with odds as in Platt 1999.",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    time_share=0.2,
)
