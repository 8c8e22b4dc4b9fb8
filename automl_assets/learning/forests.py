"""What the averaging forests of scikit-learn share: bounded growth, mean answers, and their way into ONNX.

Not here: which forest, its settings and its portfolio; those are in its algorithm's file.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.fitting import TargetScale, prepared
from automl_assets.learning.tree_models import add_mean
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LEAF, Trees, mean_trees, rounded_down
from automl_assets.parts import Config, FitContext, Rows
from automl_assets.stored import stored_as

N_TREES = 200
MAX_NODES = 800_000  # of a whole forest: about 30 MB of ONNX
TREES_AT_A_TIME = 10  # between looks at the clock


@stored_as("learning.Forest")
@dataclass(frozen=True)
class Forest:
    """A fitted forest of scikit-learn and the scale its target was learnt on."""

    estimator: Any
    scale: TargetScale


def forest_configs(max_features: Sequence[float | str], min_samples_leaf: Sequence[int]) -> list[Config]:
    """Configurations of one portfolio, which differ by what trees see at a split and by where they stop."""
    return [
        {"n_estimators": N_TREES, "max_features": share, "min_samples_leaf": least}
        for share, least in zip(max_features, min_samples_leaf, strict=True)
    ]


def fit_forest(estimator_type: Any, config: Config, training: Rows, context: FitContext) -> Forest:
    """Fits on codes with missing values as they are, some trees at a time until all are grown or the time is up.

    Where leaves must be bounded, trees grow best first, so that the bound costs the least.
    """
    rows, scale = prepared(training, context.problem)
    n_trees, most_leaves = config["n_estimators"], MAX_NODES // (2 * config["n_estimators"])
    estimator = estimator_type(
        **config | {"n_estimators": 0},
        max_leaf_nodes=most_leaves if most_leaves < len(rows.y) else None,
        n_jobs=context.n_threads,
        random_state=context.seed,
        warm_start=True,
    )
    while estimator.n_estimators < n_trees and (estimator.n_estimators == 0 or time.monotonic() < context.deadline):
        estimator.n_estimators = min(n_trees, estimator.n_estimators + TREES_AT_A_TIME)
        estimator.fit(rows.x, rows.y, sample_weight=rows.weight)
    return Forest(estimator, scale)


def forest_scores(model: Forest, x: np.ndarray) -> np.ndarray:
    """Class probabilities [n_rows, n_classes], or values [n_rows, 1]."""
    if hasattr(model.estimator, "predict_proba"):
        return model.estimator.predict_proba(x)
    return model.scale.undo(model.estimator.predict(x))[:, None]


def add_forests(models: Sequence[Forest], graph: Graph, x: str) -> str:
    """Adds the mean of the forests as one node."""
    return add_mean([(read_trees(model.estimator), model.scale) for model in models], graph, x)


def read_trees(estimator: Any) -> Trees:
    """Reads a fitted tree of scikit-learn, or a forest, whose score is the mean of its trees: class shares or values."""
    return mean_trees([_read_tree(each.tree_) for each in getattr(estimator, "estimators_", [estimator])])


def _read_tree(tree: Any) -> Trees:
    leaf = np.flatnonzero(tree.children_left == LEAF)
    values = tree.value[leaf, 0, :]  # [n_leaves, n_scores]
    n_scores = values.shape[1]
    where, score = np.nonzero(values)
    return Trees(
        roots=np.zeros(1, np.int64),
        feature=tree.feature,
        threshold=rounded_down(tree.threshold),
        left=tree.children_left,
        right=tree.children_right,
        missing_left=tree.missing_go_to_left.astype(bool),
        leaf=leaf[where],
        score=score,
        weight=values[where, score],
        base=np.zeros(n_scores),
    )
