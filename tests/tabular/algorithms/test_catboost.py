"""CatBoost's symmetric trees are read as they are, and pruned; others are refused."""

import catboost
import numpy as np
import pytest

from automl_assets.errors import LearningError
from automl_assets.tabular.algorithms.catboost import read_trees
from tests.exact_trees import assert_exact, data, every_problem


def _catboost(n_classes: int, missing: float, tmp_path, nan_mode: str = "Min"):
    x, y = data(n_classes, missing)
    loss = {0: "RMSE", 2: "Logloss", 4: "MultiClass"}[n_classes]
    settings = {"loss_function": loss, "depth": 5, "iterations": 20, "nan_mode": nan_mode}
    model = catboost.CatBoost(settings | {"allow_writing_files": False, "verbose": False}).fit(x, y)
    model.save_model(str(tmp_path / "model.json"), format="json")
    trees = read_trees((tmp_path / "model.json").read_text())
    return x, trees, lambda rows: model.predict(rows, prediction_type="RawFormulaVal")


@every_problem
@pytest.mark.parametrize(("missing", "nan_mode"), [(0.0, "Min"), (0.15, "Min"), (0.15, "Max")])
def test_catboost_is_exact(n_classes, missing, nan_mode, tmp_path):
    assert_exact(*_catboost(n_classes, missing, tmp_path, nan_mode))


def test_catboost_refuses_trees_that_are_not_symmetric(tmp_path):
    settings = {"iterations": 2, "grow_policy": "Depthwise", "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoost(settings).fit(*data(0, 0.0))
    model.save_model(str(tmp_path / "model.json"), format="json")
    with pytest.raises(LearningError, match="SymmetricTree"):
        read_trees((tmp_path / "model.json").read_text())


def test_catboost_equal_leaves_are_merged(tmp_path):
    _, trees, _ = _catboost(0, 0.0, tmp_path)
    assert trees.n_nodes < 20 * 63
    assert np.isin(np.arange(trees.n_nodes), np.concatenate([trees.roots, trees.left, trees.right])).all()
