"""What the algorithms share whose score is linear in the terms of a text: the model, its answer and its way into ONNX.

Not here: how coefficients are learnt; that is in each algorithm's file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear, linear_scores
from automl_assets.learning.platt_scaling import with_odds
from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows
from automl_assets.stored import stored_as
from automl_assets.text.records import TextInputs, TextTensors

WHICH = {  # values of `terms` in a configuration -> the parts that are looked at
    "both": ("words", "characters", "others"),
    "words": ("words", "others"),
    "characters": ("characters", "others"),
}


@stored_as("text.TermScores")
@dataclass(frozen=True)
class TermScores:
    """scores = columns @ coefficients + intercept, where the columns are those of some parts, side by side."""

    parts: tuple[str, ...]  # of `words`, `characters` and `others`
    coefficients: np.ndarray  # float [n_columns, n_scores]
    intercept: np.ndarray  # float64 [n_scores]


FitMargins = Callable[[Rows, FitContext], Linear]  # of rows whose `x` is a csr_matrix float32 [n_rows, n_columns]


def columns_of(x: TextInputs, parts: Sequence[str]) -> Any:
    """Some parts of rows side by side, scipy csr_matrix float32 [n_rows, n_columns]."""
    from scipy.sparse import csr_matrix, hstack

    return hstack([csr_matrix(getattr(x, part)) for part in parts], format="csr", dtype=np.float32)


def term_scores(model: TermScores, x: TextInputs) -> np.ndarray:
    """Scores of rows, float64 [n_rows, n_scores]."""
    return columns_of(x, model.parts) @ model.coefficients.astype(np.float64) + model.intercept


def fit_odds_of_margins(margins: FitMargins, parts: tuple[str, ...], training: Rows, context: FitContext) -> TermScores:
    """Log-odds where `margins` learns scores that have no scale of their own; of sets of labels each label by itself. The
    parts are put side by side once, however many labels there are."""

    def fit(some: Rows, asked: FitContext) -> Linear:
        return with_odds(lambda learnt: margins(learnt, asked), linear_scores, some, asked)

    rows, _ = prepared(training, context.problem)
    joined = replace(rows, x=columns_of(rows.x, parts))
    linear = _of_each_label(fit, joined, context) if context.problem.is_multilabel else fit(joined, context)
    return TermScores(parts, linear.coefficients.astype(np.float32), linear.intercept)


def _of_each_label(fit: FitMargins, rows: Rows, context: FitContext) -> Linear:
    """Scores of sets of labels: whether each label is there is a question of two classes by itself."""
    asked = replace(context.problem, classes=("no", "yes"), positive=1, is_multilabel=False, thresholds=())
    models = [
        fit(Rows(rows.x, label.astype(np.int64), rows.weight), replace(context, problem=asked)) for label in rows.y.T
    ]
    coefficients = np.hstack([model.coefficients for model in models])
    return Linear(coefficients, np.concatenate([model.intercept for model in models]))


def add_term_scores(models: Sequence[TermScores], graph: Graph, x: TextTensors) -> str:
    """Adds the mean score of the models, which is one linear score again where they look at the same parts."""
    kinds = {model.parts: [one for one in models if one.parts == model.parts] for model in models}
    shares = [len(some) / len(models) for some in kinds.values()]
    scores = [
        _add_sum(graph, x, parts, share, some) for (parts, some), share in zip(kinds.items(), shares, strict=True)
    ]
    return scores[0] if len(scores) == 1 else graph.node("Sum", *scores)


def _add_sum(graph: Graph, x: TextTensors, parts: tuple[str, ...], share: float, models: Sequence[TermScores]) -> str:
    coefficients = (share * np.mean([model.coefficients for model in models], axis=0)).astype(np.float32)
    intercept = (share * np.mean([model.intercept for model in models], axis=0)).astype(np.float32)
    joined = graph.node("Concat", *(getattr(x, part) for part in parts), axis=1)
    return graph.node("Gemm", joined, graph.constant(coefficients), graph.constant(intercept))
