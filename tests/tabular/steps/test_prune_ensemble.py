"""What costs more than it adds is left out, until a row takes no longer than it may."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from automl_assets.metrics import score
from automl_assets.onnx.latency import Work
from automl_assets.records import Fitted, Member
from automl_assets.tabular.steps.predict import answer
from automl_assets.tabular.steps.prune_ensemble import _counts, prune_ensemble


def _ensemble(kind: str, *members: tuple[float, int]) -> Any:
    """Of (weight, number of models)."""
    every = [Member(f"of {weight}", "knn", weight, Fitted(tuple(range(n)))) for weight, n in members]
    return SimpleNamespace(kind=kind, members=every)


def test_nothing_is_left_out_while_the_time_is_kept() -> None:
    assert _counts(_ensemble("voting", (0.5, 8), (0.5, 5)), Work(10), [Work(10), Work(10)], 0.5) == [8, 5]


def test_the_dear_and_unimportant_go_first() -> None:
    ensemble = _ensemble("voting", (0.5, 8), (0.45, 8), (0.05, 1))
    dear, cheap, light = _counts(ensemble, Work(10), [Work(50), Work(5), Work(50)], 0.4)
    assert 50 * dear + 5 * cheap + 50 * light + 10 <= 400
    assert cheap == 8 > dear > 0 == light


@pytest.mark.parametrize(("kind", "left"), [("stacking", [1, 1]), ("single", [1, 1]), ("voting", [1, 0])])
def test_only_a_vote_goes_on_without_a_member(kind, left) -> None:
    assert _counts(_ensemble(kind, (0.9, 3), (0.1, 3)), Work(10), [Work(1000), Work(1000)], 0.1) == left


def test_a_vote_without_a_member_is_scored_again(learned) -> None:
    case = learned("regression")
    first, second = (c.trials[0] for c in case.candidates if c.algorithm in ("elastic_net", "knn"))
    members = (
        Member(first.name, first.algorithm, 0.75, first.fitted),
        Member(second.name, second.algorithm, 0.25, second.fitted),
    )
    whole = replace(case.ensemble, kind="voting", members=members, stack=None)
    trimmed = prune_ensemble(whole, case.candidates, case.features, 1e-6)
    (left,) = trimmed.members
    trial = first if left.trial == first.name else second
    assert left.weight == 1.0
    np.testing.assert_allclose(trimmed.predictions, trial.predictions)
    assert trimmed.score == pytest.approx(trial.score)
    rows = case.split.is_training
    expected = score(
        case.features.truth.problem.metric,
        case.features.truth.y[rows],
        trial.predictions[rows],
        None,
        case.features.truth.problem,
    )
    assert trimmed.scores_by_kind[trimmed.kind] == pytest.approx(expected)


def test_a_trimmed_ensemble_answers_with_the_models_that_stay(learned) -> None:
    case = learned("regression")
    linear = next(c for c in case.candidates if c.algorithm == "elastic_net").trials[0]
    member = Member(linear.name, linear.algorithm, 1.0, linear.fitted)
    whole = replace(case.ensemble, kind="single", members=(member,), stack=None)
    trimmed = prune_ensemble(whole, case.candidates, case.features, 1e-6)
    assert [len(m.fitted.models) for m in (*whole.members, *trimmed.members)] == [2, 1]
    rows = case.dataset.table.head(20)
    assert np.abs(answer(trimmed, rows) - answer(whole, rows)).max() > 0
    assert trimmed.score == whole.score
    assert prune_ensemble(whole, case.candidates, case.features, None) is whole


@pytest.mark.parametrize("name", ["texts", "three_texts", "regression"])
def test_quick_members_stay_whole(name, learned) -> None:
    case = learned(name)
    trimmed = prune_ensemble(case.ensemble, case.candidates, case.features, 0.5)
    assert [len(m.fitted.models) for m in trimmed.members] == [len(m.fitted.models) for m in case.ensemble.members]
    assert trimmed.score == case.ensemble.score
