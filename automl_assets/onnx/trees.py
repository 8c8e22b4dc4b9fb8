"""Decision trees of any library as plain arrays under one rule, and as one ONNX node.

The rule: `x <= threshold` goes left, and a missing value goes left where `missing_left` says so. Here belongs
what can be done with trees. Not here: how trees are learnt, and how a library writes them down; the file of its
algorithm reads that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl_assets.onnx.graph import Graph

LEAF = -1
LOWEST = np.float32(-np.inf)


@dataclass(frozen=True)
class Trees:
    """Trees one after another, each beginning with its root. A row's score is the sum of the weights of the leaves
    it falls into, plus the base.

    A leaf's vector is stored sparsely, as (leaf, score, weight): one entry for most, n_scores for a forest of classes.
    """

    roots: np.ndarray  # int64 [n_trees], the first node of each tree
    feature: np.ndarray  # int64 [n_nodes]
    threshold: np.ndarray  # float32 [n_nodes]
    left: np.ndarray  # int64 [n_nodes], LEAF at leaves
    right: np.ndarray  # int64 [n_nodes]
    missing_left: np.ndarray  # bool [n_nodes]
    leaf: np.ndarray  # int64 [n_weights], the node that holds the weight
    score: np.ndarray  # int64 [n_weights], the column it adds to
    weight: np.ndarray  # float64 [n_weights]
    base: np.ndarray  # float64 [n_scores]

    @property
    def n_nodes(self) -> int:
        return len(self.feature)


def blank_trees(roots: np.ndarray, n_nodes: int) -> Trees:
    """Nodes to be filled in, all of them leaves, and no weight on any yet."""
    none = np.zeros(0, np.int64)
    return Trees(
        roots=roots,
        feature=np.zeros(n_nodes, np.int64),
        threshold=np.zeros(n_nodes, np.float32),
        left=np.full(n_nodes, LEAF, np.int64),
        right=np.full(n_nodes, LEAF, np.int64),
        missing_left=np.zeros(n_nodes, bool),
        leaf=none,
        score=none,
        weight=np.zeros(0),
        base=np.zeros(1),
    )


def rescaled(trees: Trees, scale: float, offset: float) -> Trees:
    """Trees whose score is `scale` times the given trees' score plus `offset`."""
    return replace(trees, weight=trees.weight * scale, base=trees.base * scale + offset)


def mean_trees(models: Sequence[Trees]) -> Trees:
    """Trees whose score is the mean score of the models: all their trees, each weight divided by the number of models."""
    total = sum_trees(models)
    return replace(total, weight=total.weight / len(models), base=total.base / len(models))


def sum_trees(models: Sequence[Trees]) -> Trees:
    """Trees whose score is the sum of the models' scores: all their trees, one after another."""
    first_node = np.cumsum([0, *(trees.n_nodes for trees in models)])

    def joined(name: str, is_node: bool = False) -> np.ndarray:
        parts = [getattr(trees, name) for trees in models]
        return np.concatenate(
            [_shifted(part, by) for part, by in zip(parts, first_node, strict=False)] if is_node else parts
        )

    return Trees(
        roots=joined("roots", is_node=True),
        feature=joined("feature"),
        threshold=joined("threshold"),
        left=joined("left", is_node=True),
        right=joined("right", is_node=True),
        missing_left=joined("missing_left"),
        leaf=joined("leaf", is_node=True),
        score=joined("score"),
        weight=joined("weight"),
        base=np.sum([trees.base for trees in models], axis=0),
    )


def _shifted(nodes: np.ndarray, by: int) -> np.ndarray:
    return np.where(nodes == LEAF, LEAF, nodes + by)


def scores(trees: Trees, x: np.ndarray) -> np.ndarray:
    """Scores of rows by the rule itself, float64 [n_rows, n_scores]: the reference for what `add_trees` computes."""
    node = np.tile(trees.roots, (len(x), 1))  # [n_rows, n_trees]
    rows = np.arange(len(x))[:, None]
    while (trees.left[node] != LEAF).any():
        value = x[rows, trees.feature[node]]
        goes_left = np.where(np.isnan(value), trees.missing_left[node], value <= trees.threshold[node])
        following = np.where(goes_left, trees.left[node], trees.right[node])
        node = np.where(trees.left[node] == LEAF, node, following)
    held = np.zeros((trees.n_nodes, len(trees.base)))
    held[trees.leaf, trees.score] = trees.weight
    return held[node].sum(axis=1) + trees.base


# --- ONNX


def add_trees(graph: Graph, x: str, trees: Trees) -> str:
    """Adds the nodes that compute the scores, float32 [n_rows, n_scores], and returns its output.

    Measured with ONNX Runtime 1.32 on 8,000 trees of 31 leaves: TreeEnsembleRegressor takes 33 bytes a node, loads
    in 0.7 s; its successor TreeEnsemble 13 bytes, but 2.5 s, is no faster, and its leaves hold only one score.
    """
    trees = _without_stumps(trees)
    base = trees.base.astype(np.float32)
    if not len(trees.roots):
        return graph.rows(x, base)
    attributes = _node_attributes(trees) | _leaf_attributes(trees)
    summed = graph.node("TreeEnsembleRegressor", x, domain="ai.onnx.ml", n_targets=len(base), **attributes)
    # Not as its base_values: ONNX Runtime drops them for a score to which no tree adds.
    return graph.node("Add", summed, graph.constant(base)) if base.any() else summed


def _without_stumps(trees: Trees) -> Trees:
    """Trees that are only a leaf become part of the base."""
    is_stump = np.zeros(trees.n_nodes, bool)
    is_stump[trees.roots] = trees.left[trees.roots] == LEAF
    if not is_stump.any():
        return trees
    in_stump = is_stump[trees.leaf]
    base = trees.base.copy()
    np.add.at(base, trees.score[in_stump], trees.weight[in_stump])
    kept = replace(trees, leaf=trees.leaf[~in_stump], score=trees.score[~in_stump], weight=trees.weight[~in_stump])
    return select_nodes(replace(kept, base=base), ~is_stump)


def select_nodes(trees: Trees, keep: np.ndarray) -> Trees:
    """Only the nodes to keep, which must be closed under `left` and `right`."""
    new = np.append(np.where(keep, np.cumsum(keep) - 1, LEAF), LEAF)  # the last entry maps LEAF to itself
    return replace(
        trees,
        roots=new[trees.roots[keep[trees.roots]]],
        feature=trees.feature[keep],
        threshold=trees.threshold[keep],
        left=new[trees.left[keep]],
        right=new[trees.right[keep]],
        missing_left=trees.missing_left[keep],
        leaf=new[trees.leaf],
    )


def _tree_and_number(trees: Trees, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tree of each node, and its number within that tree."""
    tree = np.searchsorted(trees.roots, nodes, side="right") - 1
    return tree, nodes - trees.roots[tree]


def _node_attributes(trees: Trees) -> dict[str, Any]:
    tree, number = _tree_and_number(trees, np.arange(trees.n_nodes))
    is_leaf = trees.left == LEAF
    root = trees.roots[tree]
    attributes = {
        "nodes_treeids": tree,
        "nodes_nodeids": number,
        "nodes_featureids": np.where(is_leaf, 0, trees.feature),
        "nodes_values": np.where(is_leaf, np.float32(0), trees.threshold),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.where(is_leaf, 0, trees.left - root),
        "nodes_falsenodeids": np.where(is_leaf, 0, trees.right - root),
    }
    if (trees.missing_left & ~is_leaf).any():
        attributes["nodes_missing_value_tracks_true"] = np.where(is_leaf, False, trees.missing_left).astype(np.int64)
    return attributes


def _leaf_attributes(trees: Trees) -> dict[str, Any]:
    tree, number = _tree_and_number(trees, trees.leaf)
    return {
        "target_treeids": tree,
        "target_nodeids": number,
        "target_ids": trees.score,
        "target_weights": trees.weight.astype(np.float32),
    }


# --- thresholds


def rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 not above each threshold: for float32 values `<=` decides the same.

    >>> float(rounded_down(np.array([0.1]))[0]) <= 0.1 < float(np.float32(0.1))
    True
    """
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, LOWEST), near)
