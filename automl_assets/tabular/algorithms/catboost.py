"""CatBoost: boosted symmetric trees, strong without tuning. Categories are ordered codes, so that it can be exported."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.errors import LearningError
from automl_assets.learning.fitting import EarlyStopping, TargetScale, learning_rate, on_scale, prepared
from automl_assets.learning.tree_models import add_mean, library_parameters, most_rounds
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LEAF, Trees, blank_trees, select_nodes, sum_trees
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

FIXED = {
    "logging_level": "Silent",
    "allow_writing_files": False,
    "grow_policy": "SymmetricTree",
}
CONSTANT = {"allow_const_label": True, "bootstrap_type": "No"}  # nothing differs by which rows could be drawn


@stored_as("tabular.catboost.Model")
@dataclass(frozen=True)
class Boosted:
    """CatBoost's own object, up to the best round, and the scale its target was learnt on."""

    booster: Any
    scale: TargetScale


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Library defaults, then what portfolio searches over many data sets found (AutoGluon, TabArena)."""
    default = {"relative_rate": 1.0, "rounds": 300, "depth": 6, "l2_leaf_reg": 3.0}
    return [
        default,
        default | {"depth": 4, "l2_leaf_reg": 4.6},
        default | {"depth": 7, "l2_leaf_reg": 2.2, "rsm": 0.8},
        default | {"depth": 6, "l2_leaf_reg": 3.3, "relative_rate": 0.6, "random_strength": 2.0},
        default | {"depth": 8, "l2_leaf_reg": 2.8, "rsm": 0.6},
        default | {"depth": 5, "bootstrap_type": "Bernoulli", "subsample": 0.7, "rsm": 0.7},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    """Ranges of TabArena's search, with fewer levels: a symmetric tree doubles with each, and so does its file."""
    return {
        "relative_rate": trial.suggest_float("relative_rate", 0.4, 1.2, log=True),
        "rounds": 300,
        "depth": trial.suggest_int("depth", 3, 8),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.1, 10.0, log=True),
        "rsm": trial.suggest_float("rsm", 0.5, 1.0),
        "random_strength": trial.suggest_float("random_strength", 0.1, 5.0, log=True),
        "bootstrap_type": "Bernoulli",
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "leaf_estimation_iterations": trial.suggest_int("leaf_estimation_iterations", 1, 10, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Boosted:
    from catboost import CatBoost, Pool

    rows, scale = prepared(training, context.problem)
    rate = learning_rate(len(rows.y)) * config["relative_rate"]
    patience = EarlyStopping(context.deadline)
    n_rounds = most_rounds(config, rate, validation is not None)
    if not np.ptp(rows.y):
        config = {key: value for key, value in config.items() if key != "subsample"} | CONSTANT
    booster = CatBoost(_parameters(config, context) | {"learning_rate": rate, "iterations": n_rounds})
    booster.fit(
        Pool(rows.x, rows.y, weight=rows.weight),
        eval_set=_pool(on_scale(validation, scale)) if validation else None,
        use_best_model=False,
        callbacks=[_Stopper(patience)],
    )
    booster.shrink(patience.best_round + 1)
    return Boosted(booster, scale)


def _parameters(config: Config, context: FitContext) -> dict[str, Any]:
    own = library_parameters(config)
    return own | FIXED | _objective(context.problem) | {"random_seed": context.seed, "thread_count": context.n_threads}


def _objective(problem: Problem) -> dict[str, Any]:
    if not problem.classes:
        return {"loss_function": "RMSE"}
    if problem.n_classes == 2:
        return {"loss_function": "Logloss"}
    return {"loss_function": "MultiClass", "classes_count": problem.n_classes}


def _pool(rows: Rows) -> Any:
    from catboost import Pool

    return Pool(rows.x, rows.y, weight=rows.weight)


class _Stopper:
    """CatBoost's callback: it goes on while `after_iteration` is true. Rounds are counted from 1 there."""

    def __init__(self, patience: EarlyStopping):
        self.patience = patience

    def after_iteration(self, state: Any) -> bool:
        losses = [history[-1] for history in state.metrics.get("validation", {}).values()]
        return not self.patience.is_over(state.iteration - 1, losses[0] if losses else None)


def _with_rounds_of(config: Config, model: Boosted) -> Config:
    """Unless told, the library makes fewer steps for each leaf where it is to make few rounds."""
    n_steps = model.booster.get_all_params()["leaf_estimation_iterations"]
    return config | {"rounds": model.booster.tree_count_, "leaf_estimation_iterations": n_steps}


def _predict(model: Boosted, x: np.ndarray) -> np.ndarray:
    raw = model.booster.predict(x, prediction_type="RawFormulaVal")
    return model.scale.undo(np.reshape(raw, (len(x), -1)))


def _to_onnx(models: Sequence[Boosted], graph: Graph, x: str) -> str:
    return add_mean([(read_trees(_json(model.booster)), model.scale) for model in models], graph, x)


def _json(booster: Any) -> str:
    with tempfile.TemporaryDirectory(prefix="automl_") as folder:
        path = Path(folder) / "model.json"
        booster.save_model(str(path), format="json")
        return path.read_text()


def read_trees(model_json: str) -> Trees:
    """Reads CatBoost's JSON model of symmetric trees: `x > border` goes right there, and bit i of a leaf's number
    says what split i answered. Raises LearningError for other kinds of trees and for categorical splits."""
    model = json.loads(model_json)
    if "oblivious_trees" not in model:
        raise LearningError("CatBoost: only symmetric trees can be read; use grow_policy=SymmetricTree")
    scale, base = model["scale_and_bias"]
    n_scores = max(1, len(base))
    goes_right = _missing_right(model)
    by_depth: dict[int, list[dict[str, Any]]] = {}
    for tree in model["oblivious_trees"]:
        by_depth.setdefault(len(tree["splits"] or []), []).append(tree)
    groups = [_symmetric(group, depth, n_scores, goes_right) for depth, group in sorted(by_depth.items())]
    total = sum_trees(groups)
    return replace(total, weight=total.weight * scale, base=np.array(base or [0.0], np.float64))


def _missing_right(model: dict[str, Any]) -> np.ndarray:
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
    trees = blank_trees(roots, n_trees * (n_splits + n_leaves))
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
    return select_nodes(every, keep.ravel())


PART = Algorithm(
    name="catboost",
    title="CatBoost",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Prokhorenkova et al. 2018; the catboost package.",
    kinds=frozenset({"catboost"}),
    time_share=1.5,
    requires="catboost",
    preload=("catboost",),
)
