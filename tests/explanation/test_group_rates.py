"""Means of groups, and how far apart these surely are."""

import numpy as np
import pytest

from automl_assets.explanation.group_rates import GroupMeans, sure_difference, sure_ratio


def means(n_groups: int, n_each: int, seed: int = 0, gap: float = 0.0) -> GroupMeans:
    random, group = np.random.default_rng(seed), np.repeat(np.arange(n_groups), n_each)
    return GroupMeans.of(
        random.normal(1.0 + gap * (group == 0), 1.0), group, np.ones(len(group)), np.arange(len(group))
    )


def test_errors_are_those_of_means() -> None:
    found = means(3, 1_000)
    assert found.errors == pytest.approx(1 / np.sqrt(1_000), rel=0.1)


def test_rows_of_one_unit_count_once() -> None:
    values, group = np.random.default_rng(0).normal(size=100), np.repeat([0, 1], 50)
    once = GroupMeans.of(values, group, np.ones(100), np.arange(100))
    again = np.tile(np.arange(100), 5)
    assert GroupMeans.of(values[again], group[again], np.ones(500), again).errors == pytest.approx(once.errors)


def test_a_single_unit_is_sure_of_nothing() -> None:
    group = np.repeat([0, 1], 50)
    found = GroupMeans.of(np.linspace(1, 2, 100), group, np.ones(100), group)
    assert np.isinf(found.errors).all()
    assert (sure_difference([found]), sure_ratio([found])) == (0.0, 1.0)


def test_a_group_in_which_nothing_happened_is_not_sure_of_it() -> None:
    is_inside, group = np.arange(60) % 60 >= 57, np.repeat([0, 1], 30)  # none of 30, and three of 30
    found = GroupMeans.of_shares(is_inside, group, np.ones(60), np.arange(60))
    assert found.errors[0] > 0 and sure_ratio([found]) == 1.0


def test_near_ends_lie_below_the_truth_in_nineteen_of_twenty_cases() -> None:
    ends = np.array([sure_difference([means(5, 100, seed, gap=0.5)]) for seed in range(200)])
    assert np.mean(ends > 0.5) <= 0.05
    assert ends.mean() > 0.05
