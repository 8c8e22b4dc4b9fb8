"""What every algorithm that tags tokens promises, on one fit each."""

import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.encoders.reference import Reference, reference
from automl_assets.entities.features.tokens import tokens_of
from automl_assets.entities.records import TokenInputs, Tokenizer
from automl_assets.entities.steps.pipeline_onnx import onnx_bytes
from automl_assets.entities.steps.predict import answer, answer_columns
from automl_assets.metrics import score
from automl_assets.onnx.session import feeds_of, open_session
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Calibration, Ensemble, Fitted, Member
from automl_assets.tagging import decoded_tags, told_entities
from tests.tiny_bert import save_tiny_bert

TASK = registry.tasks()["text_ner"]
ALGORITHMS = sorted(registry.algorithms("entities"))
SMALL = {"frozen_encoder": {"hidden": 32, "inner": 32}}  # what learns faster of a network
HOSTILE = ["", "😀", "Mr Kalo met \x00 nobody", "x" * 5_000, "שלום Mrs Rami, in New Tenstad", "a " * 300]


def rows_of(seed: int) -> tuple[Rows, Any, pl.DataFrame]:
    table, target = TASK.sample(seed)
    problem = TASK.problem(table[target], "entity_f1_micro", None)
    return (
        Rows(TokenInputs(*tokens_of(table["text"].to_list(), True)), TASK.encode_target(table[target], problem)),
        problem,
        table,
    )


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    """A tiny BERT of random weights; what is made of it is kept in a folder of the tests."""
    folder = save_tiny_bert(tmp_path_factory.mktemp("bert"), [*rows_of(0)[2]["text"], *rows_of(1)[2]["text"]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        yield reference(str(folder))


@pytest.fixture(scope="module", params=ALGORITHMS)
def fitted(request, encoder: Reference) -> tuple[Any, Any, Any, Rows]:
    algorithm, (rows, problem, _) = registry.algorithms("entities")[request.param], rows_of(0)
    config, context = (
        algorithm.portfolio(problem)[0] | SMALL.get(request.param, {}),
        FitContext(problem, encoder=encoder, is_exported=True),
    )
    return algorithm, algorithm.fit(config, rows, None, context), problem, rows_of(1)[0]


def test_probabilities_of_tags(fitted) -> None:
    algorithm, model, problem, others = fitted
    found = algorithm.predict(model, others.x)
    assert found.shape == (len(others.y), problem.n_classes) and np.allclose(found.sum(axis=1), 1)
    assert (found[others.x.texts.is_first][:, 2::2] == 0).all(), "no I- begins a text"


def test_entities_of_other_texts_are_found(fitted) -> None:
    algorithm, model, problem, others = fitted
    found = score("entity_f1_micro", others.y, algorithm.predict(model, others.x), None, problem)
    assert found > 0.9 if not algorithm.is_fallback else found == 0


def test_stored_and_read_back_it_answers_the_same(fitted) -> None:
    algorithm, model, _, others = fitted
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(algorithm.predict(again, others.x), algorithm.predict(model, others.x))


@pytest.mark.parametrize("is_parted", [True, False])
def test_onnx_says_of_raw_strings_what_python_says(fitted, is_parted: bool) -> None:
    algorithm, model, problem, _ = fitted
    ensemble = Ensemble(
        kind="voting",
        members=tuple(Member(f"{algorithm.name}_{i}", algorithm.name, 0.5, Fitted((model,))) for i in (1, 2)),
        stack=None,
        score=0.0,
        scores_by_kind={},
        predictions=np.zeros((0, problem.n_classes)),
        featurizer=Tokenizer("text", is_parted),
        problem=problem,
        calibration=Calibration(1.3),
    )
    texts = [*rows_of(2)[2]["text"].to_list()[:60], *HOSTILE]
    table = pl.DataFrame({"text": texts})
    session = open_session(onnx_bytes(ensemble))
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, feeds_of(table, {"text": "string"})), strict=True))
    expected = answer(ensemble, table)
    assert np.abs(found["probabilities"] - expected).max() < 1e-5
    assert [*found["tags"]] == [problem.classes[code] for code in decoded_tags(expected)]
    told = answer_columns(ensemble, table)["prediction"].to_list()
    assert told_entities(found, texts) == told
    assert session.run(None, feeds_of(pl.DataFrame({"text": [""]}), {"text": "string"}))[0].shape == (
        0,
        problem.n_classes,
    )


def test_members_share_what_an_encoder_reads(fitted) -> None:
    algorithm, model, problem, _ = fitted
    if algorithm.name != "frozen_encoder":
        pytest.skip("reads no encoder")

    def n_layers(n_members: int) -> int:
        fits = Fitted((model,))
        members = tuple(Member(f"{algorithm.name}_{i}", algorithm.name, 0.5, fits) for i in range(n_members))
        recipe = Tokenizer("text", True)
        ensemble = Ensemble("voting", members, None, 0.0, {}, np.zeros((0, problem.n_classes)), recipe, problem, None)
        return onnx_bytes(ensemble).count(b"Softmax")

    assert n_layers(3) == n_layers(1) > 0


def test_a_fit_ends_when_its_time_is_up() -> None:
    rows, problem, _ = rows_of(0)
    algorithm = registry.algorithms("entities")["crf"]
    config = algorithm.portfolio(problem)[0]
    model = algorithm.fit(config, rows, None, FitContext(problem, deadline=time.monotonic()))
    assert algorithm.predict(model, rows.x).shape == (len(rows.y), problem.n_classes)
    full = algorithm.fit(config, rows, None, FitContext(problem))
    assert np.abs(full.weights).sum() > 2 * np.abs(model.weights).sum()


@pytest.mark.parametrize(("heavy", "tag"), [(0, 1), (1, 0)])
def test_texts_count_as_much_as_they_weigh(heavy: int, tag: int) -> None:
    """The same text is marked in two ways."""
    problem = TASK.problem(pl.Series(["B-a"]), "entity_f1_micro", None)
    texts, y = TokenInputs(*tokens_of(["Oslo grows"] * 2, True)), np.array([1, 0, 0, 0])
    weight = np.where(np.arange(4) // 2 == heavy, 20.0, 1.0)
    algorithm = registry.algorithms("entities")["crf"]
    config = algorithm.portfolio(problem)[0] | {"least": 1}
    model = algorithm.fit(config, Rows(texts, y, weight), None, FitContext(problem))
    assert algorithm.predict(model, texts)[0].argmax() == tag


def test_the_slope_of_the_loss_is_that_of_its_value() -> None:
    from scipy.optimize import check_grad

    from automl_assets.entities.algorithms.crf import _Batch
    from automl_assets.entities.features.token_attributes import learn_attributes

    inputs = TokenInputs(*tokens_of(["Ann in Oslo", "Bo", "in Rome"], True))
    y, weight = np.array([1, 0, 3, 1, 0, 3]), np.array([1.5, 1.5, 1.5, 0.5, 0.5, 0.5])
    _, numbers = learn_attributes(inputs, y, 2, 10_000, np.inf)
    batch = _Batch.of(numbers, y, weight, inputs.text)
    shapes = {"attributes": (len(batch.used), 5), "follow": (5, 5), "first": (5,)}
    batch = replace(batch, used=np.arange(len(batch.used)))

    def parts(values: np.ndarray) -> dict[str, np.ndarray]:
        ends = np.cumsum([np.prod(shape) for shape in shapes.values()])[:-1]
        cut = zip(shapes.items(), np.split(values, ends), strict=True)
        return {name: one.reshape(shape) for (name, shape), one in cut}

    def slope(values: np.ndarray) -> np.ndarray:
        return np.concatenate([one.ravel() for one in batch.slopes(parts(values))[1].values()])

    at = np.random.default_rng(0).normal(size=sum(np.prod(shape) for shape in shapes.values())) * 0.1
    assert check_grad(lambda x: batch.slopes(parts(x))[0], slope, at) < 1e-3


def test_250_labels_in_many_scripts_are_learnt_and_decoded() -> None:
    """Pairs of 501 tags for each text of a step would be gigabytes."""
    texts = ["東京 は 大きい", "Oslo grows", "सुंदर दिल्ली है", "שלום רומא", "กรุงเทพ ใหญ่"] * 50
    names = [f"kind {number}".replace(" ", "_") for number in range(250)]
    tags = [
        " ".join(f"B-{names[row]}" if at == 0 else "O" for at in range(len(t.split()))) for row, t in enumerate(texts)
    ]
    problem, inputs = TASK.problem(pl.Series(tags), "entity_f1_micro", None), TokenInputs(*tokens_of(texts, True))
    algorithm = registry.algorithms("entities")["crf"]
    config = algorithm.portfolio(problem)[0] | {"epochs": 1}
    rows = Rows(inputs, TASK.encode_target(pl.Series(tags), problem))
    found = algorithm.predict(algorithm.fit(config, rows, None, FitContext(problem)), inputs)
    assert problem.n_classes == 501 and np.allclose(found.sum(axis=1), 1)
    assert len(decoded_tags(np.random.default_rng(0).dirichlet(np.ones(501), len(inputs)))) == len(inputs)
