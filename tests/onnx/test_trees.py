"""Trees of every library under the one rule: exact at thresholds, beside them, and for missing values."""

import json

import catboost
import lightgbm
import numpy as np
import onnxruntime
import pytest
import xgboost
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier

from automl_assets.errors import LearningError
from automl_assets.onnx import trees as T
from automl_assets.onnx.graph import Graph

N_ROWS = 400
GAPS = {"no_gaps": 0.0, "gaps": 0.15}
N_CLASSES = {"regression": 0, "binary": 2, "four_classes": 4}
every_problem = pytest.mark.parametrize("n_classes", N_CLASSES.values(), ids=N_CLASSES)
every_share = pytest.mark.parametrize("missing", GAPS.values(), ids=GAPS)


def _data(n_classes: int, missing: float, n_rows: int = N_ROWS) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.normal(size=(n_rows, 4)).astype(np.float32)
    x[:, 2] = random.integers(-2, 3, n_rows)
    signal = x[:, 0] + x[:, 1] * x[:, 2] + random.normal(scale=0.5, size=n_rows)
    x[random.random(x.shape) < missing] = np.nan
    y = np.digitize(signal, np.linspace(-1, 1, n_classes + 1)[1:-1]) if n_classes else signal
    return x, y


def _probes(x: np.ndarray, trees: T.Trees) -> np.ndarray:
    """Rows whose values are missing, or a threshold of that feature, or its neighbours in float32."""
    random = np.random.default_rng(4)
    probes = x[random.integers(0, len(x), 2000)].copy()
    for feature in range(x.shape[1]):
        at = trees.threshold[(trees.feature == feature) & (trees.left != T.LEAF)]
        at = at[np.abs(at) < 1e37]  # not the borders that only part missing values from all others
        near = np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(-np.inf))])
        near = np.concatenate([near, np.float32([np.nan, 0.0, -0.0, 1e30, -1e30])])
        chosen = random.random(len(probes)) < 0.8
        probes[chosen, feature] = random.choice(near, chosen.sum())
    return probes


def _onnx(trees: T.Trees, x: np.ndarray) -> np.ndarray:
    graph = Graph()
    name = graph.input("x", np.float32, [None, x.shape[1]])
    graph.output("y", T.add_trees(graph, name, trees), np.float32, [None, len(trees.base)])
    return onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, {"x": x})[0]


def _lightgbm(n_classes: int, missing: float):
    x, y = _data(n_classes, missing)
    objective = {0: "regression", 2: "binary", 4: "multiclass"}[n_classes]
    settings = {"objective": objective, "num_class": 4 if n_classes == 4 else 1, "verbosity": -1, "num_leaves": 15}
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), 20)
    return x, T.lightgbm_trees(model.model_to_string()), lambda rows: model.predict(rows, raw_score=True)


def _xgboost(n_classes: int, missing: float):
    x, y = _data(n_classes, missing)
    objective = {0: "reg:squarederror", 2: "binary:logistic", 4: "multi:softprob"}[n_classes]
    settings = {"objective": objective, "max_depth": 4} | ({"num_class": 4} if n_classes == 4 else {})
    model = xgboost.train(settings, xgboost.DMatrix(x, y), 20)
    raw = bytes(model.save_raw("json"))
    return x, T.xgboost_trees(raw), lambda rows: model.inplace_predict(rows, predict_type="margin")


def _catboost(n_classes: int, missing: float, tmp_path, nan_mode: str = "Min"):
    x, y = _data(n_classes, missing)
    loss = {0: "RMSE", 2: "Logloss", 4: "MultiClass"}[n_classes]
    settings = {"loss_function": loss, "depth": 5, "iterations": 20, "nan_mode": nan_mode}
    model = catboost.CatBoost(settings | {"allow_writing_files": False, "verbose": False}).fit(x, y)
    model.save_model(str(tmp_path / "model.json"), format="json")
    trees = T.catboost_trees((tmp_path / "model.json").read_text())
    return x, trees, lambda rows: model.predict(rows, prediction_type="RawFormulaVal")


def _assert_exact(x: np.ndarray, trees: T.Trees, predict) -> None:
    """A row that takes a wrong turn anywhere is off by far more than rounding."""
    probes = _probes(x, trees)
    expected = np.reshape(predict(probes), (len(probes), -1))
    tolerance = 2e-6 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(T.scores(trees, probes), expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(_onnx(trees, probes), expected, atol=tolerance, rtol=0)


@every_problem
@every_share
def test_lightgbm_is_exact(n_classes, missing):
    _assert_exact(*_lightgbm(n_classes, missing))


@every_problem
@every_share
def test_xgboost_is_exact(n_classes, missing):
    _assert_exact(*_xgboost(n_classes, missing))


@every_problem
@pytest.mark.parametrize(("missing", "nan_mode"), [(0.0, "Min"), (0.15, "Min"), (0.15, "Max")])
def test_catboost_is_exact(n_classes, missing, nan_mode, tmp_path):
    _assert_exact(*_catboost(n_classes, missing, tmp_path, nan_mode))


@every_share
@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_sklearn_classifiers_are_exact(kind, n_classes, missing):
    x, y = _data(n_classes, missing)
    forest = kind(20, random_state=0).fit(x, y)
    _assert_exact(x, T.sklearn_trees(forest), forest.predict_proba)


@every_share
@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_sklearn_regressors_are_exact(kind, missing):
    x, y = _data(0, missing)
    forest = kind(20, random_state=0).fit(x, y)
    _assert_exact(x, T.sklearn_trees(forest), forest.predict)


@every_share
def test_a_single_sklearn_tree_is_exact(missing):
    x, y = _data(4, missing)
    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=0).fit(x, y)
    _assert_exact(x, T.sklearn_trees(tree), tree.predict_proba)


@every_problem
@every_share
def test_sklearn_histogram_boosting_is_exact(n_classes, missing):
    x, y = _data(n_classes, missing)
    kind = HistGradientBoostingClassifier if n_classes else HistGradientBoostingRegressor
    booster = kind(max_iter=20, random_state=0).fit(x, y)
    raw = booster.decision_function if n_classes else booster.predict
    _assert_exact(x, T.histogram_trees(booster), raw)


def test_sklearn_histogram_boosting_refuses_categorical_splits():
    x, y = _data(0, 0.0)
    x[:, 2] += 2
    booster = HistGradientBoostingRegressor(max_iter=2, categorical_features=[2]).fit(x, y)
    with pytest.raises(LearningError, match="categorical"):
        T.histogram_trees(booster)


def test_lightgbm_that_learnt_nothing_is_its_base():
    x, _ = _data(0, 0.0)
    model = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x, np.full(N_ROWS, 5.0)), 3)
    trees = T.lightgbm_trees(model.model_to_string())
    np.testing.assert_allclose(_onnx(trees, x), model.predict(x)[:, None])


def test_xgboost_reads_a_base_score_that_is_one_number():
    model = xgboost.train({"max_depth": 1}, xgboost.DMatrix(*_data(0, 0.0)), 2)
    document = json.loads(bytes(model.save_raw("json")))
    document["learner"]["learner_model_param"]["base_score"] = "2.5E-1"
    np.testing.assert_array_equal(T.xgboost_trees(json.dumps(document)).base, [0.25])


@pytest.mark.parametrize("setting", [{"linear_tree": True}, {"zero_as_missing": True}, {"boosting": "rf"}])
def test_lightgbm_refuses_what_it_cannot_say(setting):
    x, y = _data(0, 0.1)
    settings = {"verbosity": -1, "bagging_freq": 1, "bagging_fraction": 0.5} | setting
    model = lightgbm.train(settings, lightgbm.Dataset(x, y, params=settings), 2)
    with pytest.raises(LearningError, match="cannot be read"):
        T.lightgbm_trees(model.model_to_string())


def test_lightgbm_refuses_categorical_splits():
    x, y = _data(0, 0.0)
    x[:, 2] += 2
    settings = {"verbosity": -1, "min_data_per_group": 5, "cat_smooth": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(x, y, categorical_feature=[2]), 2)
    with pytest.raises(LearningError, match="categorical"):
        T.lightgbm_trees(model.model_to_string())


def test_catboost_refuses_trees_that_are_not_symmetric(tmp_path):
    settings = {"iterations": 2, "grow_policy": "Depthwise", "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoost(settings).fit(*_data(0, 0.0))
    model.save_model(str(tmp_path / "model.json"), format="json")
    with pytest.raises(LearningError, match="SymmetricTree"):
        T.catboost_trees((tmp_path / "model.json").read_text())


def test_catboost_equal_leaves_are_merged(tmp_path):
    _, trees, _ = _catboost(0, 0.0, tmp_path)
    assert trees.n_nodes < 20 * 63
    assert np.isin(np.arange(trees.n_nodes), np.concatenate([trees.roots, trees.left, trees.right])).all()


def test_score_without_trees_keeps_its_base():
    x, y = _data(4, 0.0)
    settings = {"objective": "multiclass", "num_class": 5, "verbosity": -1}  # the fifth class never occurs
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), 3)
    trees = T.lightgbm_trees(model.model_to_string())
    np.testing.assert_allclose(_onnx(trees, x), model.predict(x, raw_score=True), rtol=1e-5)


def test_mean_and_rescaled_follow_their_definition():
    x, first, _ = _lightgbm(4, 0.15)
    _, second, _ = _xgboost(4, 0.15)
    fused = T.rescaled(T.mean_trees([first, second]), scale=3.0, offset=-1.0)
    expected = 3.0 * (T.scores(first, x) + T.scores(second, x)) / 2 - 1.0
    np.testing.assert_allclose(T.scores(fused, x), expected)
    np.testing.assert_allclose(_onnx(fused, x), expected, atol=2e-5)


def test_large_trees_are_exact():
    x, y = _data(0, 0.1, n_rows=20_000)
    forest = ExtraTreesRegressor(3, random_state=0).fit(x, y)
    trees = T.sklearn_trees(forest)
    assert trees.n_nodes > 50_000
    _assert_exact(x, trees, forest.predict)


def test_file_stays_small():
    _, trees, _ = _lightgbm(0, 0.15)
    graph = Graph()
    x = graph.input("x", np.float32, [None, 4])
    graph.output("y", T.add_trees(graph, x, trees), np.float32, [None, 1])
    assert len(graph.build().SerializeToString()) <= 45 * trees.n_nodes
