"""Answers the same for every token: how often each tag occurs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets.entities.records import TokenInputs
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.tagging import Texts


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> np.ndarray:
    counts = np.bincount(training.y, weights=training.weight, minlength=context.problem.n_classes)
    return counts / counts.sum()


def _predict(model: np.ndarray, x: TokenInputs) -> np.ndarray:
    """No I- begins a text."""
    shares = np.tile(model, (len(x), 1))
    first = Texts(x.text).is_first
    shares[first, 0] += shares[first][:, 2::2].sum(axis=1)
    shares[np.ix_(first, np.arange(2, len(model), 2))] = 0.0
    return shares


def _to_onnx(models: Sequence[np.ndarray], graph: Any, x: Any) -> str:
    raise NotImplementedError


PART = Algorithm(
    name="label_shares",
    title="Shares of tags",
    tasks=frozenset({"text_ner"}),
    view="tokens",
    portfolio=lambda problem: [{}],
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Shares of tags.",
    kinds=frozenset({"python"}),
    is_fallback=True,
    time_share=0.01,
    requires="numpy",
)
