"""LightGBM's trees are read as they are, and what cannot be said is refused."""

import lightgbm
import numpy as np
import pytest

from automl_assets.errors import LearningError
from automl_assets.tabular.algorithms.lightgbm import read_trees
from tests.exact_trees import N_ROWS, assert_exact, data, every_problem, every_share, onnx_scores


def _lightgbm(n_classes: int, missing: float):
    x, y = data(n_classes, missing)
    objective = {0: "regression", 2: "binary", 4: "multiclass"}[n_classes]
    settings = {"objective": objective, "num_class": 4 if n_classes == 4 else 1, "verbosity": -1, "num_leaves": 15}
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), 20)
    return x, read_trees(model.model_to_string()), lambda rows: model.predict(rows, raw_score=True)


@every_problem
@every_share
def test_lightgbm_is_exact(n_classes, missing):
    assert_exact(*_lightgbm(n_classes, missing))


def test_lightgbm_that_learnt_nothing_is_its_base():
    x, _ = data(0, 0.0)
    model = lightgbm.train({"verbosity": -1}, lightgbm.Dataset(x, np.full(N_ROWS, 5.0)), 3)
    trees = read_trees(model.model_to_string())
    np.testing.assert_allclose(onnx_scores(trees, x), model.predict(x)[:, None])


def test_score_without_trees_keeps_its_base():
    x, y = data(4, 0.0)
    settings = {"objective": "multiclass", "num_class": 5, "verbosity": -1}  # the fifth class never occurs
    model = lightgbm.train(settings, lightgbm.Dataset(x, y), 3)
    trees = read_trees(model.model_to_string())
    np.testing.assert_allclose(onnx_scores(trees, x), model.predict(x, raw_score=True), rtol=1e-5)


@pytest.mark.parametrize("setting", [{"linear_tree": True}, {"zero_as_missing": True}, {"boosting": "rf"}])
def test_lightgbm_refuses_what_it_cannot_say(setting):
    x, y = data(0, 0.1)
    settings = {"verbosity": -1, "bagging_freq": 1, "bagging_fraction": 0.5} | setting
    model = lightgbm.train(settings, lightgbm.Dataset(x, y, params=settings), 2)
    with pytest.raises(LearningError, match="cannot be read"):
        read_trees(model.model_to_string())


def test_lightgbm_refuses_categorical_splits():
    x, y = data(0, 0.0)
    x[:, 2] += 2
    settings = {"verbosity": -1, "min_data_per_group": 5, "cat_smooth": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(x, y, categorical_feature=[2]), 2)
    with pytest.raises(LearningError, match="categorical"):
        read_trees(model.model_to_string())
