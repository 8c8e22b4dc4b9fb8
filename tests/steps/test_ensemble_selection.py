"""Votes go to what makes their mean best, the best on the way are kept, and every algorithm has its best considered."""

import numpy as np
import pytest

from automl_assets.records import Trial
from automl_assets.steps.ensemble_selection import MAX_MEMBERS, contenders, greedy_votes

TRUTH = np.array([1.0, 2.0, 4.0])


def _goodness(many: np.ndarray) -> np.ndarray:
    return -np.abs(many - TRUTH).mean(axis=1)


def test_errors_that_cancel_out_share_the_votes() -> None:
    votes = greedy_votes([TRUTH + 1, TRUTH - 1, TRUTH + 9], _goodness, n_steps=8)
    np.testing.assert_array_equal(votes, [1, 1, 0])


def test_one_step_chooses_the_best() -> None:
    np.testing.assert_array_equal(greedy_votes([TRUTH + 2, TRUTH - 1], _goodness, n_steps=1), [0, 1])


def test_someone_has_a_vote_where_the_metric_has_no_value() -> None:
    votes = greedy_votes([TRUTH, TRUTH], lambda many: np.full(len(many), -np.inf), n_steps=5)
    assert votes.sum() == 1


def test_a_gain_too_small_does_not_count() -> None:
    predictions = [TRUTH + 1, TRUTH + 0.999]
    assert greedy_votes(predictions, _goodness, 5).tolist() == [0, 1]
    assert greedy_votes([TRUTH + 1, TRUTH - 0.99], _goodness, 5, smallest_gain=2.0).tolist() == [0, 1]


@pytest.mark.parametrize(("patience", "n_asked"), [(3, 5), (None, 20)])
def test_patience_ends_the_search(patience: int | None, n_asked: int) -> None:
    """The second step is the last that gains."""
    asked = 0

    def goodness(many: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += 1
        return _goodness(many)

    greedy_votes([TRUTH + 1, TRUTH - 1], goodness, n_steps=20, patience=patience)
    assert asked == n_asked


def test_contenders_are_the_best_of_every_algorithm_and_then_the_best() -> None:
    many = [Trial(f"a_{number}", "a", {}, "finished", score=float(number)) for number in range(MAX_MEMBERS + 5)]
    other = Trial("b_1", "b", {}, "finished", score=-7.0)
    chosen = contenders([other, *many], "r2_score")
    assert len(chosen) == MAX_MEMBERS
    assert chosen[0] is many[-1] and chosen[-1] is other
    assert chosen == sorted(chosen, key=lambda trial: -trial.score)
