"""What is done with trees follows its definition, and the node that holds them stays small."""

from dataclasses import replace

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier

from automl_assets.learning.forests import read_trees
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import (
    Trees,
    add_trees,
    blank_trees,
    mean_trees,
    rescaled,
    scores,
    select_nodes,
    sum_trees,
)
from tests.exact_trees import data, onnx_scores


def _two_forests() -> tuple[np.ndarray, Trees, Trees]:
    x, y = data(4, 0.15)
    kinds = (ExtraTreesClassifier, RandomForestClassifier)
    first, second = (read_trees(kind(10, random_state=0).fit(x, y)) for kind in kinds)
    return x, first, replace(second, base=np.arange(4.0))


def test_mean_and_rescaled_follow_their_definition():
    x, first, second = _two_forests()
    fused = rescaled(mean_trees([first, second]), scale=3.0, offset=-1.0)
    expected = 3.0 * (scores(first, x) + scores(second, x)) / 2 - 1.0
    np.testing.assert_allclose(scores(fused, x), expected)
    np.testing.assert_allclose(onnx_scores(fused, x), expected, atol=2e-5)


def test_sum_follows_its_definition():
    x, first, second = _two_forests()
    total = sum_trees([first, second])
    np.testing.assert_allclose(scores(total, x), scores(first, x) + scores(second, x))
    np.testing.assert_array_equal(total.weight, np.concatenate([first.weight, second.weight]))


def test_trees_that_are_only_a_leaf_become_part_of_the_base():
    stump = replace(blank_trees(np.array([0]), 1), leaf=np.array([0]), score=np.array([0]), weight=np.array([2.5]))
    x = np.zeros((3, 4), np.float32)
    np.testing.assert_array_equal(onnx_scores(replace(stump, base=np.array([1.0])), x), np.full((3, 1), 3.5))


def test_selected_nodes_answer_as_before():
    x, first, second = _two_forests()
    keep = np.arange(first.n_nodes + second.n_nodes) < first.n_nodes
    joined = sum_trees([replace(first, base=np.zeros(4)), second])
    of_first = np.isin(joined.leaf, np.flatnonzero(keep))
    kept = replace(joined, leaf=joined.leaf[of_first], score=joined.score[of_first], weight=joined.weight[of_first])
    np.testing.assert_allclose(scores(select_nodes(kept, keep), x), scores(first, x) + second.base)


def test_file_stays_small():
    trees = read_trees(ExtraTreesRegressor(10, max_leaf_nodes=15, random_state=0).fit(*data(0, 0.15)))
    graph = Graph()
    x = graph.input("x", np.float32, [None, 4])
    graph.output("y", add_trees(graph, x, trees), np.float32, [None, 1])
    assert len(graph.build().SerializeToString()) <= 45 * trees.n_nodes
