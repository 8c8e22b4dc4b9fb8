"""Answers the same for every image: of each class the middle one of its boxes. What any model must beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.boxes import SCORE, objects_of, packed, typical_objects
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.stored import stored_as


@stored_as("objects.baseline.Model")
@dataclass(frozen=True)
class TypicalObjects:
    """What is answered for every image."""

    objects: np.ndarray  # float64 [n_objects, FIELDS], the likeliest first
    n_places: int  # of an answer


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> TypicalObjects:
    counted = training.y if training.weight is None else training.y[training.weight > 0]
    found = objects_of(typical_objects(counted, context.problem.n_classes))
    likeliest = found[np.argsort(-found[:, SCORE], kind="stable")]
    return TypicalObjects(likeliest[: context.problem.most_objects], context.problem.most_objects)


def _predict(model: TypicalObjects, x: np.ndarray) -> np.ndarray:
    return np.repeat(packed([model.objects], model.n_places), len(x), axis=0)


def _to_onnx(models: Sequence[TypicalObjects], graph: Graph, x: str) -> str:
    return graph.constant(models[0].objects.astype(np.float32))


PART = Algorithm(
    name="baseline",
    title="Typical boxes",
    tasks=frozenset({"image_object_detection"}),
    view="squares",
    portfolio=lambda problem: [{}],
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="The middle box of each class.",
    kinds=frozenset({"python"}),
    is_refitted=True,
    is_fallback=True,
    time_share=0.01,
    requires="numpy",
)
