"""What every algorithm that tags tokens promises, on one fit each."""

import pickle
import time
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.entities.features.tokens import tokens_of
from automl_assets.entities.records import TokenInputs, Tokenizer
from automl_assets.entities.steps.pipeline_onnx import onnx_bytes
from automl_assets.entities.steps.predict import answer, answer_columns
from automl_assets.metrics import score
from automl_assets.onnx.session import feeds_of, open_session
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Calibration, Ensemble, Fitted, Member
from automl_assets.tagging import decoded_tags, told_entities

TASK = registry.tasks()["text_ner"]
ALGORITHMS = sorted(registry.algorithms("entities"))
HOSTILE = ["", "😀", "Mr Kalo met \x00 nobody", "x" * 5_000, "שלום Mrs Rami, in New Tenstad", "a " * 300]


def rows_of(seed: int) -> tuple[Rows, Any, pl.DataFrame]:
    table, target = TASK.sample(seed)
    problem = TASK.problem(table[target], "entity_f1_micro", None)
    return (
        Rows(TokenInputs(*tokens_of(table["text"].to_list(), True)), TASK.encode_target(table[target], problem)),
        problem,
        table,
    )


@pytest.fixture(scope="module", params=ALGORITHMS)
def fitted(request) -> tuple[Any, Any, Any, Rows]:
    algorithm, (rows, problem, _) = registry.algorithms("entities")[request.param], rows_of(0)
    config = algorithm.portfolio(problem)[0]
    return algorithm, algorithm.fit(config, rows, None, FitContext(problem)), problem, rows_of(1)[0]


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


def test_a_fit_ends_when_its_time_is_up() -> None:
    rows, problem, _ = rows_of(0)
    algorithm = registry.algorithms("entities")["crf"]
    model = algorithm.fit({"l2": 1e-9, "least": 1}, rows, None, FitContext(problem, deadline=time.monotonic()))
    assert algorithm.predict(model, rows.x).shape == (len(rows.y), problem.n_classes)
    full = algorithm.fit({"l2": 1e-9, "least": 1}, rows, None, FitContext(problem))
    assert np.abs(full.weights).sum() > 2 * np.abs(model.weights).sum()


@pytest.mark.parametrize(("heavy", "tag"), [(0, 1), (1, 0)])
def test_texts_count_as_much_as_they_weigh(heavy: int, tag: int) -> None:
    """The same text is marked in two ways."""
    problem = TASK.problem(pl.Series(["B-a"]), "entity_f1_micro", None)
    texts, y = TokenInputs(*tokens_of(["Oslo grows"] * 2, True)), np.array([1, 0, 0, 0])
    weight = np.where(np.arange(4) // 2 == heavy, 20.0, 1.0)
    algorithm = registry.algorithms("entities")["crf"]
    model = algorithm.fit({"l2": 0.1, "least": 1}, Rows(texts, y, weight), None, FitContext(problem))
    assert algorithm.predict(model, texts)[0].argmax() == tag


def test_the_slope_of_the_loss_is_that_of_its_value() -> None:
    from scipy.optimize import check_grad

    from automl_assets.entities.algorithms.crf import _Loss
    from automl_assets.entities.features.token_attributes import AttributeTable

    inputs = TokenInputs(*tokens_of(["Ann in Oslo", "Bo", "in Rome"], True))
    table, y = AttributeTable.of(inputs, 2), np.array([1, 0, 3, 1, 0, 3])
    shape, weight = (table.n_attributes, 5), np.array([1.5, 1.5, 1.5, 0.5, 0.5, 0.5])
    loss = _Loss(table.numbers(inputs), y, weight, inputs.texts, shape, 0.1)
    at = np.random.default_rng(0).normal(size=shape[0] * 5 + 25 + 5) * 0.1
    assert check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], at) < 1e-3
