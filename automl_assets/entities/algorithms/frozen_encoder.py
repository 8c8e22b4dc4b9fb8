"""A pretrained encoder that stays as it is: its layers' states of every word, the word's shape and both neighbours' below
a CRF. Seconds where fine-tuning takes minutes, and better where entities are few."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.encoders.network import states_model_of
from automl_assets.encoders.reference import automatic, lacks_weights
from automl_assets.encoders.words import WordReader, word_reader
from automl_assets.encoders.words_onnx import WordTensors, add_word_vectors
from automl_assets.entities.features.chains_onnx import add_is_first, add_marginals
from automl_assets.entities.features.tokens_onnx import TokenTensors, add_shapes
from automl_assets.entities.models.learn_tagger import learn_tagger
from automl_assets.entities.models.word_tagger import WordTagger
from automl_assets.entities.records import TokenInputs
from automl_assets.errors import ArtifactError
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.session import ROWS_TOGETHER
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

SECONDS_A_WORD = 0.0006  # of one core, for the smallest of the encoders
TEXTS_TOGETHER = 100  # that an ONNX file is asked about: their vectors are there for all who tag by them
SHARE_OF_READING = 0.7  # of the time at most


@stored_as("entities.FrozenEncoder")
@dataclass(frozen=True)
class Model:
    """Who reads the words, and what tags them."""

    reader: WordReader
    tagger: WordTagger


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Chosen on wnut17's validation texts by its training texts."""
    default = {"hidden": 300, "inner": 300, "epochs": 4.0, "learning_rate": 1e-3, "dropout": 0.5}
    return [
        default,
        default | {"hidden": 200, "inner": 200, "epochs": 6.0},
        default | {"hidden": 100, "inner": 100, "dropout": 0.3},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "hidden": trial.suggest_int("hidden", 50, 400, log=True),
        "inner": trial.suggest_int("inner", 50, 400, log=True),
        "epochs": trial.suggest_float("epochs", 2.0, 12.0, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 2e-4, 3e-3, log=True),
        "dropout": trial.suggest_float("dropout", 0.1, 0.6),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Model:
    started, tokens = time.monotonic(), training.x.tokens
    encoder = context.encoder or automatic([" ".join(words) for words in _texts(training.x)])
    reader = word_reader(encoder, tokens.tolist(), context.is_exported)
    until = started + SHARE_OF_READING * (context.deadline - started)
    read = [
        None if rows is None else (rows, reader.read(_texts(rows.x), context.n_threads, until))
        for rows in (training, validation)  # of both while there is time
    ]
    assert read[0] is not None
    return Model(reader, learn_tagger(config, read[0], read[1], context))


def _texts(inputs: TokenInputs) -> list[list[str]]:
    starts, lengths, tokens = inputs.texts.starts, inputs.texts.lengths, inputs.tokens
    return [tokens[start : start + length].tolist() for start, length in zip(starts, lengths, strict=True)]


def _predict(model: Model, x: TokenInputs) -> np.ndarray:
    return model.tagger.probabilities(model.reader.read(_texts(x)), x)


def _to_onnx(models: Sequence[Model], graph: Graph, x: TokenTensors) -> str:
    if len({model.reader.key for model in models}) > 1:
        raise ArtifactError(
            "its folds read texts in different ways, which ONNX cannot average; name an encoder in the YAML"
        )
    reader = models[0].reader
    tokens = graph.once(("one more", x.tokens), lambda: _with_one_more(graph, x.tokens))
    kinds = graph.once(("shapes", x.tokens), lambda: add_shapes(graph, tokens))
    is_first = graph.once(("first", x.text), lambda: add_is_first(graph, x.text))
    vectors = add_word_vectors(graph, WordTensors(tokens, is_first), reader, states_model_of(reader.encoder))
    graph.properties[ROWS_TOGETHER] = str(TEXTS_TOGETHER)
    taggers = [model.tagger for model in models]
    found = [one.add_scores(graph, vectors, one.add_codes(graph, kinds), is_first) for one in taggers]
    shares = [add_marginals(graph, *_chain(graph, *one, x.text)) for one in zip(found, models, strict=True)]
    return graph.node("Cast", shares[0] if len(shares) == 1 else graph.node("Mean", *shares), to=FLOAT)


def _with_one_more(graph: Graph, tokens: str) -> str:
    """So that there is never none at all."""
    return graph.node("Concat", tokens, graph.constant(np.array(["x"], object)), axis=0)


def _chain(graph: Graph, scores: str, model: Model, text: str) -> tuple[str, np.ndarray, str]:
    """Scores of the tags of tokens, that of beginning a text among them, float [n_tokens, n_tags]."""
    bounds = [graph.constant(np.array([value])) for value in (0, -1, 0)]
    is_first = graph.node("Unsqueeze", add_is_first(graph, text), graph.constant(np.array([1])))
    first = graph.constant(model.tagger.first.astype(np.float32))
    none = graph.constant(np.zeros(len(model.tagger.first), np.float32))
    total = graph.node("Add", scores, graph.node("Where", is_first, first, none))
    return graph.node("Slice", total, *bounds), model.tagger.transitions, text


PART = Algorithm(
    name="frozen_encoder",
    title="Frozen encoder, convolution and CRF",
    tasks=frozenset({"text_ner"}),
    view="tokens",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    to_onnx=_to_onnx,
    link="probability",
    reference="Peters et al. 2018 (states of several layers); Collobert et al. 2011; Lafferty et al. 2001.",
    kinds=frozenset({"huggingface", "pytorch"}),
    with_rounds_of=lambda config, model: config | {"epochs": model.tagger.epochs},
    time_share=2.0,
    requires="transformers",
    preload=("torch",),
    lacks=lacks_weights,
    trial_seconds=lambda n_tokens: n_tokens * SECONDS_A_WORD,
)
