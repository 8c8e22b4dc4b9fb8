"""LightGBM: boosted trees that grow leaf by leaf over histograms. Categories are ordered codes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from automl_assets.errors import LearningError
from automl_assets.learning.fitting import EarlyStopping, TargetScale, learning_rate, on_scale, prepared
from automl_assets.learning.tree_models import add_mean, library_parameters, most_rounds
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LOWEST, Trees, blank_trees, rounded_down
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

FIXED = {"verbosity": -1, "deterministic": True, "force_col_wise": True, "feature_pre_filter": False}
DEFAULT_LEFT, CATEGORICAL = 2, 1  # bits of decision_type
NONE_MISSING, NAN_MISSING = 0, 2  # decision_type >> 2
ZERO = np.float32(1e-35)  # what is not farther from zero than this is zero there
ABSOLUTE: Config = {
    "objective": "regression_l1",
    "metric": "l1",
}  # the median: MASE fell by 2 to 21 % on three data sets; RMSE not always


@stored_as("tabular.lightgbm.Model")
@dataclass(frozen=True)
class Boosted:
    """LightGBM's own text, up to the best round, and the scale its target was learnt on."""

    text: str
    scale: TargetScale


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Library defaults, then what portfolio searches over many data sets found (AutoGluon, TabArena)."""
    default: Config = {
        "relative_rate": 1.0,
        "rounds": 200,
        "num_leaves": 31,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.9,
    }
    sampled = {"bagging_fraction": 0.88, "bagging_freq": 1}
    if problem.task == "forecasting":
        absolute = default | ABSOLUTE
        return [absolute, default, absolute | {"relative_rate": 0.6, "rounds": 500, "feature_fraction": 0.5}]
    return [
        default,
        default | {"num_leaves": 7, "lambda_l2": 2.0, "feature_fraction": 0.7},
        default | {"num_leaves": 53, "feature_fraction": 0.7, "min_data_in_leaf": 14},
        default | {"num_leaves": 2, "min_data_in_leaf": 5},  # additive: no interactions
        default | {"relative_rate": 0.5, "num_leaves": 127, "feature_fraction": 0.82, "min_data_in_leaf": 40},
        default | sampled | {"extra_trees": True, "num_leaves": 84, "feature_fraction": 0.53, "min_data_in_leaf": 6},
        default | {"num_leaves": 16, "extra_trees": True, "feature_fraction": 0.56, "min_data_in_leaf": 48},
        default | sampled | {"extra_trees": True, "num_leaves": 39, "feature_fraction": 0.46, "min_data_in_leaf": 3},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    """Ranges of TabArena's search; small values of the penalties are as good as none."""
    return {
        "relative_rate": trial.suggest_float("relative_rate", 0.3, 1.2, log=True),
        "rounds": 200,
        "num_leaves": trial.suggest_int("num_leaves", 2, 200, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 1, 64, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.7, 1.0),
        "bagging_freq": 1,
        "extra_trees": trial.suggest_categorical("extra_trees", (False, True)),
        "lambda_l1": trial.suggest_float("lambda_l1", 1e-5, 1.0, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-5, 5.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Boosted:
    import lightgbm

    rows, scale = prepared(training, context.problem)
    rate = learning_rate(len(rows.y)) * config["relative_rate"]
    parameters = _parameters(config, context) | {"learning_rate": rate}
    train_set = lightgbm.Dataset(rows.x, rows.y, weight=rows.weight, params=parameters)
    patience = EarlyStopping(context.deadline)
    booster = lightgbm.train(
        parameters,
        train_set,
        num_boost_round=most_rounds(config, rate, validation is not None),
        valid_sets=[_valid_set(train_set, on_scale(validation, scale))] if validation else [],
        callbacks=[_stopper(patience)],
    )
    return Boosted(booster.model_to_string(num_iteration=patience.best_round + 1), scale)


def _parameters(config: Config, context: FitContext) -> dict[str, Any]:
    own = library_parameters(config)
    return FIXED | _objective(context.problem) | own | {"seed": context.seed, "num_threads": context.n_threads}


def _objective(problem: Problem) -> dict[str, Any]:
    if not problem.classes:
        return {"objective": "regression", "metric": "l2"}
    if problem.n_classes == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {"objective": "multiclass", "metric": "multi_logloss", "num_class": problem.n_classes}


def _valid_set(train_set: Any, rows: Rows) -> Any:
    return train_set.create_valid(rows.x, rows.y, weight=rows.weight)


def _stopper(patience: EarlyStopping) -> Any:
    from lightgbm.callback import EarlyStopException

    def stop(state: Any) -> None:
        losses = [entry[2] for entry in state.evaluation_result_list or []]
        if patience.is_over(state.iteration, losses[0] if losses else None):
            raise EarlyStopException(patience.best_round, state.evaluation_result_list)

    return stop


@lru_cache(maxsize=4)
def _booster(text: str) -> Any:
    """Read once: a recursive forecast asks at every step."""
    import lightgbm

    return lightgbm.Booster(model_str=text)


def _with_rounds_of(config: Config, model: Boosted) -> Config:
    return config | {"rounds": _booster(model.text).current_iteration()}


def _predict(model: Boosted, x: np.ndarray) -> np.ndarray:
    raw = _booster(model.text).predict(x, raw_score=True)
    return model.scale.undo(np.reshape(raw, (len(x), -1)))


def _to_onnx(models: Sequence[Boosted], graph: Graph, x: str) -> str:
    return add_mean([(read_trees(model.text), model.scale) for model in models], graph, x)


def read_trees(model_text: str) -> Trees:
    """Reads LightGBM's text model, as `Booster.model_to_string` writes it.

    Raises LearningError for what has no counterpart here: categorical splits, linear leaves, zero as missing.
    """
    fields = _tree_fields(model_text)
    n_leaves, kinds = _numbers(fields["num_leaves"], np.int64), _numbers(fields["decision_type"], np.int64)
    _refuse_foreign(fields, kinds)
    n_trees, n_splits = len(n_leaves), n_leaves - 1
    roots = np.cumsum(n_leaves + n_splits) - (n_leaves + n_splits)
    split, split_tree = _nodes_of(roots, n_splits)
    leaf, leaf_tree = _nodes_of(roots + n_splits, n_leaves)
    trees = blank_trees(roots, len(split) + len(leaf))
    threshold = _numbers(fields["threshold"], np.float64)
    trees.feature[split] = _numbers(fields["split_feature"], np.int64)
    trees.threshold[split] = _thresholds(threshold)
    for side, key in ((trees.left, "left_child"), (trees.right, "right_child")):
        child = _numbers(fields[key], np.int64)
        side[split] = roots[split_tree] + np.where(child >= 0, child, n_splits[split_tree] + ~child)
    is_none = kinds >> 2 == NONE_MISSING  # then a missing value counts as zero
    trees.missing_left[split] = np.where(is_none, threshold >= 0.0, (kinds & DEFAULT_LEFT) > 0)
    n_scores = int(fields["num_tree_per_iteration"][0])
    score = (np.arange(n_trees) % n_scores)[leaf_tree]
    return replace(
        trees, leaf=leaf, score=score, weight=_numbers(fields["leaf_value"], np.float64), base=np.zeros(n_scores)
    )


def _tree_fields(model_text: str) -> dict[str, list[str]]:
    """What stands after `key=`, once per tree, by key."""
    fields: dict[str, list[str]] = defaultdict(list)
    for line in model_text.split("\n"):
        key, _, value = line.partition("=")
        fields[key].append(value)
    return fields


def _numbers(texts: list[str], dtype: Any) -> np.ndarray:
    """All numbers in the texts, which are separated by blanks."""
    return np.fromstring(" ".join(texts), dtype, sep=" ")


def _thresholds(thresholds: np.ndarray) -> np.ndarray:
    """Thresholds in float32; those close to zero are moved so that all that counts as zero goes the way of zero."""
    exact = rounded_down(thresholds)
    moved = np.where(thresholds >= 0.0, ZERO, np.nextafter(-ZERO, LOWEST))
    return np.where(np.abs(thresholds) <= ZERO, moved, exact)


def _refuse_foreign(fields: dict[str, list[str]], kinds: np.ndarray) -> None:
    is_missing_known = np.isin(kinds >> 2, (NONE_MISSING, NAN_MISSING))
    if (kinds & CATEGORICAL).any() or not is_missing_known.all():
        raise LearningError("LightGBM: categorical splits and zero_as_missing cannot be read; use codes as numbers")
    if "1" in fields["is_linear"] or "average_output" in fields:
        raise LearningError("LightGBM: linear_tree and boosting=rf cannot be read; use boosting=gbdt")


def _nodes_of(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For `count` nodes from `first` on, in every tree: the nodes, and the tree of each."""
    tree = np.repeat(np.arange(len(first)), count)
    within = np.arange(len(tree)) - np.repeat(np.cumsum(count) - count, count)
    return first[tree] + within, tree


PART = Algorithm(
    name="lightgbm",
    title="LightGBM",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Ke et al. 2017; the lightgbm package.",
    is_essential=True,
    kinds=frozenset({"lightgbm"}),
    requires="lightgbm",
    preload=("lightgbm",),
)
