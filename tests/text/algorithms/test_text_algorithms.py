"""Promises that every algorithm of texts keeps, found by the registry: on eight languages' worth of scripts, gaps and all."""

import json
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import optuna
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.learning.preparation import add_raw, fit, mean_raw, predict_raw
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows, link_scores
from automl_assets.records import Problem
from automl_assets.resources.model_codec import read_models, write_models
from automl_assets.text.features.text_featurizer import TextFeaturizer, encode_texts, fit_text_featurizer
from automl_assets.text.features.text_featurizer_onnx import add_inputs, input_types
from automl_assets.text.records import OF_VIEW

N_ROWS = 150
WORDS = {
    "no": ["awful", "terrible", "schlecht", "horrible", "malo", "最悪", "سيئ", "ужасно"],
    "yes": ["great", "lovely", "wunderbar", "magnifique", "bueno", "最高", "رائع", "отлично"],
    "maybe": ["average", "fair", "mittel", "moyen", "regular", "普通", "عادي", "средне"],
}
FILLERS = [
    "the",
    "Hotel",
    "was",
    "und",
    "die",
    "la",
    "une",
    "de",
    "que",
    "の",
    "です",
    "في",
    "هذا",
    "в",
    "это",
    "😀",
    "a",
    "b",
    "c",
]
TASK = "text_classification"
PROBLEMS = {
    "binary": Problem(TASK, "log_loss", classes=("no", "yes"), positive=1),
    "three_classes": Problem(TASK, "log_loss", classes=("maybe", "no", "yes")),
}
CASES = [
    pytest.param(part, problem, id=f"{part.name}-{kind}")
    for part in registry.algorithms("text").values()
    for kind, problem in PROBLEMS.items()
    if problem.task in part.tasks
]
LEARNING = [case for case in CASES if not case.values[0].is_fallback]
every_case = pytest.mark.parametrize(("part", "problem"), CASES)
every_learning_case = pytest.mark.parametrize(("part", "problem"), LEARNING)


def _table(problem: Problem, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(0, problem.n_classes, N_ROWS)
    texts = [
        " ".join(random.permutation([*random.choice(WORDS[str(problem.classes[code])], 2), *random.choice(FILLERS, 6)]))
        for code in y
    ]
    texts[:3] = ["", "\0 \ufffd", "word " * 400]
    return pl.DataFrame({"text": texts, "stars": random.normal(size=N_ROWS) + y}), y


@cache
def _case(kind: str, seed: int) -> tuple[TextFeaturizer, Any, np.ndarray]:
    problem = PROBLEMS[kind]
    learnt, _ = _table(problem, seed=1)
    featurizer = fit_text_featurizer(learnt, {"text": "text", "stars": "numeric"}, problem.n_outputs, Wishes())
    table, y = _table(problem, seed)
    return featurizer, encode_texts(featurizer, table), y


def _kind(problem: Problem) -> str:
    return next(kind for kind, one in PROBLEMS.items() if one is problem)


def _rows(part: Algorithm, problem: Problem, seed: int) -> Rows:
    _, inputs, y = _case(_kind(problem), seed)
    return Rows(inputs.view(part.view), y)


SMALL = {"rounds": 20, "epochs": 10, "n_estimators": 20}


def _small(config: Config) -> Config:
    return config | {key: value for key, value in SMALL.items() if key in config}


@cache
def _usual_of(name: str, kind: str) -> Any:
    part, problem = registry.algorithms("text")[name], PROBLEMS[kind]
    return _fitted(part, problem, _rows(part, problem, seed=1))


def _fitted(part: Algorithm, problem: Problem, rows: Rows, **context: Any) -> Any:
    half = np.arange(N_ROWS) < 100
    config = _small(part.portfolio(problem)[0])
    return fit(part, config, rows.take(half), rows.take(~half), FitContext(problem, **context))


def _usual(part: Algorithm, problem: Problem) -> Any:
    return _usual_of(part.name, _kind(problem))


def _loss(part: Algorithm, problem: Problem, model: Any) -> float:
    rows = _rows(part, problem, seed=7)
    shares = link_scores(predict_raw(part, model, rows.x), part.link)
    return float(-np.mean(np.log(np.clip(shares[np.arange(N_ROWS), rows.y], 1e-9, 1))))


@every_case
def test_configurations_differ_and_can_be_fitted(part, problem):
    configs = part.portfolio(problem)
    assert len({json.dumps(config, sort_keys=True) for config in configs}) == len(configs) > 0
    rows = _rows(part, problem, seed=1)
    for config in configs[1:]:
        model = fit(part, _small(config), rows, None, FitContext(problem))
        assert np.isfinite(predict_raw(part, model, rows.x)).all(), config


@pytest.mark.parametrize(("part", "problem"), [case for case in LEARNING if case.values[0].space])
def test_configurations_of_the_space_survive_json_and_can_be_fitted(part, problem):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    rows = _rows(part, problem, seed=1)
    for _ in range(2):
        config = part.space(study.ask(), problem)
        assert json.loads(json.dumps(config)) == config
        model = fit(part, _small(config), rows, rows, FitContext(problem))
        assert np.isfinite(predict_raw(part, model, rows.x)).all(), config


@every_learning_case
def test_beats_the_baseline(part, problem):
    baseline = registry.algorithms("text")["baseline"]
    assert _loss(part, problem, _usual(part, problem)) < 0.8 * _loss(baseline, problem, _usual(baseline, problem))


@every_case
def test_scores_have_the_promised_shape(part, problem):
    raw = predict_raw(part, _usual(part, problem), _rows(part, problem, seed=1).x)
    n_scores = 1 if part.link == "logit" and problem.n_classes == 2 else problem.n_classes
    assert raw.shape == (N_ROWS, n_scores)
    if part.link == "probability":
        np.testing.assert_allclose(raw.sum(axis=1), 1, atol=1e-6)


@every_case
def test_same_seed_same_output_also_when_stored_and_with_more_threads(part, problem):
    rows = _rows(part, problem, seed=1)
    expected = predict_raw(part, _usual(part, problem), rows.x)
    again = predict_raw(part, _fitted(part, problem, rows), rows.x)
    np.testing.assert_array_equal(again, expected)
    stored = read_models(write_models((_usual(part, problem),)))[0]
    np.testing.assert_array_equal(predict_raw(part, stored, rows.x), expected)
    two = predict_raw(part, _fitted(part, problem, rows, n_threads=2), rows.x)
    np.testing.assert_allclose(two, expected, atol=1e-5)


@every_case
def test_absent_class_keeps_its_column(part, problem):
    rows = _rows(part, problem, seed=1)
    model = fit(part, _small(part.portfolio(problem)[0]), rows.take(rows.y != 1), None, FitContext(problem))
    shares = link_scores(predict_raw(part, model, rows.x), part.link)
    assert shares.shape == (N_ROWS, problem.n_classes)
    assert shares[rows.y != 1, 1].mean() < 0.1


@every_case
def test_weights_change_the_fit(part, problem):
    rows = _rows(part, problem, seed=1)
    weighted = Rows(rows.x, rows.y, np.where(rows.y > 0, 1e6, 1e5))
    plain, other = (predict_raw(part, _fitted(part, problem, one), rows.x) for one in (rows, weighted))
    assert np.abs(plain - other).max() > 1e-3


@every_case
def test_deadline_in_the_past_still_gives_a_model(part, problem):
    rows = _rows(part, problem, seed=1)
    assert np.isfinite(predict_raw(part, _fitted(part, problem, rows, deadline=0.0), rows.x)).all()


@every_case
def test_onnx_from_raw_strings_equals_python(part, problem):
    """Mean of two models, on texts of other rows, among them an empty one, null bytes and one longer than the rest."""
    models = [_usual(part, problem), _fitted(part, problem, _rows(part, problem, seed=1), seed=5)]
    featurizer, inputs, _ = _case(_kind(problem), 7)
    table, _ = _table(problem, 7)
    graph = Graph()
    x = add_inputs(graph, featurizer, OF_VIEW[part.view])
    graph.output("raw", add_raw(part, models, graph, x), np.float32, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    feeds = {"text": table["text"].to_numpy().astype(object)[:, None], "stars": table["stars"].to_numpy()[:, None]}
    feeds["stars"] = feeds["stars"].astype(np.float32)
    assert feeds.keys() == input_types(featurizer).keys()
    expected = mean_raw(part, models, inputs.view(part.view))
    assert np.abs(session.run(None, feeds)[0] - expected).max() <= 2e-5 * max(1.0, np.abs(expected).max())
