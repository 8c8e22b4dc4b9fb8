"""A challenger must be better beyond noise; a champion that does not know a class must only not be better itself."""

from dataclasses import replace

import pytest

from automl_assets.model_records import Comparison
from automl_assets.steps.promote import needed, promote

FOUND = Comparison("3", "test rows", 200, 0.8, 0.82, 0.02, (0.001, 0.04), 0.97)


@pytest.mark.parametrize(
    ("interval", "share", "unknown", "is_champion"),
    [
        ((0.001, 0.04), 0.97, (), True),
        ((-0.001, 0.04), 0.95, (), True),
        ((-0.002, 0.04), 0.949, (), False),
        ((0.0, 0.0), 0.0, (), False),
        ((-0.04, -0.01), 0.0, (), False),
        ((0.0, 0.0), 0.0, ("new",), True),
        ((-0.02, 0.01), 0.3, ("new",), True),
        ((-0.04, -0.01), 0.0, ("new",), False),
    ],
)
def test_promotion(interval: tuple, share: float, unknown: tuple, is_champion: bool) -> None:
    found = replace(FOUND, interval=interval, share=share, unknown=unknown)
    assert promote("accuracy", found)[0] is is_champion


def test_the_reason_tells_both_scores_the_rows_and_how_sure_it_is() -> None:
    assert promote("accuracy", FOUND)[1] == (
        "accuracy 0.82 against 0.8 of version 3 on 200 test rows; better by 0.02 (95 % interval 0.001 to 0.04), "
        "sure to 97 %: better beyond noise"
    )
    within = replace(FOUND, share=0.7, interval=(-0.01, 0.04))
    assert promote("accuracy", within)[1].endswith(
        ": not better beyond noise, for which 95 % are needed; version 3 stays the champion"
    )
    worse = replace(FOUND, share=0.0, interval=(-0.03, -0.01))
    assert promote("accuracy", worse)[1].endswith(": worse beyond noise; version 3 stays the champion")
    assert promote("accuracy", replace(within, unknown=("owl", "fox")))[1].endswith(
        "and version 3 has never met owl, fox"
    )


def test_the_more_often_the_same_rows_judge_the_surer_a_challenger_must_be() -> None:
    assert promote("accuracy", replace(FOUND, confidence=0.98))[0]
    found = replace(FOUND, confidence=0.98, judgement=3)
    assert promote("accuracy", found) == (
        False,
        "accuracy 0.82 against 0.8 of version 3 on 200 test rows; better by 0.02 (95 % interval 0.001 to 0.04), sure to "
        "98 %: not better beyond noise, for which 99.4444 % are needed (most of these rows judge for the 3rd time, and "
        "chance adds up); version 3 stays the champion",
    )
    assert promote("accuracy", replace(found, confidence=0.995))[0]


def test_false_promotions_are_few_however_often_the_same_rows_judge() -> None:
    assert sum(1 - needed(judgement) for judgement in range(1, 10_000)) < 0.083


def test_groups_that_were_drawn_whole_are_named() -> None:
    assert (
        " on 200 test rows (20 groups, each drawn whole); better by"
        in promote("accuracy", replace(FOUND, unit="groups", n_units=20))[1]
    )
