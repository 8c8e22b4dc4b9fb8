"""Gradient boosting of scikit-learn: trees over histograms, best leaf first. Categories are ordered codes.

Its histogram kind, not the older exact one: that takes no gaps, and hundreds of times as long on many rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl_assets.errors import LearningError
from automl_assets.learning.fitting import EarlyStopping, TargetScale, learning_rate, on_scale, prepared
from automl_assets.learning.tree_models import add_mean, library_parameters, most_rounds
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LEAF, Trees, rounded_down, sum_trees
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

LEAST_ROUNDS = 10  # between looks at the clock; a tenth of what is done more, as each first goes through all of that
ROWS_FOR_THREADS = 10_000  # below, threads wait for one another longer than they work


@stored_as("tabular.gradient_boosting.Model")
@dataclass(frozen=True)
class Boosted:
    """scikit-learn's own object, up to the best round, and the scale its target was learnt on."""

    booster: Any
    scale: TargetScale


def _portfolio(problem: Problem) -> Sequence[Config]:
    """A careful default, then smaller trees that see few columns at a split, and larger ones."""
    default = {"relative_rate": 1.0, "rounds": 200, "max_leaf_nodes": 31, "min_samples_leaf": 20, "max_features": 0.7}
    return [
        default,
        default | {"max_leaf_nodes": 7, "max_features": 0.4, "l2_regularization": 2.0},
        default | {"max_leaf_nodes": 63, "max_features": 0.4, "min_samples_leaf": 8, "l2_regularization": 5.0},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "relative_rate": trial.suggest_float("relative_rate", 0.4, 1.2, log=True),
        "rounds": 200,
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 3, 127, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 64, log=True),
        "max_features": trial.suggest_float("max_features", 0.3, 1.0),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 30.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Boosted:
    from threadpoolctl import threadpool_limits

    n_threads = context.n_threads if len(training.y) >= ROWS_FOR_THREADS else 1
    with threadpool_limits(n_threads):  # the learner has no such setting of its own
        return _boosted(config, training, validation, context)


def _boosted(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Boosted:
    rows, scale = prepared(training, context.problem)
    rate = learning_rate(len(rows.y)) * config["relative_rate"]
    booster = _booster(config, context, validation is not None).set_params(learning_rate=rate)
    unseen = _unseen(on_scale(validation, scale)) if validation else {}
    n_rounds = most_rounds(config, rate, validation is not None)
    patience, done, is_over = EarlyStopping(context.deadline), 0, False
    while done < n_rounds and not is_over:
        booster.max_iter = min(n_rounds, done + LEAST_ROUNDS + done // 10)
        booster.fit(rows.x, rows.y, sample_weight=rows.weight, **unseen)
        losses = enumerate(_losses(booster)[done:], start=done)
        is_over = any([patience.is_over(number, loss) for number, loss in losses])
        done = booster.max_iter
    del booster._predictors[patience.best_round + 1 :]
    return Boosted(booster, scale)


def _booster(config: Config, context: FitContext, is_watched: bool) -> Any:
    """Goes on from where it is with every `fit`. It stops by no rule of its own, but only so it keeps the losses."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    own = library_parameters(config)
    kind = HistGradientBoostingClassifier if context.problem.classes else HistGradientBoostingRegressor
    never = {"n_iter_no_change": 1_000_000}
    return kind(**own, **never, max_iter=0, early_stopping=is_watched, warm_start=True, random_state=context.seed)


def _unseen(rows: Rows) -> dict[str, np.ndarray | None]:
    return {"X_val": rows.x, "y_val": rows.y, "sample_weight_val": rows.weight}


def _losses(booster: Any) -> Sequence[float | None]:
    """Of the validation rows after each round; the first that is kept is before any."""
    return (-booster.validation_score_[1:]).tolist() if booster.early_stopping else [None] * booster.max_iter


def _with_rounds_of(config: Config, model: Boosted) -> Config:
    return config | {"rounds": len(model.booster._predictors)}


def _predict(model: Boosted, x: np.ndarray) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    answer = getattr(model.booster, "decision_function", model.booster.predict)
    with threadpool_limits(1):  # it goes tree by tree, and threads would wait for one another after each
        return model.scale.undo(np.reshape(answer(x), (len(x), -1)))


def _to_onnx(models: Sequence[Boosted], graph: Graph, x: str) -> str:
    return add_mean([(read_trees(model.booster), model.scale) for model in models], graph, x)


def read_trees(estimator: Any) -> Trees:
    """Reads scikit-learn's histogram boosting: log-odds, a score per class, or values.

    Raises LearningError for categorical splits.
    """
    rounds, base = estimator._predictors, estimator._baseline_prediction  # [n_rounds][n_scores], [1, n_scores]
    n_scores = base.shape[1]
    every = [_read_tree(tree.nodes, score, n_scores) for trees in rounds for score, tree in enumerate(trees)]
    return replace(sum_trees(every), base=base[0].astype(np.float64))


def _read_tree(nodes: np.ndarray, score: int, n_scores: int) -> Trees:
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


PART = Algorithm(
    name="gradient_boosting",
    title="Gradient boosting",
    tasks=frozenset({"classification", "regression"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Friedman 2001; scikit-learn HistGradientBoostingClassifier and HistGradientBoostingRegressor.",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.4,
)
