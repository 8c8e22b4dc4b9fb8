"""A tiny BERT made here goes on learning, stops in time, keeps the best it saw, and answers in ONNX as in Python."""

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.encoders.reference import reference
from automl_assets.errors import LearningError
from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem
from automl_assets.text.algorithms import fine_tuned_encoder
from automl_assets.text.records import TextInputs, TextTensors
from tests.raw_strings import answers_alone
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


def test_it_learns_what_frozen_vectors_cannot_say_and_answers_alike_in_onnx(
    algorithm, context: FitContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Raw strings are all that the file takes: the tokenizer is in it."""
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
    x = _rows(np.arange(20)).x
    feeds = {"others": x.others, "texts": x.texts.reshape(-1, 1)}
    answers = answers_alone(graph.build().SerializeToString(), feeds, tmp_path_factory.mktemp("alone"))
    np.testing.assert_allclose(answers, algorithm.predict(model, x), atol=1e-4)


class Clock:
    """Time that passes by rows that the network reads alone; every step and look is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_a_row: float):
        self.now = time.monotonic()
        self.n_steps = 0
        raw, step = fine_tuned_encoder._Training._raw, fine_tuned_encoder._Training._step

        def slow_raw(training, rows, chosen):
            self.now += seconds_a_row * len(chosen)
            return raw(training, rows, chosen)

        def counted_step(training, *arguments):
            self.n_steps += 1
            step(training, *arguments)

        monkeypatch.setattr(fine_tuned_encoder._Training, "_raw", slow_raw)
        monkeypatch.setattr(fine_tuned_encoder._Training, "_step", counted_step)
        monkeypatch.setattr(fine_tuned_encoder, "ROWS_OF_LOOK", 8)
        monkeypatch.setattr(fine_tuned_encoder, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_looks_and_answers_are_foreseen_and_half_the_layers_rest_where_time_is_short(
    algorithm, context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, valid = Clock(monkeypatch, seconds_a_row=1.0), np.arange(len(TEXTS)) % 4 == 0
    deadline = clock.now + 240
    model = algorithm.fit(CONFIG | {"epochs": 500.0}, _rows(~valid), _rows(valid), replace(context, deadline=deadline))
    assert clock.n_steps > 2
    assert clock.now + valid.sum() <= deadline  # what answering for all validation rows takes
    assert {name for name in model.tensors if "layer.1." not in name} == set()
    here = algorithm.predict(model, _rows(valid).x)
    fine_tuned_encoder._ANSWERING.clear()
    np.testing.assert_allclose(algorithm.predict(model, _rows(valid).x), here, atol=1e-4)  # as it is stored


def test_many_rows_are_answered_on_all_threads_after_a_row_alone(
    algorithm, context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a server, or in an explanation, which asks about one row first."""
    every = np.ones(len(TEXTS), bool)
    x, model = _rows(every).x, algorithm.fit(CONFIG | {"epochs": 1.0}, _rows(every), None, context)
    fine_tuned_encoder._ANSWERING.clear()
    asked: list[int] = []
    opened = fine_tuned_encoder.open_session
    monkeypatch.setattr(fine_tuned_encoder, "threads_for", lambda n_rows: min(n_rows, 2))
    monkeypatch.setattr(fine_tuned_encoder, "open_session", lambda content, n: asked.append(n) or opened(content, n))
    for rows in ([0], [0, 1], [0], [0, 1, 2]):
        algorithm.predict(model, x[np.array(rows)])
    assert asked == [1, 2]


def test_what_has_no_time_for_a_step_says_so(algorithm, context: FitContext, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, valid = Clock(monkeypatch, seconds_a_row=1.0), np.arange(len(TEXTS)) % 4 == 0
    short = replace(context, deadline=clock.now + 90)
    with pytest.raises(LearningError, match=r"^no step .* one takes \d+\.\d s, and answering for .* rows then 60\.0 s"):
        algorithm.fit(CONFIG, _rows(~valid), _rows(valid), short)
    assert clock.n_steps == 0


def test_it_begins_with_the_linear_scores(algorithm, context: FitContext) -> None:
    every = np.ones(len(TEXTS), bool)
    none = algorithm.fit(CONFIG | {"epochs": 0.0}, _rows(every), None, context)
    assert none.tensors == {} and none.epochs == 0
    assert none.key == algorithm.fit(CONFIG | {"epochs": 0.0}, _rows(every), None, context).key
    assert algorithm.with_rounds_of(CONFIG, none)["epochs"] == 0


def test_several_labels_and_other_columns(algorithm, context: FitContext) -> None:
    rows = np.arange(60)
    x = TextInputs(np.column_stack([Y[rows], 1 - Y[rows]]).astype(np.float32), TEXTS[rows])
    y = np.column_stack([Y[rows], np.zeros(60, int), 1 - Y[rows]]).astype(np.int8)
    model = algorithm.fit(CONFIG | {"epochs": 1.0, "accumulation": 2}, Rows(x, y), None, context)
    raw = algorithm.predict(model, x)
    assert raw.shape == (60, 3)
    assert ((raw > 0) == y).mean() > 0.95
