"""What only the network promises: inputs of any scale, one answer for what was never seen, a schedule that ends in time."""

import time

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.learning import torch_training
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem
from tests.clocks import Ticking

PART = registry.algorithms("tabular")["mlp"]
PROBLEM = Problem("regression", "root_mean_squared_error")
CONTEXT = FitContext(PROBLEM, categories={1: 3})


def _rows(n_rows: int = 300) -> Rows:
    """A skewed number, a category of three codes, an empty and a constant column."""
    random = np.random.default_rng(0)
    x = np.full((n_rows, 4), np.nan, np.float32)
    x[:, 0], x[:, 1], x[:, 3] = random.lognormal(0, 3, n_rows), random.integers(0, 3, n_rows), 7
    return Rows(x, np.log(x[:, 0]) + 3.0 * (x[:, 1] == 1))


def _small(**changes):
    return PART.portfolio(PROBLEM)[0] | {"epochs": 40, "width": 32} | changes


def test_learns_from_a_skewed_number_and_a_category():
    rows = _rows()
    model = PART.fit(_small(), rows, None, CONTEXT)
    assert np.mean((PART.predict(model, rows.x)[:, 0] - rows.y) ** 2) < 0.1 * rows.y.var()


def test_missing_and_unseen_codes_get_one_answer_within_those_of_the_seen():
    rows = _rows()
    model = PART.fit(_small(), rows, None, CONTEXT)
    x = np.repeat(rows.x[:1], 6, axis=0)
    x[:, 1] = [0, 1, 2, np.nan, -1, 99]
    answers = PART.predict(model, x)[:, 0]
    np.testing.assert_allclose(answers[3:], answers[3], rtol=1e-6)
    assert answers[:3].min() < answers[3] < answers[:3].max()


@pytest.mark.parametrize("value", [-1e30, 1e30])
def test_an_outlier_does_not_run_away(value):
    rows = _rows()
    model = PART.fit(_small(), rows, None, CONTEXT)
    x = rows.x[:1].copy()
    x[0, 0] = value
    assert abs(PART.predict(model, x)[0, 0] - rows.y.mean()) < 3 * np.ptp(rows.y)


def test_ends_in_time(monkeypatch):
    """Thousands of steps are planned, and there is time for a few hundred."""
    clock = Ticking(seconds_a_look=0.01)
    monkeypatch.setattr(torch_training, "time", clock)
    deadline = clock.now + 3
    PART.fit(_small(epochs=10_000, width=128), _rows(2000), None, FitContext(PROBLEM, deadline=deadline))
    assert deadline - 1 < clock.now < deadline + 0.05


def test_a_clock_that_has_time_changes_nothing():
    """The training script, which has none, gets the network of the run."""
    rows = _rows()
    models = [
        PART.fit(_small(epochs=8), rows, rows, FitContext(PROBLEM, categories={1: 3}, deadline=deadline))
        for deadline in (time.monotonic() + 100, float("inf"))
    ]
    np.testing.assert_array_equal(*(PART.predict(model, rows.x) for model in models))


def test_a_row_without_any_column_that_varies_gets_the_mean():
    rows = Rows(np.full((50, 2), 7, np.float32), np.arange(50.0))
    model = PART.fit(_small(), rows, None, FitContext(PROBLEM))
    assert abs(PART.predict(model, rows.x)[0, 0] - 24.5) < 5
