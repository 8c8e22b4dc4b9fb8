"""What the algorithms share whose score is linear in the terms of a text: the model, its answer and its way into ONNX.

Not here: how coefficients are learnt; that is in each algorithm's file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.onnx.graph import Graph
from automl_assets.stored import stored_as
from automl_assets.text.records import TextInputs, TextTensors

WHICH = {"words": ("words",), "characters": ("characters",), "both": ("words", "characters")}  # values of `terms`


@stored_as("text.TermScores")
@dataclass(frozen=True)
class TermScores:
    """scores = columns @ coefficients + intercept, where the columns are those of some parts, side by side."""

    parts: tuple[str, ...]  # of `words` and `characters`; the other columns come last
    coefficients: np.ndarray  # float [n_columns, n_scores]
    intercept: np.ndarray  # float64 [n_scores]


def columns_of(x: TextInputs, parts: Sequence[str]) -> Any:
    """The terms of some parts and the other columns side by side, scipy csr_matrix float32 [n_rows, n_columns]."""
    from scipy.sparse import csr_matrix, hstack

    return hstack([*(getattr(x, part) for part in parts), csr_matrix(x.others)], format="csr", dtype=np.float32)


def term_scores(model: TermScores, x: TextInputs) -> np.ndarray:
    """Scores of rows, float64 [n_rows, n_scores]."""
    return columns_of(x, model.parts) @ model.coefficients.astype(np.float64) + model.intercept


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
    joined = graph.node("Concat", *(getattr(x, part) for part in parts), x.others, axis=1)
    return graph.node("Gemm", joined, graph.constant(coefficients), graph.constant(intercept))
