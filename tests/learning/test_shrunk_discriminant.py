"""Discriminant analysis is the same whether there are more rows than columns or fewer."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from automl_assets.learning.linear_scores import linear_scores
from automl_assets.learning.shrunk_discriminant import fit_discriminant


def _rows(n_rows: int, n_columns: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = np.arange(n_rows) % n_classes
    return random.normal(size=(n_rows, n_columns)) + random.normal(size=(n_classes, n_columns))[y], y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_shrinkage_it_is_fishers(n_classes: int) -> None:
    x, y = _rows(300, 6, n_classes)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    ours = linear_scores(fit_discriminant(x, y, n_classes, 0.0), x)
    expected = theirs.decision_function(x).reshape(len(x), -1)
    expected = expected if n_classes == 2 else expected - expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_of_many_columns_it_solves_for_rows_alone() -> None:
    """The identity of Woodbury: columns of zeros beside the others change nothing but the way."""
    x, y = _rows(40, 30, 3)
    narrow = fit_discriminant(x, y, 3, 0.5)
    covariance_of_rows = fit_discriminant(x[:, :30], y, 3, 0.5)
    wide = fit_discriminant(np.hstack([x, x]), y, 3, 0.5)
    np.testing.assert_allclose(narrow.coefficients, covariance_of_rows.coefficients)
    np.testing.assert_allclose(wide.coefficients[:30], wide.coefficients[30:], atol=1e-4)
    assert (linear_scores(wide, np.hstack([x, x])).argmax(axis=1) == y).mean() > 0.95


def test_rows_count_by_their_weights() -> None:
    x, y = _rows(60, 80, 2)
    twice = fit_discriminant(np.vstack([x, x[:20]]), np.append(y, y[:20]), 2, 0.3)
    weighted = fit_discriminant(x, y, 2, 0.3, np.where(np.arange(60) < 20, 2.0, 1.0))
    scores = (linear_scores(model, x).ravel() for model in (twice, weighted))
    assert np.corrcoef(*scores)[0, 1] > 0.99
