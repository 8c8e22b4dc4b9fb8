"""Boosted trees over descriptors. The trees are those of tables, as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from automl_assets import registry
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _trees() -> Algorithm:
    return registry.algorithms("tabular")["lightgbm"]


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Columns say much the same, so that trees see few of them at a split."""
    return [
        {"relative_rate": 1.0, "rounds": 200, "num_leaves": 7, "feature_fraction": 0.1, "min_data_in_leaf": 10},
        {"relative_rate": 1.0, "rounds": 200, "num_leaves": 15, "feature_fraction": 0.2, "min_data_in_leaf": 5},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "relative_rate": trial.suggest_float("relative_rate", 0.4, 1.2, log=True),
        "rounds": 200,
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.03, 0.6, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 3, 32, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Any:
    return _trees().fit(config, training, validation, context)


def _with_rounds_of(config: Config, model: Any) -> Config:
    return _trees().with_rounds_of(config, model)


def _predict(model: Any, x: np.ndarray) -> np.ndarray:
    return _trees().predict(model, x)


def _to_onnx(models: Sequence[Any], graph: Graph, x: str) -> str:
    return _trees().to_onnx(models, graph, x)


PART = Algorithm(
    name="lightgbm",
    title="Boosted trees over descriptors",
    tasks=frozenset({"image_classification"}),
    view="descriptors",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Ke et al. 2017 (LightGBM).",
    kinds=frozenset({"lightgbm"}),
    requires="lightgbm",
    preload=("lightgbm",),
)
