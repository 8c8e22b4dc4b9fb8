"""Logistic regression: log-odds linear in the terms of a text, with a ridge penalty."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.fitting import prepared
from automl_assets.learning.odds_fit import fit_odds
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.text.models.term_scores import WHICH, TermScores, add_term_scores, columns_of, term_scores


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [
        {"terms": terms, "C": strength}
        for terms, strength in (("both", 3.0), ("characters", 3.0), ("words", 3.0), ("both", 30.0), ("both", 300.0))
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "terms": trial.suggest_categorical("terms", tuple(WHICH)),
        "C": trial.suggest_float("C", 0.1, 1e3, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> TermScores:
    rows, _ = prepared(training, context.problem)
    parts = WHICH[config["terms"]]
    return TermScores(parts, *fit_odds(columns_of(rows.x, parts), rows, config["C"], context))


PART = Algorithm(
    name="logistic_regression",
    title="Logistic regression over terms",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="terms",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=term_scores,
    to_onnx=add_term_scores,
    link="logit",
    reference="Cox 1958, over TF-IDF (Spärck Jones 1972); truncated Newton (Lin et al. 2008).",
    kinds=frozenset({"scipy"}),
    time_share=0.3,
    requires="scipy",
)
