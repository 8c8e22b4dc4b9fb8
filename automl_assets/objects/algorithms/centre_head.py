"""A convolutional network, learnt from nothing, that says of each point of a grid whether an object's middle is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from automl_assets.objects.features.squares import add_shares
from automl_assets.objects.models.detections_onnx import add_detections, detections
from automl_assets.objects.models.layers import GraphLayers
from automl_assets.objects.models.learn_detector import learn_detector
from automl_assets.objects.models.network import trunk
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as


@stored_as("objects.centre_head.Model")
@dataclass(frozen=True)
class Detector:
    """A network, the side of the squares that it looks at, and how many objects it answers at most."""

    weights: dict[str, np.ndarray]  # float32
    side: int
    n_places: int
    epochs: float


def _portfolio(problem: Problem) -> Sequence[Config]:
    default = {
        **{"epochs": 30, "least_steps": 300, "learning_rate": 4e-3, "weight_decay": 0.05},
        "is_mirrored_down": False,
    }
    return [default, default | {"is_mirrored_down": True}]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "epochs": trial.suggest_int("epochs", 20, 120, log=True),
        "least_steps": 300,
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.2, log=True),
        "is_mirrored_down": trial.suggest_categorical("is_mirrored_down", [False, True]),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Detector:
    learnt = learn_detector(config, training, context)
    return Detector(learnt.weights, training.x.shape[1], context.problem.most_objects, learnt.epochs)


def _predict(model: Detector, x: np.ndarray) -> np.ndarray:
    return detections(partial(_to_onnx, [model]), x, model.n_places)


def _to_onnx(models: Sequence[Detector], graph: Graph, x: str) -> str:
    model = models[0]
    layers = GraphLayers(graph, model.weights)
    return add_detections(layers, trunk(layers, add_shares(graph, x)), model.side, model.n_places)


PART = Algorithm(
    name="centre_head",
    title="Centre-based detector",
    tasks=frozenset({"image_object_detection"}),
    view="squares",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Zhou et al. 2019 (CenterNet); Tian et al. 2019 (FCOS).",
    kinds=frozenset({"pytorch"}),
    fills_time=True,
    is_refitted=True,
    is_essential=True,
    requires="torch",
    preload=("torch",),
)
