"""Trees and forests of scikit-learn are read as they are, large ones too."""

import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier

from automl_assets.learning.forests import read_trees
from tests.exact_trees import assert_exact, data, every_share


@every_share
@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_sklearn_classifiers_are_exact(kind, n_classes, missing):
    x, y = data(n_classes, missing)
    forest = kind(20, random_state=0).fit(x, y)
    assert_exact(x, read_trees(forest), forest.predict_proba)


@every_share
@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_sklearn_regressors_are_exact(kind, missing):
    x, y = data(0, missing)
    forest = kind(20, random_state=0).fit(x, y)
    assert_exact(x, read_trees(forest), forest.predict)


@every_share
def test_a_single_sklearn_tree_is_exact(missing):
    x, y = data(4, missing)
    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=0).fit(x, y)
    assert_exact(x, read_trees(tree), tree.predict_proba)


def test_large_trees_are_exact():
    x, y = data(0, 0.1, n_rows=20_000)
    forest = ExtraTreesRegressor(3, random_state=0).fit(x, y)
    trees = read_trees(forest)
    assert trees.n_nodes > 50_000
    assert_exact(x, trees, forest.predict)
