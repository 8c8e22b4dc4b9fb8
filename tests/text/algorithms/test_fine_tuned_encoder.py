"""A tiny BERT made here goes on learning, stops in time, keeps the best it saw, and answers in ONNX as in Python."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.encoders.reference import reference
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem
from automl_assets.text.algorithms import fine_tuned_encoder
from automl_assets.text.records import TextInputs, TextTensors
from tests.clocks import Ticking
from tests.tiny_bert import save_tiny_bert

RANDOM = np.random.default_rng(0)
WORDS = [f"word{first}{second}" for first in "abcdef" for second in "abcdefgh"]
Y = RANDOM.integers(0, 2, 240)  # whether "red" stands among ten other words: the mean of random vectors hardly says so
TEXTS = np.array([" ".join(RANDOM.permutation([*RANDOM.choice(WORDS, 10), *["red"] * y])) for y in Y], object)
TEXTS[:2] = "", "ünder " * 90  # one without a token, one of several windows
CONFIG = {"learning_rate": 3e-3, "epochs": 10.0, "batch_rows": 16, "schedule": "linear", "warmup": 0.1}


@pytest.fixture(scope="module")
def algorithm():
    return registry.algorithms("text")["fine_tuned_encoder"]


@pytest.fixture
def context(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> FitContext:
    folder = save_tiny_bert(tmp_path_factory.getbasetemp() / "tuned_bert", TEXTS.tolist())
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
    own = tmp_path_factory.mktemp("run") / "automl_node_1_own_name"  # as a run's own folder is called
    own.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(own))
    return FitContext(Problem("text_classification", "accuracy", ("other", "red")), encoder=reference(str(folder)))


def _rows(chosen: np.ndarray) -> Rows:
    return Rows(TextInputs(np.zeros((len(TEXTS), 0), np.float32), TEXTS)[chosen], Y[chosen])


def test_it_learns_what_frozen_vectors_cannot_say_and_answers_alike_in_onnx(algorithm, context: FitContext) -> None:
    valid = np.arange(len(TEXTS)) % 4 == 0
    model = algorithm.fit(CONFIG, _rows(~valid), _rows(valid), context)
    frozen = registry.algorithms("text")["frozen_encoder"]
    before = frozen.fit({"C": 0.3}, _rows(~valid), None, context)
    raw, judged = algorithm.predict(model, _rows(valid).x), Y[valid]
    losses = [
        np.logaddexp(0, -np.where(judged == 1, 1, -1) * scores[:, 0]).mean()
        for scores in (raw, frozen.predict(before, _rows(valid).x))
    ]
    assert losses[0] < 0.8 * losses[1]
    assert 0 < model.epochs <= CONFIG["epochs"]
    assert not any("word_embeddings" in name for name in model.tensors)

    graph = Graph()
    tensors = TextTensors(graph.input("others", np.float32, [None, 0]), graph.input("texts", str, [None, 1]))
    graph.output("scores", algorithm.to_onnx([model], graph, tensors), np.float32, [None, None])
    session = open_session(graph.build().SerializeToString())
    x = _rows(np.arange(20)).x
    answers = session.run(None, {"others": x.others, "texts": x.texts.reshape(-1, 1)})[0]
    np.testing.assert_allclose(answers, algorithm.predict(model, x), atol=1e-4)


def test_it_ends_in_time_and_begins_with_the_linear_scores(
    algorithm, context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = np.ones(len(TEXTS), bool)
    algorithm.fit(CONFIG | {"epochs": 0.0}, _rows(every), None, context)  # the texts are read once
    clock = Ticking(seconds_a_look=0.1)
    deadline = clock.now + 6
    with monkeypatch.context() as patch:
        patch.setattr(fine_tuned_encoder, "time", clock)
        short = algorithm.fit(CONFIG | {"epochs": 500.0}, _rows(every), None, replace(context, deadline=deadline))
    assert clock.now < deadline
    assert 0 < short.epochs < 500
    none = algorithm.fit(CONFIG | {"epochs": 0.0}, _rows(every), None, context)
    assert none.tensors == {} and none.epochs == 0
    assert none.key == algorithm.fit(CONFIG | {"epochs": 0.0}, _rows(every), None, context).key
    assert algorithm.with_rounds_of(CONFIG, short)["epochs"] == short.epochs


def test_several_labels_and_other_columns(algorithm, context: FitContext) -> None:
    rows = np.arange(60)
    x = TextInputs(np.column_stack([Y[rows], 1 - Y[rows]]).astype(np.float32), TEXTS[rows])
    y = np.column_stack([Y[rows], np.zeros(60, int), 1 - Y[rows]]).astype(np.int8)
    model = algorithm.fit(CONFIG | {"epochs": 1.0, "accumulation": 2}, Rows(x, y), None, context)
    raw = algorithm.predict(model, x)
    assert raw.shape == (60, 3)
    assert ((raw > 0) == y).mean() > 0.95
