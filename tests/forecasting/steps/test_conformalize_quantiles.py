"""Intervals keep the shape that members see, hold the truth as often as they say, and answer only where they are better."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.forecasting.metrics import ForecastTruth, coverage, score
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.steps import backtest, conformalize
from automl_assets.forecasting.steps.conformalize import around
from automl_assets.forecasting.steps.conformalize_quantiles import Spread, calibrate, chosen, held_out

NORMAL = np.array([-1.96, -1.2816, 0.0, 1.2816, 1.96])  # quantiles of `make_group`'s levels
LEANING = np.array([-0.3, -0.2, 0.0, 3.0, 5.0])


def sizes(shape: tuple[int, ...]) -> np.ndarray:
    """How large errors are: eight times as large at a third of the stamps."""
    return np.where(np.random.default_rng(7).random(shape) < 1 / 3, 8.0, 1.0)


@pytest.fixture
def truth(make_group) -> ForecastTruth:
    return truth_of(make_group(n_series=8, length=90, n_windows=4, n_test=0))


def truth_of(group: Group) -> ForecastTruth:
    return backtest.truth(group.panel, group.problem)


def point_of(truth: ForecastTruth, seed: int, are_alike: bool = False) -> np.ndarray:
    size = 4.0 if are_alike else sizes(truth.y.shape)
    return truth.y + size * np.random.default_rng(seed).normal(size=truth.y.shape)


def spread_of(truth: ForecastTruth, told: float = 0.4, weight: float = 1.0) -> Spread:
    """Of a member that knows when errors are large, but tells less than half of how large."""
    own = told * sizes(truth.y.shape)[..., None] * NORMAL
    return Spread(weight * own, np.full(truth.y.shape, weight))


@pytest.mark.parametrize("weight", [1.0, 0.5, 0.2])
def test_new_errors_are_held_as_often_as_told_and_lose_less(truth: ForecastTruth, weight: float) -> None:
    """The member's share speaks for itself, margins for the rest; windows to come are held by what these have told."""
    held, lost = [], []
    for seed in range(5):
        point, new, spread = point_of(truth, seed), point_of(truth, seed + 100), spread_of(truth, weight=weight)
        best = chosen(truth, point, spread)
        assert best is not None and (best.weight == 1).all()
        shaped = around(new, calibrate(truth, point, best).distances(best, truth.levels))
        plain = conformalize.quantiles(new, *conformalize.conformalize(truth, point))
        held.append(coverage(truth, shaped))
        lost.append([score("pinball_loss", truth, new, one) for one in (shaped, plain)])
        assert (np.diff(shaped, axis=-1) >= 0).all()
        np.testing.assert_array_equal(shaped[..., 2], new)
    assert np.mean([one["coverage_80"] for one in held]) == pytest.approx(0.8, abs=0.03)
    assert np.mean([one["coverage_95"] for one in held]) == pytest.approx(0.95, abs=0.02)
    shaped, plain = np.mean(lost, axis=0)
    assert shaped < 0.87 * plain


def test_margins_answer_where_the_members_quantiles_tell_nothing(truth: ForecastTruth) -> None:
    random = np.random.default_rng(99)
    for seed in range(4):
        point = point_of(truth, seed, are_alike=True)
        noise = random.lognormal(sigma=1.0, size=truth.y.shape)[..., None] * NORMAL
        assert chosen(truth, point, Spread(noise, np.ones(truth.y.shape))) is None
        assert chosen(truth, point, Spread(0 * noise, np.zeros(truth.y.shape))) is None


def test_too_few_windows_cannot_tell(truth: ForecastTruth) -> None:
    for n_windows, is_told in ((1, False), (2, False), (3, True)):
        some = truth.part(np.arange(n_windows), np.arange(8))
        assert (chosen(some, point_of(some, 0), spread_of(some)) is not None) == is_told


def test_intervals_lean_where_members_see_that_errors_do(truth: ForecastTruth) -> None:
    """Errors of exponential size to one side on odd series, to the other on even ones: no margin of all holds both."""
    sides = np.where(np.arange(8) % 2 == 0, 1.0, -1.0)[:, None]
    errors = sides * (np.random.default_rng(1).exponential(3.0, truth.y.shape) - 2.0)
    ahead = np.where(sides[:, :, None] > 0, LEANING, -LEANING[::-1])
    spread = Spread(np.broadcast_to(ahead, (*truth.y.shape, 5)), np.ones(truth.y.shape))
    found = calibrate(truth, truth.y - errors, spread).distances(spread, truth.levels)
    up, down = found[:, ::2], found[:, 1::2]
    assert (up[..., 4] > 1.5 * -up[..., 0]).all() and (-down[..., 0] > 1.5 * down[..., 4]).all()


def test_windows_are_held_out(truth: ForecastTruth) -> None:
    """A window's own errors have no say in its quantiles, and none lies below the floor."""
    floored, point = replace(truth, floor=0.0), point_of(truth, 0)
    changed = np.where(np.arange(4)[:, None, None] == 2, 100.0 + point, point)
    before, after = (held_out(floored, one, spread_of(truth)) for one in (point, changed))
    np.testing.assert_allclose(after[2] - changed[2][..., None], before[2] - point[2][..., None])
    assert not np.allclose(before[0], after[0]) and before.min() >= 0
    assert np.isnan(held_out(truth.part(np.array([0]), np.arange(8)), point[:1], spread_of(truth).part([0]))).all()


def test_where_no_member_brings_quantiles_margins_speak_alone(truth: ForecastTruth) -> None:
    spread, point = spread_of(truth), point_of(truth, 0)
    weight = np.where(np.arange(8)[:, None] == 3, 0.0, spread.weight)
    some = Spread(spread.own * weight[..., None], weight)
    made = calibrate(truth, point, some)
    margins = made.margins * made.scales[:, None, None]
    np.testing.assert_array_equal(made.distances(some, truth.levels)[:, 3], np.broadcast_to(margins[3], (4, 6, 5)))
