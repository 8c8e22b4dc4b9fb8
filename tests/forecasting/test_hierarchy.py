"""Reconciliation: published and hand-computed cases, and what holds for every tree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_assets.forecasting.hierarchy import (
    added_up,
    coherent,
    covariance,
    hierarchy,
    min_trace,
    projection,
    proportions,
)

METHODS = ("bottom_up", "top_down_average_proportions", "top_down_proportions_of_averages", "min_trace")
TREE = hierarchy([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("b", "z")])


def test_levels_that_put_nothing_together_are_left_out():
    """Of the group of one state, the total and the state are the same; the last column names the leaves themselves."""
    tree = hierarchy([("CA", "1", "A"), ("CA", "1", "B"), ("CA", "2", "A")])
    assert tree.paths == (("CA",), ("CA", "1"), ("CA", "2"))
    assert tree.levels.tolist() == [0, 1, 1, 2, 2, 2]
    assert hierarchy([("CA", "1")]).n_aggregates == 0


def test_min_trace_is_the_generalised_least_squares_of_the_paper():
    """P = (S' W^-1 S)^-1 S' W^-1, which the module computes without inverting W."""
    random = np.random.default_rng(0)
    half = random.normal(size=(8, 8))
    spread, summing = half @ half.T, np.vstack([TREE.aggregation, np.eye(5)])
    inverse = np.linalg.inv(spread)
    expected = np.linalg.solve(summing.T @ inverse @ summing, summing.T @ inverse)
    np.testing.assert_allclose(min_trace(TREE, spread), expected)
    variances = np.diag(spread)
    np.testing.assert_allclose(min_trace(TREE, variances), min_trace(TREE, np.diag(variances)))


def test_exact_nodes_are_believed():
    """A total without error stays as it is, and its leaves share the difference by their variances."""
    tree = hierarchy([("a",), ("b",)])
    found = coherent(tree.aggregation, min_trace(tree, np.array([0.0, 1.0, 3.0])), np.array([12.0, 4.0, 4.0]))
    np.testing.assert_allclose(found, [12.0, 5.0, 7.0])


def test_shrinkage_is_that_of_the_package_hts():
    """`hts:::shrink.estim` written down once more, pair by pair."""
    errors = np.random.default_rng(1).normal(size=(8, 20)) + np.linspace(0, 1, 20)
    n = errors.shape[1]
    sizes = np.sqrt((errors**2).mean(axis=1))
    xs = errors / sizes[:, None]
    above = below = 0.0
    for i in range(8):
        for j in range(8):
            if i != j:
                r = (xs[i] * xs[j]).mean()
                above += ((xs[i] ** 2 * xs[j] ** 2).sum() - (xs[i] * xs[j]).sum() ** 2 / n) / (n * (n - 1))
                below += r**2
    share = min(1.0, above / below)
    plain = errors @ errors.T / n
    expected = share * np.diag(np.diag(plain)) + (1 - share) * plain
    assert 0 < share < 1
    np.testing.assert_allclose(covariance(TREE, errors), expected)


def test_few_errors_give_variances_and_none_the_number_of_leaves():
    errors = np.random.default_rng(1).normal(size=(8, 2))
    np.testing.assert_allclose(covariance(TREE, errors), (errors**2).mean(axis=1))
    holes = np.where(np.eye(8, 4, dtype=bool), np.nan, 2.0)
    np.testing.assert_allclose(covariance(TREE, holes), np.full(8, 4.0))
    assert covariance(TREE, np.full((8, 3), np.nan)).tolist() == [5, 2, 3, 1, 1, 1, 1, 1]
    assert covariance(TREE, np.zeros((8, 3))).tolist() == [5, 2, 3, 1, 1, 1, 1, 1]


def test_proportions_of_nothing_are_equal():
    for is_of_averages in (False, True):
        assert proportions(np.zeros((4, 3)), is_of_averages).tolist() == [0.25] * 4
    assert proportions(np.array([[0.0, 1.0], [0.0, 3.0]]), False).tolist() == [0.25, 0.75]


NUMBERS = st.floats(-1e3, 1e3)


@settings(max_examples=60, deadline=None)
@given(
    paths=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3)), min_size=1, max_size=9),
    method=st.sampled_from(METHODS),
    is_positive=st.booleans(),
    data=st.data(),
)
def test_every_method_adds_up_on_every_tree(paths, method, is_positive, data):
    """Coherent whatever the base; and what is coherent already stays as it is, but for the methods that look from the top."""
    tree = hierarchy([tuple(map(str, path)) for path in dict.fromkeys(paths)])
    n_nodes = tree.n_aggregates + tree.n_leaves
    history = data.draw(arrays(float, (tree.n_leaves, 4), elements=st.floats(0, 1e3)))
    errors = data.draw(arrays(float, (n_nodes, 6), elements=NUMBERS))
    base = data.draw(arrays(float, (n_nodes, 2), elements=NUMBERS))
    found = projection(tree, method, history, errors)
    answers = coherent(tree.aggregation, found, base, is_positive)
    leaves = answers[tree.n_aggregates :]
    np.testing.assert_allclose(answers[: tree.n_aggregates], tree.aggregation @ leaves, rtol=1e-9, atol=1e-6)
    assert not is_positive or (answers >= 0).all()
    if not method.startswith("top_down"):
        whole = added_up(tree.aggregation, base[tree.n_aggregates :])
        np.testing.assert_allclose(coherent(tree.aggregation, found, whole), whole, rtol=1e-6, atol=1e-4)
    elif tree.n_aggregates and not is_positive:
        np.testing.assert_allclose(answers[0], base[0], rtol=1e-6, atol=1e-6)


def test_min_trace_beats_the_base_where_errors_are_independent():
    random = np.random.default_rng(3)
    truth = added_up(TREE.aggregation, random.normal(10, 3, (5, 400)))
    sizes = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0])[:, None]
    known, later = (truth + sizes * random.normal(size=truth.shape) for _ in range(2))
    found = projection(TREE, "min_trace", truth[3:], known - truth)
    errors = {"base": later - truth, "reconciled": coherent(TREE.aggregation, found, later) - truth}
    squares = {name: (error**2).mean(axis=1) for name, error in errors.items()}
    assert (squares["reconciled"] < squares["base"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_leaf_alone_keeps_its_forecast(method):
    tree = hierarchy([("only",)])
    base = np.array([[3.0, 4.0]])
    np.testing.assert_array_equal(coherent(tree.aggregation, projection(tree, method, base, base), base), base)
