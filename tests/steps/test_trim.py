"""Fold models are left out to keep the time of a row; the members and the score stand."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.latency import Work
from automl_assets.records import Fitted, Member
from automl_assets.steps.predict import answer
from automl_assets.steps.trim import _counts, trim


def _member(weight: float, n_models: int) -> Member:
    return Member(f"of {weight}", "knn", weight, Fitted(tuple(range(n_models))))


def test_nothing_is_left_out_while_the_time_is_kept() -> None:
    assert _counts([_member(0.5, 8), _member(0.5, 5)], Work(10), [Work(10), Work(10)], 0.5) == [8, 5]


def test_the_dear_and_unimportant_go_first() -> None:
    members = [_member(0.5, 8), _member(0.5, 8), _member(0.1, 8)]
    dear, cheap, light = _counts(members, Work(10), [Work(50), Work(5), Work(50)], 0.4)
    assert 50 * dear + 5 * cheap + 50 * light + 10 <= 400
    assert cheap == 8 > dear > light >= 1


def test_every_member_keeps_a_model() -> None:
    assert _counts([_member(0.9, 3), _member(0.1, 3)], Work(10), [Work(1000), Work(1000)], 0.1) == [1, 1]


def test_a_trimmed_ensemble_answers_with_the_models_that_stay(learned) -> None:
    case = learned("regression")
    linear = next(c for c in case.candidates if c.algorithm == "elastic_net").trials[0]
    member = Member(linear.name, linear.algorithm, 1.0, linear.fitted)
    whole = replace(case.ensemble, kind="single", members=(member,), stack=None)
    trimmed = trim(whole, 1e-6)
    assert [len(m.fitted.models) for m in (*whole.members, *trimmed.members)] == [2, 1]
    rows = case.dataset.table.head(20)
    assert np.abs(answer(trimmed, rows) - answer(whole, rows)).max() > 0
    assert trimmed.score == whole.score
    assert trim(whole, None) is whole


@pytest.mark.parametrize("case", ["texts", "three_texts", "regression"])
def test_a_real_ensemble_is_far_from_the_bound(case, learned) -> None:
    """Its estimate is a fraction of half a millisecond, as is what was measured."""
    ensemble = learned(case).ensemble
    assert [len(m.fitted.models) for m in trim(ensemble, 0.5).members] == [
        len(m.fitted.models) for m in ensemble.members
    ]
