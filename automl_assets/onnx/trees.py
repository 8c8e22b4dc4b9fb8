"""Decision trees of any library as plain arrays under one rule, and as one ONNX node.

The rule: `x <= threshold` goes left, and a missing value goes left where `missing_left` says so. Here belong the
readers of each library's format and what can be done with trees. Not here: how trees are learnt.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl_assets.errors import LearningError

LEAF = -1
LIGHTGBM_DEFAULT_LEFT, LIGHTGBM_CATEGORICAL = 2, 1  # bits of decision_type
LIGHTGBM_MISSING_NONE, LIGHTGBM_MISSING_NAN = 0, 2  # decision_type >> 2
LIGHTGBM_ZERO = np.float32(1e-35)  # what is not farther from zero than this is zero there
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


def rescaled(trees: Trees, scale: float, offset: float) -> Trees:
    """Trees whose score is `scale` times the given trees' score plus `offset`."""
    return replace(trees, weight=trees.weight * scale, base=trees.base * scale + offset)


def mean_trees(models: Sequence[Trees]) -> Trees:
    """Trees whose score is the mean score of the models: all their trees, each weight divided by the number of models."""
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
        weight=joined("weight") / len(models),
        base=np.mean([trees.base for trees in models], axis=0),
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


def add_trees(graph: Any, x: str, trees: Trees) -> str:
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
    return _selected(replace(kept, base=base), ~is_stump)


def _selected(trees: Trees, keep: np.ndarray) -> Trees:
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


# --- LightGBM


def lightgbm_trees(model_text: str) -> Trees:
    """Reads LightGBM's text model, as `Booster.model_to_string` writes it.

    Raises LearningError for what has no counterpart here: categorical splits, linear leaves, zero as missing.
    """
    fields = _lightgbm_fields(model_text)
    n_leaves, kinds = _numbers(fields["num_leaves"], np.int64), _numbers(fields["decision_type"], np.int64)
    _refuse_foreign_lightgbm(fields, kinds)
    n_trees, n_splits = len(n_leaves), n_leaves - 1
    roots = np.cumsum(n_leaves + n_splits) - (n_leaves + n_splits)
    split, split_tree = _nodes_of(roots, n_splits)
    leaf, leaf_tree = _nodes_of(roots + n_splits, n_leaves)
    trees = _blank(roots, len(split) + len(leaf))
    threshold = _numbers(fields["threshold"], np.float64)
    trees.feature[split] = _numbers(fields["split_feature"], np.int64)
    trees.threshold[split] = _lightgbm_thresholds(threshold)
    for side, key in ((trees.left, "left_child"), (trees.right, "right_child")):
        child = _numbers(fields[key], np.int64)
        side[split] = roots[split_tree] + np.where(child >= 0, child, n_splits[split_tree] + ~child)
    is_none = kinds >> 2 == LIGHTGBM_MISSING_NONE  # then a missing value counts as zero
    trees.missing_left[split] = np.where(is_none, threshold >= 0.0, (kinds & LIGHTGBM_DEFAULT_LEFT) > 0)
    n_scores = int(fields["num_tree_per_iteration"][0])
    score = (np.arange(n_trees) % n_scores)[leaf_tree]
    return replace(
        trees, leaf=leaf, score=score, weight=_numbers(fields["leaf_value"], np.float64), base=np.zeros(n_scores)
    )


def _lightgbm_fields(model_text: str) -> dict[str, list[str]]:
    """What stands after `key=`, once per tree, by key."""
    fields: dict[str, list[str]] = defaultdict(list)
    for line in model_text.split("\n"):
        key, _, value = line.partition("=")
        fields[key].append(value)
    return fields


def _numbers(texts: list[str], dtype: Any) -> np.ndarray:
    """All numbers in the texts, which are separated by blanks."""
    return np.fromstring(" ".join(texts), dtype, sep=" ")


def _lightgbm_thresholds(thresholds: np.ndarray) -> np.ndarray:
    """Thresholds in float32; those close to zero are moved so that all that counts as zero goes the way of zero."""
    exact = rounded_down(thresholds)
    moved = np.where(thresholds >= 0.0, LIGHTGBM_ZERO, np.nextafter(-LIGHTGBM_ZERO, LOWEST))
    return np.where(np.abs(thresholds) <= LIGHTGBM_ZERO, moved, exact)


def _refuse_foreign_lightgbm(fields: dict[str, list[str]], kinds: np.ndarray) -> None:
    is_missing_known = np.isin(kinds >> 2, (LIGHTGBM_MISSING_NONE, LIGHTGBM_MISSING_NAN))
    if (kinds & LIGHTGBM_CATEGORICAL).any() or not is_missing_known.all():
        raise LearningError("LightGBM: categorical splits and zero_as_missing cannot be read; use codes as numbers")
    if "1" in fields["is_linear"] or "average_output" in fields:
        raise LearningError("LightGBM: linear_tree and boosting=rf cannot be read; use boosting=gbdt")


def _nodes_of(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For `count` nodes from `first` on, in every tree: the nodes, and the tree of each."""
    tree = np.repeat(np.arange(len(first)), count)
    within = np.arange(len(tree)) - np.repeat(np.cumsum(count) - count, count)
    return first[tree] + within, tree


def _blank(roots: np.ndarray, n_nodes: int) -> Trees:
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


# --- XGBoost


def xgboost_trees(raw: bytes | str) -> Trees:
    """Reads XGBoost's JSON model, as `Booster.save_raw("json")` writes it: `x < split` goes left there."""
    learner = json.loads(raw)["learner"]
    model = learner["gradient_booster"]["model"]

    def joined(key: str, dtype: Any) -> np.ndarray:
        return np.concatenate([np.array(tree[key], dtype) for tree in model["trees"]])

    n_nodes = np.array([len(tree["left_children"]) for tree in model["trees"]])
    roots = np.cumsum(n_nodes) - n_nodes
    tree = np.repeat(np.arange(len(n_nodes)), n_nodes)
    left, right = joined("left_children", np.int64), joined("right_children", np.int64)
    value = joined("split_conditions", np.float32)
    leaf = np.flatnonzero(left == LEAF)
    return Trees(
        roots=roots,
        feature=joined("split_indices", np.int64),
        threshold=np.nextafter(value, LOWEST),
        left=np.where(left == LEAF, LEAF, left + roots[tree]),
        right=np.where(left == LEAF, LEAF, right + roots[tree]),
        missing_left=joined("default_left", bool),
        leaf=leaf,
        score=np.array(model["tree_info"], np.int64)[tree[leaf]],
        weight=value[leaf].astype(np.float64),
        base=_xgboost_base(learner),
    )


def _xgboost_base(learner: dict[str, Any]) -> np.ndarray:
    """The margin every row starts from. XGBoost stores a text: a number, or since 3.1 a vector; as a probability
    where the objective has a logistic link."""
    stored = np.array(json.loads(learner["learner_model_param"]["base_score"]), np.float32).reshape(-1)
    if learner["objective"]["name"] == "binary:logistic":
        return -np.log(np.float32(1) / stored - np.float32(1)).astype(np.float64)
    n_scores = max(1, int(learner["learner_model_param"]["num_class"]))
    return np.broadcast_to(stored, n_scores).astype(np.float64)


# --- CatBoost


def catboost_trees(model_json: str) -> Trees:
    """Reads CatBoost's JSON model of symmetric trees: `x > border` goes right there, and bit i of a leaf's number
    says what split i answered. Raises LearningError for other kinds of trees and for categorical splits."""
    model = json.loads(model_json)
    if "oblivious_trees" not in model:
        raise LearningError("CatBoost: only symmetric trees can be read; use grow_policy=SymmetricTree")
    scale, base = model["scale_and_bias"]
    n_scores = max(1, len(base))
    goes_right = _catboost_missing_right(model)
    by_depth: dict[int, list[dict[str, Any]]] = {}
    for tree in model["oblivious_trees"]:
        by_depth.setdefault(len(tree["splits"] or []), []).append(tree)
    groups = [_symmetric(group, depth, n_scores, goes_right) for depth, group in sorted(by_depth.items())]
    total = rescaled(mean_trees(groups), len(groups), 0.0)
    return replace(total, weight=total.weight * scale, base=np.array(base or [0.0], np.float64))


def _catboost_missing_right(model: dict[str, Any]) -> np.ndarray:
    """Whether a missing value of each feature goes right: it does where it counts as larger than all."""
    features = model["features_info"].get("float_features", [])
    return np.array([feature["nan_value_treatment"] == "AsTrue" for feature in features], bool)


def _symmetric(group: list[dict[str, Any]], depth: int, n_scores: int, missing_right: np.ndarray) -> Trees:
    """Symmetric trees of one depth as full binary trees, node i having children 2i + 1 and 2i + 2, then pruned."""
    n_trees, n_splits, n_leaves = len(group), 2**depth - 1, 2**depth
    splits = [split for tree in group for split in tree["splits"] or []]
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise LearningError("CatBoost: categorical splits cannot be read; use codes as numbers")
    level = np.repeat(np.arange(depth), 2 ** np.arange(depth)).astype(np.int64)  # of each inner node; the root is 0
    feature = np.array([split["float_feature_index"] for split in splits], np.int64).reshape(n_trees, depth)
    border = np.array([split["border"] for split in splits], np.float32).reshape(n_trees, depth)
    values = np.array([tree["leaf_values"] for tree in group], np.float64).reshape(n_trees, n_leaves, n_scores)
    roots = np.arange(n_trees) * (n_splits + n_leaves)
    trees = _blank(roots, n_trees * (n_splits + n_leaves))
    inner = roots[:, None] + np.arange(n_splits)
    trees.feature[inner] = feature[:, level]
    trees.threshold[inner] = border[:, level]
    trees.left[inner] = roots[:, None] + 2 * np.arange(n_splits) + 1
    trees.right[inner] = roots[:, None] + 2 * np.arange(n_splits) + 2
    trees.missing_left[inner] = ~missing_right[feature][:, level] if depth else True
    return _pruned(trees, values[:, _reversed_bits(depth)])


def _reversed_bits(n_bits: int) -> np.ndarray:
    """0 to 2^n_bits - 1 with the bits in reverse: the root asks split 0, which is the last bit of a leaf's number.

    >>> _reversed_bits(2).tolist()
    [0, 2, 1, 3]
    """
    numbers = np.arange(2**n_bits)
    return sum(((numbers >> bit & 1) << (n_bits - 1 - bit) for bit in range(n_bits)), np.zeros_like(numbers))


def _pruned(trees: Trees, values: np.ndarray) -> Trees:
    """Full trees of equal depth with `values` [n_trees, n_leaves, n_scores] at their last level: where both children
    are leaves of equal value their parent takes their place, level by level."""
    n_trees, n_leaves, n_scores = values.shape
    held = np.zeros((n_trees, 2 * n_leaves - 1, n_scores))
    is_leaf = np.zeros((n_trees, 2 * n_leaves - 1), bool)
    held[:, n_leaves - 1 :] = values
    is_leaf[:, n_leaves - 1 :] = True
    keep = np.ones_like(is_leaf)
    for parent in range(n_leaves - 2, -1, -1):
        left, right = 2 * parent + 1, 2 * parent + 2
        equal = (held[:, left] == held[:, right]).all(axis=1) & is_leaf[:, left] & is_leaf[:, right]
        is_leaf[:, parent] = equal
        keep[equal, left] = keep[equal, right] = False
        held[equal, parent] = held[equal, left]
    ends = is_leaf.ravel()
    trees.left[ends] = trees.right[ends] = LEAF
    leaf = np.flatnonzero(ends & keep.ravel())
    weight = held.reshape(-1, n_scores)[leaf].ravel()
    score = np.tile(np.arange(n_scores), len(leaf))
    every = replace(trees, leaf=np.repeat(leaf, n_scores), score=score, weight=weight, base=np.zeros(n_scores))
    return _selected(every, keep.ravel())


# --- scikit-learn


def sklearn_trees(estimator: Any) -> Trees:
    """Reads a fitted tree of scikit-learn, or a forest, whose score is the mean of its trees: class shares or values."""
    return mean_trees([_sklearn_tree(each.tree_) for each in getattr(estimator, "estimators_", [estimator])])


def _sklearn_tree(tree: Any) -> Trees:
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


def histogram_trees(estimator: Any) -> Trees:
    """Reads scikit-learn's histogram boosting: log-odds, a score per class, or values.

    Raises LearningError for categorical splits.
    """
    rounds, base = estimator._predictors, estimator._baseline_prediction  # [n_rounds][n_scores], [1, n_scores]
    n_scores = base.shape[1]
    every = [_histogram_tree(tree.nodes, score, n_scores) for trees in rounds for score, tree in enumerate(trees)]
    return replace(rescaled(mean_trees(every), len(every), 0.0), base=base[0].astype(np.float64))


def _histogram_tree(nodes: np.ndarray, score: int, n_scores: int) -> Trees:
    """`nodes` is a structured array whose children count from 0; rows are compared in double there."""
    if nodes["is_categorical"].any():
        raise LearningError("HistGradientBoosting: categorical splits cannot be read; use codes as numbers")
    is_leaf = nodes["is_leaf"].astype(bool)
    leaf = np.flatnonzero(is_leaf)
    return Trees(
        roots=np.zeros(1, np.int64),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=rounded_down(nodes["num_threshold"]),
        left=np.where(is_leaf, LEAF, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, LEAF, nodes["right"].astype(np.int64)),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        leaf=leaf,
        score=np.full(len(leaf), score),
        weight=nodes["value"][leaf],
        base=np.zeros(n_scores),
    )
