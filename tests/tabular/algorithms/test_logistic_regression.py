"""Logistic regression where columns outnumber rows: few that tell something are found among thousands of noise."""

import numpy as np
import pytest

from automl_assets.metrics import scores_of
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem
from automl_assets.tabular.algorithms.logistic_regression import PART, WIDE_PENALTY

PROBLEM = Problem("classification", "AUC_weighted", ("no", "yes"), positive=1)


def _rows(n_rows: int, n_columns: int, weight: float = 1.0) -> Rows:
    random = np.random.default_rng(0)
    x = random.normal(size=(n_rows, n_columns)).astype(np.float32)
    y = (x[:, :8].sum(axis=1) + random.normal(size=n_rows) > 0).astype(np.int64)
    return Rows(x, y, np.full(n_rows, weight) if weight != 1.0 else None)


def _auc(config: dict, n_columns: int, weight: float = 1.0) -> float:
    rows, context = _rows(600, n_columns, weight), FitContext(PROBLEM)
    model = PART.fit(config, rows.take(np.arange(300)), None, context)
    held_out = rows.take(np.arange(300, 600))
    odds = PART.predict(model, held_out.x)[:, 0]
    predictions = np.column_stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))])
    return scores_of(["AUC_weighted"], held_out.y, predictions, None, PROBLEM)["AUC_weighted"]


@pytest.mark.parametrize("weight", [1.0, 0.01, 100.0])
def test_the_default_finds_what_few_of_thousands_of_columns_tell(weight: float) -> None:
    """However much rows weigh."""
    default = PART.portfolio(PROBLEM)[0]
    assert _auc(default, 3_000, weight) > 0.85
    assert _auc({"C": 1.0}, 3_000, weight) < 0.75, "a ridge would do as well"


def test_fewer_columns_than_rows_meet_a_ridge() -> None:
    default = PART.portfolio(PROBLEM)[0]
    assert default[WIDE_PENALTY] == "l1"
    assert _auc(default, 20) == _auc({"C": 1.0}, 20)
