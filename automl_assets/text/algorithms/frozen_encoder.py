"""A pretrained encoder that stays as it is, and logistic regression on its vectors: seconds where fine-tuning takes minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.encoders.reader import Reader, reader
from automl_assets.encoders.reference import automatic, lacks_weights
from automl_assets.errors import ArtifactError
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.learning.standardised_odds import learn_scores
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.text.models.vector_scores import joined
from automl_assets.text.records import TextInputs, TextTensors

SECONDS_A_TEXT = 0.008  # of one core, for the smallest of the encoders and a text of some sentences


@stored_as("text.FrozenEncoder")
@dataclass(frozen=True)
class Model:
    """Who reads the texts, and scores that are linear in the vectors and the other columns."""

    reader: Reader
    linear: Linear


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (0.03, 0.003, 0.3)]


def _space(trial: Any, problem: Problem) -> Config:
    return {"C": trial.suggest_float("C", 1e-4, 10, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Model:
    inputs = training.x
    encoder = context.encoder or automatic(inputs.texts)
    read = reader(encoder, inputs.texts, is_exported=context.is_exported)
    vectors = read.read(inputs.texts, context.n_threads, context.deadline)
    if validation is not None:
        read.read(validation.x.texts, context.n_threads, context.deadline)  # while there is time
    return Model(read, learn_scores(joined(vectors, inputs), training, config["C"], context))


def _predict(model: Model, x: TextInputs) -> np.ndarray:
    return linear_scores(model.linear, joined(model.reader.read(x.texts), x))


def _to_onnx(models: Sequence[Model], graph: Graph, x: TextTensors) -> str:
    if len({model.reader.key for model in models}) > 1:
        raise ArtifactError(
            "its folds read texts in different ways, which ONNX cannot average; name an encoder in the YAML"
        )
    vectors = models[0].reader.add(graph, x.texts)
    return add_linear([model.linear for model in models], graph, graph.node("Concat", vectors, x.others, axis=1))


PART = Algorithm(
    name="frozen_encoder",
    title="Frozen encoder, logistic regression",
    tasks=frozenset({"text_classification", "text_classification_multilabel"}),
    view="texts",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="logit",
    reference="Reimers & Gurevych 2019; Wang et al. 2020 (MiniLM); Wang et al. 2024 (E5).",
    kinds=frozenset({"huggingface"}),
    time_share=0.5,
    requires="transformers",
    lacks=lacks_weights,
    trial_seconds=lambda n_rows: n_rows * SECONDS_A_TEXT,
)
