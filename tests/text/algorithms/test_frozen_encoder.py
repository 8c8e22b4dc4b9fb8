"""Vectors of an encoder that stays as it is, and what is learnt on them; the encoder is a tiny BERT made here."""

import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.encoders import network, recent
from automl_assets.encoders import reader as readers
from automl_assets.encoders.reference import files_of, reference, wished
from automl_assets.errors import ArtifactError, ServiceError, SettingError
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem
from automl_assets.resources.model_codec import read_models, write_models
from automl_assets.text.records import TextInputs, TextTensors
from automl_assets.weights import places
from tests.raw_strings import answers_alone
from tests.tiny_bert import save_tiny_bert

LONG = "red fox " * 100
TEXTS = np.array(
    ["red fox runs", "blue dog sleeps", "a red Dog, red!", "blue fox", "", LONG, "blüe 🦊 ünknown"] * 8, object
)
Y = np.array([0, 1, 0, 1, 1, 0, 1] * 8)


@pytest.fixture(scope="module")
def algorithm():
    return registry.algorithms("text")["frozen_encoder"]


@pytest.fixture
def context(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> FitContext:
    folder = save_tiny_bert(tmp_path_factory.getbasetemp() / "frozen_bert", TEXTS.tolist())
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
    own = tmp_path_factory.mktemp("run") / "automl_node_1_own_name"  # as a run's own folder is called
    own.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(own))
    monkeypatch.setattr(recent, "FEWEST_KEPT", 1)
    return FitContext(Problem("text_classification", "accuracy", ("red", "blue")), encoder=reference(str(folder)))


def _inputs(texts: np.ndarray) -> TextInputs:
    lengths = np.array([[len(text)] for text in texts], np.float32) / 10
    return TextInputs(lengths, texts)


def _onnx_scores(algorithm, models, inputs: TextInputs, folder: Path | None = None) -> np.ndarray:
    """Through ONNX Runtime alone in a process of its own, where a folder is given."""
    graph = Graph()
    tensors = TextTensors(graph.input("others", np.float32, [None, 1]), graph.input("texts", str, [None, 1]))
    graph.output("scores", algorithm.to_onnx(models, graph, tensors), np.float32, [None, None])
    content, feeds = graph.build().SerializeToString(), {"others": inputs.others, "texts": inputs.texts.reshape(-1, 1)}
    return answers_alone(content, feeds, folder) if folder else open_session(content).run(None, feeds)[0]


def test_it_tells_classes_apart_and_answers_alike_in_onnx(
    algorithm, context: FitContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Raw strings are all that the file takes: the tokenizer is in it."""
    inputs = _inputs(TEXTS)
    folds = [np.arange(56) % 2 == fold for fold in (0, 1)]
    models = [algorithm.fit({"C": 1.0}, Rows(inputs[~fold], Y[~fold]), None, context) for fold in folds]
    raw = np.mean([algorithm.predict(model, inputs) for model in models], axis=0)
    assert ((raw[:, 0] > 0) == Y).mean() > 0.95
    folder = tmp_path_factory.mktemp("alone")
    np.testing.assert_allclose(_onnx_scores(algorithm, models, inputs, folder), raw, atol=1e-4)


def test_a_model_is_stored_and_read_back(algorithm, context: FitContext) -> None:
    inputs = _inputs(TEXTS)
    model = algorithm.fit({"C": 1.0}, Rows(inputs, Y), None, context)
    (read,) = read_models(write_models((model,)))
    np.testing.assert_array_equal(algorithm.predict(read, inputs), algorithm.predict(model, inputs))


def test_with_weights_of_8_bits_it_answers_alike_in_onnx_whatever_is_read_beside_a_text(
    algorithm, context: FitContext
) -> None:
    inputs, encoder = _inputs(TEXTS), replace(context.encoder, is_int8=True)
    model = algorithm.fit({"C": 1.0}, Rows(inputs, Y), None, replace(context, encoder=encoder))
    raw = algorithm.predict(model, inputs)
    assert ((raw[:, 0] > 0) == Y).mean() > 0.95
    np.testing.assert_allclose(_onnx_scores(algorithm, [model], inputs), raw, atol=1e-4)
    sizes = [len(network.model_bytes(one)) for one in (context.encoder, encoder)]
    assert sizes[1] < sizes[0]
    vectors = [readers.reader(one, TEXTS.tolist()).read(TEXTS[:3]) for one in (context.encoder, encoder)]
    assert 0 < np.abs(vectors[0] - vectors[1]).max() < 0.1


def test_vectors_are_kept_in_the_own_folder_of_a_run_alone(
    algorithm, context: FitContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, own = _inputs(TEXTS), Path(tempfile.gettempdir())
    model = algorithm.fit({"C": 1.0}, Rows(inputs, Y), None, context)
    assert [*own.glob("vectors_*/*.npz")]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    raw = algorithm.predict(model, inputs)
    np.testing.assert_allclose(raw[7:], algorithm.predict(model, inputs[np.arange(7, len(TEXTS))]), atol=1e-5)
    assert ((raw[:, 0] > 0) == Y).mean() > 0.95
    assert [*tmp_path.iterdir()] == []


def test_what_a_server_is_asked_is_not_put_down_and_forgotten_in_time(
    context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, read = Path(tempfile.gettempdir()), readers.reader(context.encoder, TEXTS.tolist())
    monkeypatch.setattr(recent, "FEWEST_KEPT", 64)
    monkeypatch.setattr(recent, "MOST_NUMBERS", 1_000)
    first = read.read(["red 0"])
    np.testing.assert_array_equal(read.read(["red 0"], deadline=0.0), first)  # the next member asks for the same
    for number in range(1, 60):
        read.read([f"red {number}"])
    held = readers._shelf(own, read._window_key, read.windows.most).recent.held.values()
    assert sum(one.size for one in held) <= 1_000 + 2 * first.size
    assert [*own.glob("vectors_*/*")] == []


def test_a_text_is_read_once_for_readers_of_more_windows_and_of_fewer(
    context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_four, of_two = (readers.reader(context.encoder, TEXTS.tolist(), most) for most in (4, 2))
    before = of_four.read(TEXTS)
    asked: list[int] = []
    session = readers._session(context.encoder, 1)
    run = lambda names, feeds: asked.append(len(feeds["tokens"])) or session.run(names, feeds)  # noqa: E731
    monkeypatch.setattr(readers, "_session", lambda *_: SimpleNamespace(run=run))
    after = of_two.read(TEXTS)
    assert asked == [2]  # the windows of the one text that has more than two
    is_long = TEXTS == LONG
    np.testing.assert_array_equal(after[~is_long], before[~is_long])
    assert (after[is_long] != before[is_long]).any()


def test_weights_are_hashed_once_until_they_are_written_anew(
    context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_read = []
    sha256 = places.sha256_of
    monkeypatch.setattr(places, "sha256_of", lambda path: n_read.append(path) or sha256(path))
    files = [files_of(context.encoder) for _ in range(3)]
    assert len(n_read) <= 1
    with (files[0].folder / "model.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ArtifactError, match="is another than the model learnt with; run the experiment again$"):
        files_of(context.encoder)


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v3", "multilingual-e5-smal"])
def test_a_known_name_written_wrongly_is_not_asked_of_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_assets.weights.hub._unreachable", lambda endpoint: pytest.fail("the hub was asked"))
    with pytest.raises(
        SettingError, match=rf"^featurization.text_embedding: no encoder is called '{name}'; known: .* Did"
    ):
        reference(name)


ENGLISH = ["Training of deep networks", "The stock of a bank falls", "A game for two"]
OTHERS = ["Der Hund und die Katze", "Wir sind nicht da", "Das war von mir"], ["Un perro", "Сегодня", ENGLISH[0]]


@pytest.mark.parametrize(
    ("texts", "language", "known", "of_hub"),
    [
        (ENGLISH, None, "all-MiniLM-L6-v2", "google-bert/bert-base-cased"),
        (OTHERS[0], None, "multilingual-e5-small", "google-bert/bert-base-german-cased"),
        (OTHERS[1], None, "multilingual-e5-small", "google-bert/bert-base-multilingual-cased"),
        (ENGLISH, "fra", "multilingual-e5-small", "google-bert/bert-base-multilingual-cased"),
    ],
)
def test_the_encoder_is_chosen_by_language_here_or_on_the_hub(
    texts: list[str], language: str | None, known: str, of_hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_assets.encoders.reference.place_of", lambda weights: True)
    found = wished("auto", texts, language)
    assert found == wished(None, texts, language)
    assert found.name == known
    assert found.prefix == ("query: " if "e5" in known else "")

    monkeypatch.setattr("automl_assets.encoders.reference.place_of", lambda weights: None)
    asked: list[str] = []
    monkeypatch.setattr("automl_assets.weights.named._from_hub", lambda name, *_: asked.append(name) or _none_there())
    assert wished(None, texts, language) is None
    assert asked == []
    assert wished("auto", texts, language) is None  # the hub does not answer
    assert asked == [of_hub]


def _none_there() -> Path:
    raise ServiceError("the hub does not answer")


def test_several_labels_are_learnt_each_by_itself(algorithm, context: FitContext) -> None:
    inputs, y = _inputs(TEXTS), np.column_stack([Y, 1 - Y, np.zeros_like(Y)]).astype(np.int8)
    model = algorithm.fit({"C": 1.0}, Rows(inputs, y), None, context)
    raw = algorithm.predict(model, inputs)
    assert ((raw[:, :2] > 0) == y[:, :2]).mean() > 0.95
    assert (raw[:, 2] < -3).all()  # a label that no row has
    np.testing.assert_allclose(_onnx_scores(algorithm, [model], inputs), raw, atol=1e-4)


@pytest.mark.parametrize("name", ["frozen_encoder", "fine_tuned_encoder"])
def test_what_cannot_be_exported_is_skipped_before_it_is_learnt(
    name: str, context: FitContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_assets.encoders.tokens.has_extensions", lambda: False)
    algorithm, rows = registry.algorithms("text")[name], Rows(_inputs(TEXTS), Y)
    with pytest.raises(SettingError, match="^skipped: .* no ONNX graph can here; say `onnx: false`"):
        algorithm.fit(algorithm.portfolio(context.problem)[0], rows, None, replace(context, is_exported=True))


def test_without_weights_it_says_what_to_do(algorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_assets.encoders.reference.place_of", lambda weights: None)
    context = FitContext(Problem("text_classification", "accuracy", ("red", "blue")))
    message = r"^skipped: no pretrained encoder is here; get them by `automl weights get multilingual-e5-small` or"
    with pytest.raises(SettingError, match=message):
        algorithm.fit({"C": 1.0}, Rows(_inputs(TEXTS), Y), None, context)
