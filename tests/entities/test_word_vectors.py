"""Words as vectors of a tiny BERT made here: windows of long texts, vectors that are kept, and a network that keeps its time."""

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.encoders import recent, words
from automl_assets.encoders.reference import Reference, reference
from automl_assets.encoders.words import MOST_PIECES, WordReader, word_reader
from automl_assets.entities.models import word_tagger
from automl_assets.entities.models.word_tagger import WordTagger
from automl_assets.entities.records import TokenInputs
from automl_assets.entities.steps.featurize import featurize
from automl_assets.entities.steps.fit import fit_context
from automl_assets.errors import LearningError
from automl_assets.experiment.experiment import parse
from automl_assets.parts import FitContext, Rows
from automl_assets.steps.load import load
from automl_assets.steps.split_rows import split_rows
from tests.clocks import Ticking
from tests.tiny_bert import save_tiny_bert

WORDS = [f"{first}{second}o" for first in "abcdef" for second in "klmn"]
RANDOM = np.random.default_rng(0)
TEXTS = [RANDOM.choice(WORDS, length).tolist() for length in (3, 9, 60, 1, 9)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return reference(str(save_tiny_bert(tmp_path_factory.mktemp("bert"), [" ".join(WORDS)])))


@pytest.fixture
def reader(encoder: Reference, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> WordReader:
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path_factory.getbasetemp() / "word_weights"))
    own = tmp_path_factory.mktemp("run") / "automl_node_1_own_name"  # as a run's own folder is called
    own.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(own))
    monkeypatch.setattr(recent, "FEWEST_KEPT", 1)
    return word_reader(encoder, WORDS, is_exported=True)


def test_windows_answer_for_every_piece_once_and_look_to_both_sides(reader: WordReader) -> None:
    assert reader.starts(reader.inner).tolist() == [0]
    for n_pieces in (reader.inner + 1, 3 * reader.inner, 200):
        starts = reader.starts(n_pieces)
        answered = [reader._answered(number, starts, n_pieces) for number in range(len(starts))]
        assert [piece for first, end in answered for piece in range(first, end)] == list(range(n_pieces))
        for start, (first, end) in zip(starts, answered, strict=True):
            assert start <= max(0, first - reader.context) or start == n_pieces - reader.inner
            assert end <= start + reader.inner and start + reader.inner <= n_pieces


def test_each_word_has_a_vector_whatever_stands_in_it(reader: WordReader) -> None:
    texts = [*TEXTS, ["ako", "\u200b", "x" * 400, "שלום"]]
    found = reader.read(texts)
    assert [len(vectors) for vectors in found] == [len(words) for words in texts]
    assert all(np.isfinite(vectors).all() for vectors in found)
    assert max(map(len, reader.pieces(["akoako" * 9]))) <= MOST_PIECES
    assert np.array_equal(found[1], reader.read([TEXTS[1]])[0]), "kept, and given again"


def test_what_was_read_is_there_when_the_time_is_up(reader: WordReader) -> None:
    reader.read(TEXTS)
    assert len(reader.read(TEXTS, deadline=0.0)) == len(TEXTS)
    with pytest.raises(LearningError, match="only 4 of 5 texts were read in time"):
        reader.read([*TEXTS[:4], ["never", "read"]], deadline=0.0)


def test_a_long_text_is_read_as_long_as_there_is_time(reader: WordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has windows for many batches; every one looks at the clock."""
    clock = Ticking(1.0)
    started = clock.now
    monkeypatch.setattr(words, "time", clock)
    with pytest.raises(LearningError, match="only 0 of 1 texts were read in time"):
        reader.read([[*WORDS] * 400], deadline=started + 3.0)
    assert clock.now == started + 4.0


def test_a_word_is_the_mean_of_its_pieces_wherever_they_are_seen() -> None:
    pieces = [np.zeros(n) for n in (2, 1, 5, 1, 3)]
    states = RANDOM.random((12, 4)).astype(np.float32)
    ends = np.cumsum([len(some) for some in pieces])
    expected = [part.mean(axis=0) for part in np.split(states, ends[:-1])]
    for cuts in ([], [3], [1, 4, 6], [2, 7, 8, 11]):
        means = words._Means(pieces)
        for part in np.split(states, cuts):
            means.add(part)
        np.testing.assert_allclose(means.found, expected, atol=1e-3)


def test_words_are_tagged_the_same_however_many_together(reader: WordReader, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word for text in TEXTS for word in text]
    inputs = TokenInputs(np.array(words, object), np.repeat(np.arange(len(TEXTS)), [len(text) for text in TEXTS]))
    vectors, n_dims = reader.read(TEXTS), reader.read(TEXTS[:1])[0].shape[1]
    sizes = {"projection": (n_dims, 6), "offset": 6, "shapes": (2, 3), "window": (27, 5), "window_offset": 5}
    weights = {
        name: RANDOM.normal(size=size) for name, size in (sizes | {"output": (5, 3), "output_offset": 3}).items()
    }
    tagger = WordTagger({"x": 1}, weights, np.zeros((3, 3)), np.zeros(3), 1.0)
    whole = tagger.probabilities(vectors, inputs)
    monkeypatch.setattr(word_tagger, "WORDS_TOGETHER", 7)
    np.testing.assert_allclose(tagger.probabilities(vectors, inputs), whole, atol=1e-6)


def test_what_a_server_is_asked_is_not_put_down_and_forgotten_in_time(
    reader: WordReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(tempfile.gettempdir())
    monkeypatch.setattr(recent, "FEWEST_KEPT", 64)
    monkeypatch.setattr(recent, "MOST_NUMBERS", 5_000)
    first = reader.read([["ako", "0"]])
    assert np.array_equal(reader.read([["ako", "0"]], deadline=0.0)[0], first[0]), "the next member asks for the same"
    for number in range(1, 60):
        reader.read([["ako", str(number)]])
    held = words._shelf(own, reader.key).recent.held.values()
    assert sum(one.size for one in held) <= 5_000 + 2 * first[0].size
    assert [*own.glob("vectors_*/*")] == []
    reader.read([["ako", str(number)] for number in range(64)])
    assert len([*own.glob("vectors_*/*.keys.npy")]) == 1


def test_a_fit_whose_time_is_up_gives_what_a_step_has_learnt(encoder: Reference, reader: WordReader) -> None:
    problem = registry.tasks()["text_ner"].problem(pl.Series(["B-a I-a"]), "entity_f1_micro", None)
    words = [word for text in TEXTS for word in text]
    inputs = TokenInputs(np.array(words, object), np.repeat(np.arange(len(TEXTS)), [len(text) for text in TEXTS]))
    rows = Rows(inputs, np.array([int(word.startswith("a")) for word in words]))
    algorithm = registry.algorithms("entities")["frozen_encoder"]
    config = algorithm.portfolio(problem)[0] | {
        "hidden": 8,
        "inner": 8,
        "epochs": 40.0,
        "dropout": 0.0,
        "learning_rate": 0.02,
    }
    reader.read(TEXTS)
    late = algorithm.fit(config, rows, rows, FitContext(problem, encoder=encoder, deadline=time.monotonic()))
    assert 0 < late.tagger.epochs <= 1
    whole = algorithm.fit(config, rows, rows, FitContext(problem, encoder=encoder))
    found = algorithm.predict(whole, inputs)
    assert 1 < whole.tagger.epochs <= 40 and (found.argmax(axis=1) == rows.y).mean() > 0.9
    assert algorithm.with_rounds_of(config, whole)["epochs"] == whole.tagger.epochs


def test_a_named_encoder_reads_the_texts_of_an_experiment(encoder: Reference, tmp_path: Path) -> None:
    table, _ = registry.tasks()["text_ner"].sample(0)
    table.write_ndjson(tmp_path / "rows.jsonl")
    asked = parse(
        {
            "task": "text_ner",
            "source": str(tmp_path / "rows.jsonl"),
            "target": "tags",
            "featurization": {"text_embedding": encoder.name},
        },
        "asked",
    )
    dataset = load(asked)
    profile = registry.family_of("text_ner").steps.describe(dataset, asked)
    features = featurize(dataset, profile, split_rows(dataset, profile, asked), asked)
    context = fit_context(features, 0)
    assert context.encoder == encoder and context.is_exported


def test_without_weights_it_is_skipped_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl_assets.encoders.reference.place_of", lambda weights: None)
    asked = parse({"task": "text_ner", "source": "rows.jsonl", "target": "tags"}, "asked")
    told = registry.algorithms("entities")["frozen_encoder"].lacks(asked)
    assert told.startswith("skipped: no pretrained encoder is here; ") and "text_embedding" in told
