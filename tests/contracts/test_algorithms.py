"""Promises that every tabular algorithm keeps, found by the registry; fitted as a search does, through `preparation`.

What can be checked on one fit is checked on one: that of the first configuration, which `_usual` makes once.
"""

import json
import pickle
import time
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import optuna
import pytest

from automl_assets import registry
from automl_assets.learning.preparation import SCALERS, add_raw, fit, mean_raw, predict_raw, with_rounds_of
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows, link_scores
from automl_assets.records import Problem
from automl_assets.resources.model_codec import read_models, write_models

N_ROWS, N_LEVELS = 300, 4
PROBLEMS = {
    "binary": Problem("classification", "log_loss", classes=("no", "yes"), positive=1),
    "four_classes": Problem("classification", "log_loss", classes=("a", "b", "c", "d")),
    "regression": Problem("regression", "root_mean_squared_error"),
}
CASES = [
    pytest.param(part, problem, id=f"{part.name}-{kind}")
    for part in registry.algorithms("tabular").values()
    for kind, problem in PROBLEMS.items()
    if problem.task in part.tasks
]
LEARNING = [case for case in CASES if case.values[0].name != "baseline"]  # what is compared with it
STOPPABLE = [case for case in CASES if {"rounds", "epochs"} & set(case.values[0].portfolio(case.values[1])[0])]
every_case = pytest.mark.parametrize(("part", "problem"), CASES)
every_learning_case = pytest.mark.parametrize(("part", "problem"), LEARNING)


def _codes(seed: int, n_rows: int = N_ROWS) -> np.ndarray:
    """Two numbers with gaps, a category, a constant; float32 [n_rows, 4]."""
    random = np.random.default_rng(seed)
    codes = random.normal(size=(n_rows, 4)).astype(np.float32)
    codes[:, 2] = random.integers(0, N_LEVELS, n_rows)
    codes[random.random((n_rows, 4)) < 0.1] = np.nan
    codes[:, 3] = 7
    return codes


def _view(part: Algorithm, codes: np.ndarray) -> np.ndarray:
    if part.view == "codes":
        return codes
    one_hot = codes[:, 2:3] == np.arange(N_LEVELS)
    return np.hstack([np.nan_to_num(codes), np.isnan(codes[:, :2]), one_hot]).astype(np.float32)


def _signal(codes: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(scale=0.3, size=len(codes))
    return np.nan_to_num(codes[:, 0]) * 2 + 1.5 * (codes[:, 2] == 1) - np.isnan(codes[:, 1]) + noise


def _rows(part: Algorithm, problem: Problem, seed: int) -> Rows:
    codes = _codes(seed)
    signal = _signal(codes, seed)
    y = np.digitize(signal, np.linspace(-1.5, 2, problem.n_classes + 1)[1:-1]) if problem.classes else signal
    return Rows(_view(part, codes), y)


def _halves(rows: Rows) -> tuple[Rows, Rows]:
    weight = rows.weight
    return tuple(
        Rows(rows.x[half], rows.y[half], None if weight is None else weight[half])
        for half in (slice(0, N_ROWS * 2 // 3), slice(N_ROWS * 2 // 3, None))
    )


def _fitted(part: Algorithm, rows: Rows, context: FitContext):
    training, validation = _halves(rows)
    return fit(part, _small(part.portfolio(context.problem)[0]), training, validation, context)


@cache
def _usual_of(name: str, kind: str) -> Any:
    part, problem = registry.algorithms("tabular")[name], PROBLEMS[kind]
    return _fitted(part, _rows(part, problem, seed=1), FitContext(problem))


def _usual(part: Algorithm, problem: Problem) -> Any:
    """The model of the first configuration on the rows of seed 1, fitted once; nothing may change it."""
    return _usual_of(part.name, next(kind for kind, one in PROBLEMS.items() if one is problem))


def _stored_and_read(model):
    """As a home keeps it: a class of ours that has no name to be stored under is refused."""
    return read_models(write_models((model,)))[0]


SMALL = {"n_estimators": 20, "relative_rate": 6.0, "rounds": 20, "epochs": 10}


def _small(config: Config) -> Config:
    """Fewer trees: the promises hold for any number."""
    return config | {key: value for key, value in SMALL.items() if key in config}


def _loss(part: Algorithm, problem: Problem, raw: np.ndarray, y: np.ndarray) -> float:
    if not problem.classes:
        return float(np.mean((raw[:, 0] - y) ** 2))
    probabilities = link_scores(raw, part.link)
    return float(-np.mean(np.log(np.clip(probabilities[np.arange(len(y)), y], 1e-9, 1))))


def _onnx_raw(part: Algorithm, models: list, x: np.ndarray) -> np.ndarray:
    graph = Graph()
    name = graph.input("x", np.float32, [None, x.shape[1]])
    graph.output("raw", add_raw(part, models, graph, name), np.float32, [None, None])
    session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    return session.run(None, {"x": x})[0]


@every_case
def test_portfolio_is_not_empty_and_its_configurations_differ(part, problem):
    configs = [tuple(sorted(config.items())) for config in part.portfolio(problem)]
    assert configs
    assert len(set(configs)) == len(configs)


@pytest.mark.parametrize(
    ("part", "problem", "config"),
    [
        pytest.param(*case.values, config, id=f"{case.id}-{number}")
        for case in CASES
        for number, config in enumerate(case.values[0].portfolio(case.values[1]), start=1)
    ],
)
def test_every_configuration_can_be_fitted(part, problem, config):
    training, validation = _halves(_rows(part, problem, seed=1))
    is_usual = config == part.portfolio(problem)[0]
    model = _usual(part, problem) if is_usual else fit(part, _small(config), training, validation, FitContext(problem))
    assert np.isfinite(predict_raw(part, model, validation.x)).all()


SAMPLED = 4  # configurations of every space that are tried


def _sampled(part: Algorithm, problem: Problem) -> list[Config]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [part.space(study.ask(), problem) for _ in range(SAMPLED)]


@every_learning_case
def test_configurations_of_the_space_can_be_fitted(part, problem):
    training, validation = _halves(_rows(part, problem, seed=1))
    for config in _sampled(part, problem):
        model = fit(part, _small(config), training, validation, FitContext(problem))
        assert np.isfinite(predict_raw(part, model, validation.x)).all(), config


@every_learning_case
def test_configurations_of_the_space_differ_and_survive_json(part, problem):
    texts = [json.dumps(config, sort_keys=True) for config in _sampled(part, problem)]
    assert [json.loads(text) for text in texts] == _sampled(part, problem)
    assert len(set(texts)) == SAMPLED


@every_learning_case
def test_scalers_that_are_worth_trying_can_be_fitted_and_exported(part, problem):
    rows = _rows(part, problem, seed=1)
    for scaler in part.scalers:
        config = _small(part.portfolio(problem)[0]) | {"scaler": scaler}
        model = _stored_and_read(fit(part, config, rows, rows, FitContext(problem)))
        expected = predict_raw(part, model, rows.x)
        difference = np.abs(_onnx_raw(part, [model], rows.x) - expected).max()
        assert difference <= 1e-4 * max(1.0, np.abs(expected).max()), scaler


def test_scalers_are_for_the_dense_view_and_known():
    for part in registry.algorithms("tabular").values():
        assert set(part.scalers) <= set(SCALERS), part.name
        assert part.view == "dense" or not part.scalers, part.name


@every_learning_case
def test_beats_the_baseline(part, problem):
    baseline = registry.algorithms("tabular")["baseline"]
    losses = []
    for each in (part, baseline):
        _, validation = _halves(_rows(each, problem, seed=1))
        raw = predict_raw(each, _usual(each, problem), validation.x)
        losses.append(_loss(each, problem, raw, validation.y))
    assert losses[0] < 0.9 * losses[1]


@every_case
def test_scores_have_the_promised_shape(part, problem):
    rows = _rows(part, problem, seed=1)
    raw = predict_raw(part, _usual(part, problem), rows.x)
    n_scores = 1 if part.link == "logit" and problem.n_classes == 2 else problem.n_outputs
    assert raw.shape == (N_ROWS, n_scores)
    if problem.classes and part.link == "probability":
        np.testing.assert_allclose(raw.sum(axis=1), 1)


@every_case
def test_same_seed_same_output(part, problem):
    rows = _rows(part, problem, seed=1)
    models = _usual(part, problem), _fitted(part, rows, FitContext(problem))
    first, second = (predict_raw(part, model, rows.x) for model in models)
    np.testing.assert_array_equal(first, second)


@every_case
def test_stored_and_read_predicts_the_same(part, problem):
    rows = _rows(part, problem, seed=1)
    model = _usual(part, problem)
    read = _stored_and_read(model)
    np.testing.assert_array_equal(predict_raw(part, read, rows.x), predict_raw(part, model, rows.x))


@every_case
def test_onnx_equals_python(part, problem):
    """Mean of three models, on missing values and codes never seen."""
    others = [_fitted(part, _rows(part, problem, seed), FitContext(problem, seed=seed)) for seed in (2, 3)]
    models = [_usual(part, problem), *others]
    codes = _codes(9)
    codes[:40, 2], codes[40:80, 2], codes[80:90] = -1, N_LEVELS, np.nan
    x = _view(part, codes)
    expected = mean_raw(part, models, x)
    assert np.abs(_onnx_raw(part, models, x) - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("magnitude", [1e-9, 1e9])
@pytest.mark.parametrize("part", [c.values[0] for c in LEARNING if not c.values[1].classes], ids=lambda part: part.name)
def test_unit_of_the_target_does_not_matter(part, magnitude):
    problem = PROBLEMS["regression"]
    rows = _rows(part, problem, seed=1)
    far = replace(rows, y=(rows.y + 3) * magnitude)
    plain = predict_raw(part, _usual(part, problem), rows.x)
    model = _fitted(part, far, FitContext(problem))
    scaled = predict_raw(part, model, rows.x)
    assert np.sqrt(np.mean((scaled / magnitude - 3 - plain) ** 2)) < 0.1 * rows.y.std()
    assert np.abs(_onnx_raw(part, [model], rows.x) - scaled).max() <= 1e-5 * np.abs(scaled).max()


@pytest.mark.parametrize(("part", "problem"), [case for case in CASES if case.values[1].classes])
def test_absent_class_keeps_its_column(part, problem):
    rows = _rows(part, problem, seed=1)
    absent = problem.n_classes - 1 if problem.n_classes > 2 else 0
    present = rows.y != absent
    training = Rows(rows.x[present], rows.y[present])
    model = fit(part, _small(part.portfolio(problem)[0]), training, training, FitContext(problem))
    raw = predict_raw(part, model, rows.x)
    assert np.isfinite(raw).all()
    probabilities = link_scores(raw, part.link)
    assert probabilities.shape == (N_ROWS, problem.n_classes)
    assert probabilities[:, absent].mean() < 0.05
    assert np.abs(_onnx_raw(part, [model], rows.x) - raw).max() <= 1e-5 * max(1.0, np.abs(raw).max())


@pytest.mark.parametrize(("part", "problem"), STOPPABLE)
def test_deadline_in_the_past_still_gives_a_model(part, problem):
    rows = _rows(part, problem, seed=1)
    whole = _usual(part, problem)
    started = time.process_time()
    model = _fitted(part, rows, FitContext(problem, deadline=time.monotonic() - 1))
    assert time.process_time() - started < 2
    raw = predict_raw(part, model, rows.x)
    assert np.isfinite(raw).all()
    is_smaller = len(pickle.dumps(model)) < len(pickle.dumps(whole))
    assert is_smaller or not np.array_equal(raw, predict_raw(part, whole, rows.x))


@every_case
def test_weights_change_the_fit(part, problem):
    rows = _rows(part, problem, seed=1)
    weighted = replace(rows, weight=np.where(rows.y > np.median(rows.y), 1e6, 1e5))
    models = _usual(part, problem), _fitted(part, weighted, FitContext(problem))
    plain, other = (predict_raw(part, model, rows.x) for model in models)
    assert np.abs(plain - other).max() > 1e-3


ROUNDS = [case for case in STOPPABLE if "rounds" in case.values[0].portfolio(case.values[1])[0]]


@pytest.mark.parametrize(("part", "problem"), ROUNDS)
def test_rounds_found_by_validation_make_the_same_model_without_it(part, problem):
    """So that it can be fitted again, on all rows, as long as was best."""
    rows = _rows(part, problem, seed=1)
    training, validation = _halves(rows)
    config, context = _small(part.portfolio(problem)[0]) | {"rounds": 3}, FitContext(problem)
    watched = fit(part, config, training, validation, context)
    again = with_rounds_of(part, config, watched)
    assert again != config
    model = fit(part, again, training, None, context)
    raw, expected = predict_raw(part, model, rows.x), predict_raw(part, watched, rows.x)
    if part.name == "explainable_boosting":  # its best moment may be within a round
        assert np.corrcoef(raw.ravel(), expected.ravel())[0, 1] > 0.99
    else:
        np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-6)


@every_case
def test_fits_without_validation_rows(part, problem):
    rows = _rows(part, problem, seed=1)
    model = fit(part, _small(part.portfolio(problem)[0]), rows, None, FitContext(problem))
    assert np.isfinite(predict_raw(part, model, rows.x)).all()


@every_case
def test_number_of_threads_does_not_change_the_answer(part, problem):
    rows = _rows(part, problem, seed=1)
    models = _usual(part, problem), _fitted(part, rows, FitContext(problem, n_threads=2))  # the first has one thread
    one, two = (predict_raw(part, model, rows.x) for model in models)
    np.testing.assert_allclose(one, two, atol=1e-6)
