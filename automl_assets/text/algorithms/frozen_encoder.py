"""A pretrained encoder that stays as it is, and logistic regression on its vectors: seconds where fine-tuning takes minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.encoders.reader import Reader, reader
from automl_assets.encoders.reference import automatic
from automl_assets.errors import ArtifactError
from automl_assets.learning.fitting import prepared, stopping_early
from automl_assets.learning.linear_scores import Linear, add_linear, linear_scores
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.text.records import TextInputs, TextTensors

MAX_ITERATIONS = 500
SECONDS_A_TEXT = 0.008  # of one core, for the smallest of the encoders and a text of some sentences
TINY = 1e-6


@stored_as("text.FrozenEncoder")
@dataclass(frozen=True)
class Model:
    """Who reads the texts, and scores that are linear in the vectors and the other columns."""

    reader: Reader
    linear: Linear


def _portfolio(problem: Problem) -> Sequence[Config]:
    return [{"C": strength} for strength in (0.03, 0.3, 0.003)]


def _space(trial: Any, problem: Problem) -> Config:
    return {"C": trial.suggest_float("C", 1e-4, 10, log=True)}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Model:
    inputs: Any = training.x
    read = reader(context.encoder or automatic(inputs.texts), inputs.texts)
    x = _joined(read.read(inputs.texts, context.n_threads, context.deadline), inputs)
    if validation is not None:
        read.read(validation.x.texts, context.n_threads, context.deadline)  # while there is time
    shift, scale = x.mean(axis=0), 1.0 / np.maximum(x.std(axis=0), TINY)
    linear = _learnt(config, Rows((x - shift) * scale, training.y, training.weight), context)
    coefficients = linear.coefficients * scale[:, None]
    return Model(read, Linear(coefficients, linear.intercept - shift @ coefficients))


def _learnt(config: Config, rows: Rows, context: FitContext) -> Linear:
    if rows.y.ndim == 2:
        every = [_label(config, rows, label, context) for label in range(rows.y.shape[1])]
        return Linear(np.hstack([one.coefficients for one in every]), np.concatenate([one.intercept for one in every]))
    rows, _ = prepared(rows, context.problem)
    return _logistic(config, rows, context)


def _label(config: Config, rows: Rows, label: int, context: FitContext) -> Linear:
    """One of several labels by itself; where all rows have it or none, how often it is met is all there is to say."""
    y = rows.y[:, label].astype(np.int64)
    if len(np.unique(y)) == 1:
        share = (y.sum() + 0.5) / (len(y) + 1)
        return Linear(np.zeros((rows.x.shape[1], 1)), np.array([np.log(share / (1 - share))]))
    return _logistic(config, Rows(rows.x, y, rows.weight), context)


def _logistic(config: Config, rows: Rows, context: FitContext) -> Linear:
    from sklearn.linear_model import LogisticRegression

    learner = LogisticRegression(**config, max_iter=MAX_ITERATIONS, random_state=context.seed)
    with stopping_early():
        learner.fit(rows.x, rows.y, sample_weight=rows.weight)
    return Linear(learner.coef_.T, learner.intercept_)


def _joined(vectors: np.ndarray, inputs: TextInputs) -> np.ndarray:
    return np.hstack([vectors, inputs.others]).astype(np.float64)


def _predict(model: Model, x: Any) -> np.ndarray:
    return linear_scores(model.linear, _joined(model.reader.read(x.texts), x))


def _to_onnx(models: Sequence[Model], graph: Graph, x: Any) -> str:
    tensors: TextTensors = x
    if len({model.reader.key for model in models}) > 1:
        raise ArtifactError("its folds read texts in different ways, which ONNX cannot average; name an encoder in the YAML")
    vectors = models[0].reader.add(graph, tensors.texts)
    return add_linear([model.linear for model in models], graph, graph.node("Concat", vectors, tensors.others, axis=1))


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
    kinds=frozenset({"huggingface", "scikitlearn"}),
    trial_seconds=lambda n_rows: n_rows * SECONDS_A_TEXT,
)
