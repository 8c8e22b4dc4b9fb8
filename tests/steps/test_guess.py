"""A model that is no better than the best constant is told from one that is."""

import numpy as np
import pytest

from automl_assets.records import Problem
from automl_assets.steps.guess import why_a_guess

CLASSES = Problem("classification", "accuracy", ("no", "yes"))
Y = np.array([0] * 30 + [1] * 20)


def _said(p_yes: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - p_yes, p_yes])


def test_a_constant_is_a_guess(answered) -> None:
    why = why_a_guess(*answered(CLASSES, Y, _said(np.full(50, 0.4))))
    assert why == (
        "it is no better than a guess that looks at no column: accuracy 0.6 on the 50 rows that validated it, a guess has 0.6"
    )


def test_one_row_better_is_no_guess(answered) -> None:
    assert why_a_guess(*answered(CLASSES, Y, _said(np.where(np.arange(50) >= 49, 0.9, 0.1)))) == ""


@pytest.mark.parametrize(("metric", "is_guess"), [("r2_score", False), ("root_mean_squared_error", False)])
def test_values_are_held_against_their_mean(answered, metric: str, is_guess: bool) -> None:
    problem, y = Problem("regression", metric), np.arange(20.0)
    assert bool(why_a_guess(*answered(problem, y, y[:, None] + 1.0))) == is_guess
    assert "no better than a guess" in why_a_guess(*answered(problem, y, np.full((20, 1), 9.5)))


def test_only_rows_with_an_answer_are_judged(answered) -> None:
    said = _said(np.full(50, 0.4))
    said[:10] = np.nan
    assert "on the 40 rows" in why_a_guess(*answered(CLASSES, Y, said))
