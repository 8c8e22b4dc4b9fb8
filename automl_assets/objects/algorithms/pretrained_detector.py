"""The centre-based detector over the maps of a pretrained network, whose upper layers go on learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from automl_assets.backbones.reference import Reference, lacks_weights
from automl_assets.errors import SettingError
from automl_assets.objects.features.squares import add_shares
from automl_assets.objects.models.detections_onnx import add_detections, detections
from automl_assets.objects.models.layers import GraphLayers
from automl_assets.objects.models.learn_detector import learn_detector
from automl_assets.objects.models.pretrained_trunk import PretrainedTrunk, add_features
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as


@stored_as("objects.pretrained_detector.Model")
@dataclass(frozen=True)
class Detector:
    """A network, what it learnt, and the head over it."""

    backbone: Reference
    tensors: dict[str, np.ndarray]  # of the network, by name: float16
    weights: dict[str, np.ndarray]  # of the head: float32
    side: int
    n_places: int
    epochs: float


def _portfolio(problem: Problem) -> Sequence[Config]:
    default = {
        **{"epochs": 15, "least_steps": 250, "learning_rate": 4e-3, "weight_decay": 0.05},
        **{"trunk_rate": 0.1, "frozen": 0.3, "is_mirrored_down": False},
    }
    return [default, default | {"is_mirrored_down": True}]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "epochs": trial.suggest_int("epochs", 10, 60, log=True),
        "least_steps": 250,
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.2, log=True),
        "trunk_rate": trial.suggest_float("trunk_rate", 0.02, 0.5, log=True),
        "frozen": trial.suggest_categorical("frozen", (0.3, 0.6)),
        "is_mirrored_down": trial.suggest_categorical("is_mirrored_down", (False, True)),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Detector:
    known = [backbone for backbone in context.backbones if backbone.kind == "known"]
    if not known:
        raise SettingError("skipped: no known network reads the images of these features")
    trunk = PretrainedTrunk(known[-1], config["frozen"])
    learnt = learn_detector(config, training, context, trunk)
    side, most = training.x.shape[1], context.problem.most_objects
    return Detector(known[-1], trunk.tensors(), learnt.weights, side, most, learnt.epochs)


def _predict(model: Detector, x: np.ndarray) -> np.ndarray:
    return detections(partial(_to_onnx, [model]), x, model.n_places)


def _to_onnx(models: Sequence[Detector], graph: Graph, x: str) -> str:
    model = models[0]
    features = add_features(graph, add_shares(graph, x), model.side, model.backbone, model.tensors)
    return add_detections(GraphLayers(graph, model.weights), features, model.side, model.n_places)


PART = Algorithm(
    name="pretrained_detector",
    title="Centre-based detector, pretrained",
    tasks=frozenset({"image_object_detection"}),
    view="squares",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Zhou et al. 2019 (CenterNet); Tian et al. 2019 (FCOS); Sandler et al. 2018 (MobileNetV2).",
    kinds=frozenset({"pytorch"}),
    fills_time=True,
    is_refitted=True,
    is_essential=True,
    time_share=2.0,
    requires="torch",
    preload=("torch",),
    lacks=lacks_weights,
)
