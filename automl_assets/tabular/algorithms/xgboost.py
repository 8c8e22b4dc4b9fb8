"""XGBoost: boosted trees that grow level by level, with second-order regularisation. Categories are ordered codes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.fitting import EarlyStopping, TargetScale, learning_rate, on_scale, prepared
from automl_assets.learning.tree_models import add_mean, library_parameters, most_rounds
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LEAF, LOWEST, Trees
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

FIXED = {"tree_method": "hist", "verbosity": 0}


@stored_as("tabular.xgboost.Model")
@dataclass(frozen=True)
class Boosted:
    """XGBoost's own bytes (UBJSON), up to the best round, and the scale its target was learnt on."""

    raw: bytes
    scale: TargetScale


def _portfolio(problem: Problem) -> Sequence[Config]:
    """A careful default, then what portfolio searches over many data sets found (AutoGluon, TabArena)."""
    default = {"relative_rate": 1.0, "rounds": 200, "max_depth": 6, "min_child_weight": 1.0, "colsample_bytree": 0.9}
    return [
        default,
        default | {"max_depth": 5, "colsample_bytree": 0.66, "min_child_weight": 0.63, "subsample": 0.9},
        default | {"max_depth": 3, "colsample_bytree": 0.7, "reg_lambda": 2.0},
        default | {"relative_rate": 0.7, "max_depth": 8, "colsample_bytree": 0.52, "min_child_weight": 4.0},
        default | {"max_depth": 7, "colsample_bytree": 0.75, "min_child_weight": 0.56, "reg_lambda": 5.0},
        default | {"max_depth": 4, "colsample_bytree": 0.5, "subsample": 0.7, "reg_alpha": 1.0},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    """Ranges of TabArena's search; small values of the penalties are as good as none."""
    return {
        "relative_rate": trial.suggest_float("relative_rate", 0.3, 1.2, log=True),
        "rounds": 200,
        "max_depth": trial.suggest_int("max_depth", 2, 10, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1e-3, 5.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bylevel": trial.suggest_float("colsample_bylevel", 0.6, 1.0),
        "colsample_bynode": trial.suggest_float("colsample_bynode", 0.6, 1.0),
        "reg_alpha": trial.suggest_float("reg_alpha", 1e-4, 5.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-4, 5.0, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Boosted:
    import xgboost

    rows, scale = prepared(training, context.problem)
    rate = learning_rate(len(rows.y)) * config["relative_rate"]
    patience = EarlyStopping(context.deadline)
    booster = xgboost.train(
        _parameters(config, context) | {"learning_rate": rate},
        xgboost.DMatrix(rows.x, rows.y, weight=rows.weight),
        num_boost_round=most_rounds(config, rate, validation is not None),
        evals=[(_valid_set(on_scale(validation, scale)), "validation")] if validation else [],
        callbacks=[_stopper(patience)],
        verbose_eval=False,
    )
    return Boosted(bytes(booster[: patience.best_round + 1].save_raw("ubj")), scale)


def _parameters(config: Config, context: FitContext) -> dict[str, Any]:
    own = library_parameters(config)
    return own | FIXED | _objective(context.problem) | {"seed": context.seed, "nthread": context.n_threads}


def _objective(problem: Problem) -> dict[str, Any]:
    if not problem.classes:
        return {"objective": "reg:squarederror"}
    if problem.n_classes == 2:
        return {"objective": "binary:logistic"}
    return {"objective": "multi:softprob", "num_class": problem.n_classes}


def _valid_set(rows: Rows) -> Any:
    import xgboost

    return xgboost.DMatrix(rows.x, rows.y, weight=rows.weight)


def _stopper(patience: EarlyStopping) -> Any:
    from xgboost.callback import TrainingCallback

    class Stopper(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            losses = [history[-1] for history in evals_log.get("validation", {}).values()]
            return patience.is_over(epoch, losses[0] if losses else None)

    return Stopper()


def _booster(model: Boosted) -> Any:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(model.raw))
    return booster


def _with_rounds_of(config: Config, model: Boosted) -> Config:
    return config | {"rounds": _booster(model).num_boosted_rounds()}


def _predict(model: Boosted, x: np.ndarray) -> np.ndarray:
    raw = _booster(model).inplace_predict(x, predict_type="margin", validate_features=False)
    return model.scale.undo(np.reshape(raw, (len(x), -1)).astype(np.float64))


def _to_onnx(models: Sequence[Boosted], graph: Graph, x: str) -> str:
    return add_mean([(_trees(model), model.scale) for model in models], graph, x)


def _trees(model: Boosted) -> Trees:
    return read_trees(bytes(_booster(model).save_raw("json")))


def read_trees(raw: bytes | str) -> Trees:
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
        base=_base(learner),
    )


def _base(learner: dict[str, Any]) -> np.ndarray:
    """The margin every row starts from. XGBoost stores a text: a number, or since 3.1 a vector; as a probability
    where the objective has a logistic link."""
    stored = np.array(json.loads(learner["learner_model_param"]["base_score"]), np.float32).reshape(-1)
    if learner["objective"]["name"] == "binary:logistic":
        return -np.log(np.float32(1) / stored - np.float32(1)).astype(np.float64)
    n_scores = max(1, int(learner["learner_model_param"]["num_class"]))
    return np.broadcast_to(stored, n_scores).astype(np.float64)


PART = Algorithm(
    name="xgboost",
    title="XGBoost",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Chen and Guestrin 2016; the xgboost package.",
    kinds=frozenset({"xgboost"}),
    requires="xgboost",
    preload=("xgboost",),
)
