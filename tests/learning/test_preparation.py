"""What is learnt inside a fold before the algorithm: alike in Python and ONNX, and never from validation rows."""

import time

import numpy as np
import onnxruntime
import pytest

from automl_assets.learning.preparation import (
    SCALERS,
    Prepared,
    add_raw,
    choices,
    class_weights,
    fit,
    is_imbalanced,
    mean_raw,
    variants,
)
from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows, link_scores
from automl_assets.records import Problem
from automl_assets.registry import algorithms

PROBLEM = Problem("classification", "accuracy", classes=("no", "yes"), positive=1)
LINEAR = algorithms("tabular")["logistic_regression"]


def _rows(seed: int, n: int = 80) -> Rows:
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 6)).astype(np.float32) * [1, 5, 0.1, 3, 1, 0] + [0, 9, 0, -4, 0, 2]
    return Rows(x.astype(np.float32), (x[:, 1] + random.normal(size=n) > 9).astype(np.int64))


@pytest.mark.parametrize("scaler", SCALERS)
def test_every_scaler_is_the_same_in_onnx(scaler) -> None:
    models = [fit(LINEAR, {"C": 1.0, "scaler": scaler}, _rows(i), None, FitContext(PROBLEM)) for i in (1, 2)]
    assert all(isinstance(model, Prepared) for model in models)
    x = np.vstack([_rows(3).x, np.zeros((1, 6), np.float32), 1e6 * np.ones((1, 6), np.float32)])
    graph = Graph()
    graph.output("raw", add_raw(LINEAR, models, graph, graph.input("x", np.float32, [None, 6])), np.float32, [None, 1])
    found = onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, {"x": x})[0]
    expected = mean_raw(LINEAR, models, x)
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(
    ("scaler", "check"),
    [
        ("min_max", lambda x: (x.min(), x.max()) == (0.0, 1.0)),
        ("max_abs", lambda x: np.allclose(np.abs(x[:, :5]).max(0), 1)),
        ("robust", lambda x: np.allclose(np.median(x, axis=0), 0, atol=1e-5)),
        ("l1", lambda x: np.allclose(np.abs(x).sum(1), 1)),
        ("l2", lambda x: np.allclose((x**2).sum(1), 1)),
        ("max", lambda x: np.allclose(np.abs(x).max(1), 1)),
        ("pca", lambda x: x.shape[1] == 3 and np.allclose(x.mean(0), 0, atol=1e-4)),
        ("truncated_svd", lambda x: x.shape[1] == 3),
    ],
)
def test_scalers_do_what_their_names_say(scaler, check) -> None:
    x = _rows(1).x
    assert check(SCALERS[scaler](x, 0).apply(x))


def test_without_wishes_the_bare_model_comes_back() -> None:
    assert not isinstance(fit(LINEAR, {"C": 1.0}, _rows(1), None, FitContext(PROBLEM)), Prepared)


def test_balanced_classes_weigh_alike() -> None:
    rows = _rows(1)
    rare = Rows(rows.x, (np.arange(80) < 8).astype(np.int64))
    assert (class_weights(rare, 2) * np.bincount(rare.y)).tolist() == [40, 40]
    plain, balanced = (
        mean_raw(LINEAR, [fit(LINEAR, {"C": 1.0, **more}, rare, rare, FitContext(PROBLEM))], rare.x)
        for more in ({}, {"class_weight": "balanced"})
    )
    assert plain.mean() < -1.5 < balanced.mean()


def test_class_weights_are_offered_only_where_a_class_is_rare() -> None:
    even, rare = np.array([0, 1] * 50), np.array([0] * 90 + [1] * 10)
    assert [is_imbalanced(y, PROBLEM) for y in (even, rare)] == [False, True]
    assert choices(LINEAR, PROBLEM, imbalanced=True)["class_weight"] == ("balanced",)
    assert not is_imbalanced(np.array([1.0, 2.0]), Problem("regression", "r2_score"))


THREE = Problem("classification", "norm_macro_recall", classes=("a", "b", "c"))
LEARNING = [part for part in algorithms("tabular").values() if THREE.task in part.tasks and not part.is_fallback]


def _three_classes(seed: int) -> Rows:
    """Of 200, 180 and 16 rows."""
    y = np.repeat([0, 1, 2], [200, 180, 16])
    return Rows((np.random.default_rng(seed).normal(size=(len(y), 3)) + np.eye(3)[y]).astype(np.float32), y)


@pytest.mark.parametrize("algorithm", LEARNING, ids=lambda part: part.name)
def test_the_rare_of_three_classes_is_found_more_often_by_weights(algorithm) -> None:
    """Every algorithm has one trial for it, and heeds the weights."""
    training, validation, new = map(_three_classes, range(3))
    assert is_imbalanced(training.y, THREE)
    default = algorithm.portfolio(THREE)[0]
    tried = variants(default, {"class_weight": choices(algorithm, THREE, imbalanced=True)["class_weight"]})
    assert tried == [default | {"class_weight": "balanced"}]
    context = FitContext(THREE, seed=0, deadline=time.monotonic() + 600)
    models = [fit(algorithm, config, training, validation, context) for config in (default, *tried)]
    plain, balanced = (link_scores(mean_raw(algorithm, [one], new.x), algorithm.link)[:, 2].mean() for one in models)
    assert balanced > 1.3 * plain


def test_variants_change_one_thing_and_never_nothing() -> None:
    found = variants({"C": 1, "scaler": "l1"}, {"scaler": ("l1", "l2"), "class_weight": ("balanced",)})
    assert found == [{"C": 1, "scaler": "l2"}, {"C": 1, "scaler": "l1", "class_weight": "balanced"}]
