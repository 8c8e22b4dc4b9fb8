"""What only this algorithm promises: curves and surfaces that show what they found."""

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem

PART = registry.algorithms("tabular")["explainable_boosting"]
PROBLEM = Problem("regression", "root_mean_squared_error")


def _rows(n_rows: int) -> Rows:
    """A curve of column 0 and a surface of columns 2 and 4; columns 1 and 3 say nothing."""
    x = np.random.default_rng(0).normal(size=(n_rows, 5)).astype(np.float32)
    return Rows(x, (np.abs(x[:, 0]) + 2 * np.sign(x[:, 2]) * np.sign(x[:, 4])).astype(np.float64))


def test_finds_the_pair_that_matters():
    rows = _rows(1000)
    config = PART.portfolio(PROBLEM)[0] | {"rounds": 300, "pairs_per_column": 0.2}
    model = PART.fit(config, rows, None, FitContext(PROBLEM))
    assert [term.columns for term in model.terms if len(term.columns) == 2] == [(2, 4)]
    assert np.mean((PART.predict(model, rows.x)[:, 0] - rows.y) ** 2) < 0.1 * rows.y.var()


def test_terms_add_up_to_the_answer():
    rows = _rows(300)
    model = PART.fit(PART.portfolio(PROBLEM)[0] | {"rounds": 20}, rows, None, FitContext(PROBLEM))
    total = model.base + sum(term.scores(rows.x) for term in model.terms)
    np.testing.assert_allclose(model.scale.undo(total), PART.predict(model, rows.x), rtol=1e-12)


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_beyond_the_training_rows_a_curve_stays_where_it_was(value):
    rows = _rows(300)
    model = PART.fit(PART.portfolio(PROBLEM)[0] | {"rounds": 20}, rows, None, FitContext(PROBLEM))
    edge = rows.x[[rows.x[:, 0].argmin() if value < 0 else rows.x[:, 0].argmax()]]
    far = edge.copy()
    far[0, 0] = value
    np.testing.assert_array_equal(PART.predict(model, far), PART.predict(model, edge))
