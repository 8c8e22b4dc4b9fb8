"""What the bag of embeddings and the boosted trees over texts promise: they learn, repeat, stop, and answer in ONNX alike."""

import time
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows, link_scores
from automl_assets.records import Problem
from automl_assets.resources.model_codec import read_models, write_models
from automl_assets.text.features.text_featurizer import TextFeaturizer, encode_texts, fit_text_featurizer
from automl_assets.text.features.text_featurizer_onnx import add_inputs
from automl_assets.text.records import TextInputs

TOPICS = {
    "sport": "the striker scored a late goal and the crowd in the stadium cheered for our team",
    "food": "stir the soup slowly then add salt butter and fresh herbs before it boils in the pot",
    "space": "the probe left orbit and sent pictures of the moon craters back to the antenna on earth",
}
PROBLEM = Problem("text_classification", "log_loss", classes=tuple(TOPICS))
TWO = Problem("text_classification", "log_loss", classes=("food", "sport"), positive=1)
HARD = [
    "",
    "  \n ",
    "🍲🚀🏟️ goal 🚀",
    "الفريق سجل هدفا في الملعب",
    "קבוצה soup שלום",
    "GOAL goal Goal",
    "soup " * 10_000,
    "\x00 a",
]
PARTS = ("embedding_bag", "text_boosting")
every_part = pytest.mark.parametrize("name", PARTS)


def _table(n_rows: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(0, len(TOPICS), n_rows)
    every = [word for text in TOPICS.values() for word in text.split()]
    own = [text.split() for text in TOPICS.values()]
    texts = [" ".join([*random.choice(own[code], 7), *random.choice(every, 3)]) for code in y]
    return pl.DataFrame({"text": texts, "size": random.normal(size=n_rows)}), y


@cache
def _featurizer() -> TextFeaturizer:
    kinds: dict[str, Any] = {"text": "text", "size": "numeric"}
    return fit_text_featurizer(_table(300, seed=0)[0], kinds, len(TOPICS), Wishes())


def _rows(n_rows: int, seed: int, most: int = 2) -> Rows:
    table, y = _table(n_rows, seed)
    return Rows(_inputs(table)[np.flatnonzero(y <= most)], y[y <= most])


def _inputs(table: pl.DataFrame) -> TextInputs:
    return encode_texts(_featurizer(), table).view("terms")


def _fitted(name: str, problem: Problem = PROBLEM, seed: int = 0, deadline: float = float("inf")) -> Any:
    part, most = registry.algorithms("text")[name], problem.n_classes - 1
    context = FitContext(problem, seed=seed, deadline=deadline)
    return part.fit(part.portfolio(problem)[0], _rows(300, 0, most), _rows(100, 1, most), context)


def _loss(y: np.ndarray, answer: np.ndarray) -> float:
    return -float(np.log(np.clip(answer[np.arange(len(y)), y], 1e-9, 1)).mean())


@every_part
def test_texts_of_three_topics_are_told_apart(name: str) -> None:
    part, unseen = registry.algorithms("text")[name], _rows(200, 2)
    answer = link_scores(part.predict(_fitted(name), unseen.x), part.link)
    assert (answer.argmax(axis=1) == unseen.y).mean() > 0.9
    assert _loss(unseen.y, answer) < 0.5


@every_part
def test_two_classes_have_one_score(name: str) -> None:
    part, unseen = registry.algorithms("text")[name], _rows(200, 2, most=1)
    raw = part.predict(_fitted(name, TWO), unseen.x)
    assert raw.shape == (len(unseen.y), 1)
    assert ((raw[:, 0] > 0) == unseen.y).mean() > 0.85


@every_part
def test_same_seed_same_answer_also_after_it_was_stored(name: str) -> None:
    part, x = registry.algorithms("text")[name], _rows(50, 2).x
    first, second = _fitted(name, seed=3), _fitted(name, seed=3)
    stored = read_models(write_models((first,)))[0]
    assert np.array_equal(part.predict(first, x), part.predict(second, x))
    assert np.array_equal(part.predict(first, x), part.predict(stored, x))


@every_part
def test_a_fit_whose_time_is_up_still_gives_a_model(name: str) -> None:
    model, x = _fitted(name, deadline=time.monotonic()), _rows(50, 2).x
    assert np.isfinite(registry.algorithms("text")[name].predict(model, x)).all()


@every_part
def test_onnx_answers_raw_texts_of_any_script_and_length_as_python_does(name: str) -> None:
    part, models = registry.algorithms("text")[name], [_fitted(name, seed=seed) for seed in (0, 1)]
    ordinary = _table(100, seed=4)[0]
    table = pl.concat([ordinary, pl.DataFrame({"text": HARD, "size": [0.0] * len(HARD)})])
    graph = Graph()
    x = add_inputs(graph, _featurizer(), ("words", "characters"))
    graph.output("raw", part.to_onnx(models, graph, x), np.float32, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    given = {"text": np.array(table["text"].to_list(), object)[:, None]}
    given["size"] = table["size"].to_numpy().astype(np.float32)[:, None]
    raw = np.mean([part.predict(model, _inputs(table)) for model in models], axis=0)
    assert np.abs(link_scores(session.run(None, given)[0], part.link) - link_scores(raw, part.link)).max() < 1e-4


@every_part
def test_a_class_that_no_row_of_a_fold_has_gets_a_score(name: str) -> None:
    part, rows = registry.algorithms("text")[name], _rows(300, 0, most=1)
    model = part.fit(part.portfolio(PROBLEM)[0], rows, _rows(100, 1), FitContext(PROBLEM))
    answer = link_scores(part.predict(model, rows.x), part.link)
    assert answer.shape[1] == 3
    assert answer[:, 2].max() < 0.3


def test_labels_that_do_not_exclude_each_other_are_found_each_by_itself() -> None:
    part, rows, unseen = registry.algorithms("text")["embedding_bag"], _rows(300, 0), _rows(200, 2)
    sets = [np.column_stack([one.y == 0, one.y == 1, one.y < 2]).astype(np.int8) for one in (rows, unseen)]
    model = part.fit(part.portfolio(PROBLEM)[0], Rows(rows.x, sets[0]), None, FitContext(PROBLEM))
    found = part.predict(model, unseen.x) > 0
    assert (found == sets[1]).mean() > 0.9


def test_terms_that_no_row_of_a_fold_has_say_nothing() -> None:
    model, rows = _fitted("embedding_bag"), _rows(300, 0)
    is_absent = np.asarray(rows.x.words.sum(axis=0)).ravel() == 0
    assert not model.scores.coefficients[: len(is_absent)][is_absent].any()


def test_rows_of_greater_weight_count_more() -> None:
    part, rows = registry.algorithms("text")["embedding_bag"], _rows(300, 0)
    x, y = rows.x[np.zeros(100, np.int64)], np.repeat([0, 1], 50)
    model = part.fit(part.portfolio(TWO)[0], Rows(x, y, np.where(y, 9.0, 1.0)), None, FitContext(TWO))
    assert link_scores(part.predict(model, x), part.link)[0, 1] == pytest.approx(0.9, abs=0.05)


def test_a_fit_on_all_rows_learns_as_long_as_the_fit_that_was_watched() -> None:
    for name in PARTS:
        part, model = registry.algorithms("text")[name], _fitted(name)
        config = part.with_rounds_of(part.portfolio(PROBLEM)[0], model)
        again = part.fit(config, _rows(300, 0), None, FitContext(PROBLEM))
        assert _loss(_rows(200, 2).y, link_scores(part.predict(again, _rows(200, 2).x), part.link)) < 0.5
