"""XGBoost: boosted trees that grow level by level, with second-order regularisation. Categories are ordered codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.learning.fitting import Patience, TargetScale, learning_rate, on_scale, prepared
from automl_assets.onnx.trees import add_trees, mean_trees, rescaled, xgboost_trees
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

ROUNDS_TIMES_RATE = 60.0  # at most 600 rounds at learning rate 0.1, 1,200 at 0.05: bounds size and latency
FIXED = {"tree_method": "hist", "verbosity": 0}


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
    patience = Patience(context.deadline)
    booster = xgboost.train(
        _parameters(config, context) | {"learning_rate": rate},
        xgboost.DMatrix(rows.x, rows.y, weight=rows.weight),
        num_boost_round=round(ROUNDS_TIMES_RATE / rate) if validation else config["rounds"],
        evals=[(_valid_set(on_scale(validation, scale)), "validation")] if validation else [],
        callbacks=[_stopper(patience)],
        verbose_eval=False,
    )
    return Boosted(bytes(booster[: patience.best_round + 1].save_raw("ubj")), scale)


def _parameters(config: Config, context: FitContext) -> dict[str, Any]:
    own = {key: value for key, value in config.items() if key not in ("relative_rate", "rounds")}
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


def _stopper(patience: Patience) -> Any:
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


def _predict(model: Boosted, x: np.ndarray) -> np.ndarray:
    raw = _booster(model).inplace_predict(x, predict_type="margin", validate_features=False)
    return model.scale.undo(np.reshape(raw, (len(x), -1)).astype(np.float64))


def _to_onnx(models: Sequence[Boosted], graph: Any, x: str) -> str:
    every = [rescaled(_trees(model), model.scale.spread, model.scale.centre) for model in models]
    return add_trees(graph, x, mean_trees(every))


def _trees(model: Boosted) -> Any:
    return xgboost_trees(bytes(_booster(model).save_raw("json")))


PART = Algorithm(
    name="xgboost",
    title="XGBoost",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Chen and Guestrin 2016; the xgboost package.",
    kinds=frozenset({"xgboost"}),
    requires="xgboost",
)
