"""The trees of scikit-learn's histogram boosting are read as they are."""

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from automl_assets.errors import LearningError
from automl_assets.tabular.algorithms.gradient_boosting import read_trees
from tests.exact_trees import assert_exact, data, every_problem, every_share


@every_problem
@every_share
def test_sklearn_histogram_boosting_is_exact(n_classes, missing):
    x, y = data(n_classes, missing)
    kind = HistGradientBoostingClassifier if n_classes else HistGradientBoostingRegressor
    booster = kind(max_iter=20, random_state=0).fit(x, y)
    raw = booster.decision_function if n_classes else booster.predict
    assert_exact(x, read_trees(booster), raw)


def test_sklearn_histogram_boosting_refuses_categorical_splits():
    x, y = data(0, 0.0)
    x[:, 2] += 2
    booster = HistGradientBoostingRegressor(max_iter=2, categorical_features=[2]).fit(x, y)
    with pytest.raises(LearningError, match="categorical"):
        read_trees(booster)
