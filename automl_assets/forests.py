"""What the averaging forests of scikit-learn share: bounded growth, mean answers, and their way into ONNX.

Not here: which forest, its settings and its portfolio; those are in its algorithm's file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.fitting import TargetScale, prepared
from automl_assets.parts import Config, FitContext, Rows
from automl_assets.trees import add_trees, mean_trees, rescaled, sklearn_trees

MAX_NODES = 800_000  # of a whole forest: about 30 MB of ONNX


@dataclass(frozen=True)
class Forest:
    """A fitted forest of scikit-learn and the scale its target was learnt on."""

    estimator: Any
    scale: TargetScale


def fit_forest(estimator_type: Any, config: Config, training: Rows, context: FitContext) -> Forest:
    """Fits on codes with missing values as they are. Trees grow best first, so a bound on leaves costs the least."""
    rows, scale = prepared(training, context.problem)
    estimator = estimator_type(
        **config,
        max_leaf_nodes=MAX_NODES // (2 * config["n_estimators"]),
        n_jobs=context.n_threads,
        random_state=context.seed,
    )
    return Forest(estimator.fit(rows.x, rows.y, sample_weight=rows.weight), scale)


def forest_scores(model: Forest, x: np.ndarray) -> np.ndarray:
    """Class probabilities [n_rows, n_classes], or values [n_rows, 1]."""
    if hasattr(model.estimator, "predict_proba"):
        return model.estimator.predict_proba(x)
    return model.scale.undo(model.estimator.predict(x))[:, None]


def add_forests(models: Sequence[Forest], graph: Any, x: str) -> str:
    """Adds the mean of the forests as one node."""
    every = [rescaled(sklearn_trees(m.estimator), m.scale.spread, m.scale.centre) for m in models]
    return add_trees(graph, x, mean_trees(every))
