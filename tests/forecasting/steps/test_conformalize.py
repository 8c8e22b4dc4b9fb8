"""Margins hold the truth as often as they say, wherever errors differ: by step, by series, by side."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.forecasting.metrics import ForecastTruth, coverage, score
from automl_assets.forecasting.steps import backtest
from automl_assets.forecasting.steps.conformalize import conformalize, held_out, quantiles, scores_of_each

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


@pytest.fixture
def make_truth(make_group):
    def make(n_series: int, n_windows: int, horizon: int = 6) -> ForecastTruth:
        group = make_group(
            n_series, length=40 + horizon * n_windows, horizon=horizon, step=horizon, n_windows=n_windows, n_test=0
        )
        return backtest.truth(group.panel, group.problem)

    return make


def _errors(truth: ForecastTruth, seed: int, growth: float = 0.0) -> np.ndarray:
    """Normal ones, in units of each series' scale, that grow with the horizon."""
    normal = np.random.default_rng(seed).normal(size=truth.y.shape)
    return normal * truth.scales[:, None] * (1 + growth * np.arange(truth.horizon))


def _coverage_of_new(truth: ForecastTruth, growth: float = 0.0, seed: int = 0) -> dict[str, float]:
    margins, scales = conformalize(truth, truth.y + _errors(truth, seed, growth))
    return coverage(truth, quantiles(truth.y + _errors(truth, seed + 1000, growth), margins, scales))


@pytest.mark.parametrize(("n_series", "n_windows"), [(40, 3), (5, 3), (1, 3)], ids=["many", "some", "one"])
@pytest.mark.parametrize("growth", [0.0, 0.5])
def test_new_errors_are_held_as_often_as_told(make_truth, n_series: int, n_windows: int, growth: float) -> None:
    truth = make_truth(n_series, n_windows)
    found = [_coverage_of_new(truth, growth, seed) for seed in range(60)]
    slack = 0.02 if n_series > 1 else 0.05  # of eighteen errors the rank of each is told in steps of a twentieth
    for name, level in (("coverage_80", 0.8), ("coverage_95", 0.95)):
        assert np.mean([one[name] for one in found]) == pytest.approx(level, abs=slack)


def _walk_coverage(with_targets, n_windows: int, step: int, seed: int, horizon: int = 12) -> float:
    """Of the 80 % interval of a random walk's next stamps, forecast by its last value."""
    y = 100 + np.cumsum(np.random.default_rng(seed).normal(size=72))
    group = with_targets([y], n_test=horizon, horizon=horizon, n_windows=n_windows, step=step, periods=())
    truth = backtest.truth(group.panel, group.problem)
    point = np.array([[np.full(horizon, y[end - 1]) for end in ends] for ends in truth.ends])
    ahead = quantiles(np.full((1, horizon), y[-horizon - 1]), *conformalize(truth, point))[0]
    return float(((ahead[:, 1] <= y[-horizon:]) & (y[-horizon:] <= ahead[:, 3])).mean())


@pytest.mark.parametrize(("n_windows", "step"), [(10, 1), (10, 4)], ids=["all overlap", "some overlap"])
def test_windows_that_overlap_are_not_told_for_more_than_they_are(with_targets, n_windows: int, step: int) -> None:
    """Ten windows a step apart have seen little more than one: their errors are one error seen ten times."""
    found = [_walk_coverage(with_targets, n_windows, step, seed) for seed in range(40)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_a_window_is_held_by_those_that_share_no_stamp_with_it(make_group) -> None:
    group = make_group(2, horizon=6, step=3, n_windows=5, n_test=0)
    truth = backtest.truth(group.panel, group.problem)
    assert [truth.beside(window)[0].tolist() for window in (0, 2)] == [[2, 3, 4], [0, 4]]
    near = truth.part(np.array([0, 1]), np.arange(2))
    (other,), left = near.beside(0)
    assert other == 1 and np.isfinite(left.y[0]).tolist() == [[False] * 3 + [True] * 3] * 2
    assert (truth.n_apart, near.n_apart) == (3.0, 1.5)


def test_windows_that_differ_widen_margins(make_truth) -> None:
    """Half of the windows is wrong by three times as much: what one tells of the other falls short."""
    truth = make_truth(40, 2)
    sizes = np.array([1.0, 3.0])[:, None, None]
    alike, _ = conformalize(truth, truth.y + _errors(truth, 0) * np.sqrt(np.mean(sizes**2)))
    apart, _ = conformalize(truth, truth.y + _errors(truth, 0) * sizes)
    assert (apart[:, -1] > 1.2 * alike[:, -1]).all()


def test_margins_grow_where_errors_do(make_truth) -> None:
    truth = make_truth(40, 3)
    margins, _ = conformalize(truth, truth.y + _errors(truth, 0, growth=0.5))
    assert margins[-1, -1] / margins[0, -1] == pytest.approx(3.5, rel=0.25)
    level, _ = conformalize(truth, truth.y + _errors(truth, 0))
    assert level[-1, -1] / level[0, -1] == pytest.approx(1.0, rel=0.15)


def test_margins_are_ordered_around_the_point(make_truth) -> None:
    for n_series, shift in ((1, 0.0), (40, 0.0), (40, 5.0)):
        truth = make_truth(n_series, 3)
        margins, _ = conformalize(truth, truth.y + _errors(truth, 0) + shift * truth.scales[:, None])
        assert (np.diff(margins, axis=1) >= 0).all()
        np.testing.assert_array_equal(margins[:, 2], 0.0)


def test_errors_of_one_side_give_margins_of_one_side(make_truth) -> None:
    truth = make_truth(40, 3)
    margins, _ = conformalize(truth, truth.y - np.abs(_errors(truth, 0)))  # the truth is always above
    assert (margins[:, :2] == 0).all() and (margins[:, 3:] > 0.5).all()


def test_series_that_are_hard_have_wider_intervals(make_truth) -> None:
    truth = make_truth(20, 4)
    hardness = np.where(np.arange(20) < 10, 1.0, 4.0)[:, None]
    _, scales = conformalize(truth, truth.y + hardness * _errors(truth, 0))
    ratios = scales / truth.scales
    assert 1.8 < ratios[10:].mean() / ratios[:10].mean() < 4.0  # drawn towards all others


def test_quantiles_beyond_the_horizon_widen_as_a_random_walk(make_truth) -> None:
    truth = make_truth(5, 3)
    margins, scales = conformalize(truth, truth.y + _errors(truth, 0))
    wide = quantiles(np.zeros((5, 24)), margins, scales)
    np.testing.assert_allclose(wide[:, 23], 2 * wide[:, 5])
    np.testing.assert_allclose(wide[:, :6], margins * scales[:, None, None])


def test_without_errors_margins_are_wide_rather_than_none(make_truth) -> None:
    truth = make_truth(2, 3)
    truth = replace(truth, ends=np.full_like(truth.ends, -1))
    margins, scales = conformalize(truth, np.full(truth.y.shape, np.nan))
    assert (margins[:, 4] > 1.5).all() and (scales == truth.scales).all()


def test_forecasts_without_an_error_have_no_width(make_truth) -> None:
    truth = make_truth(3, 3)
    margins, _ = conformalize(truth, truth.y)
    assert np.abs(margins).max() < 1e-300 or np.abs(margins).max() == 0


def test_a_window_is_held_by_margins_of_the_others(make_truth) -> None:
    truth = make_truth(10, 3)
    point = truth.y + _errors(truth, 0) * np.array([100.0, 1, 1])[:, None, None]
    found = held_out(truth, point)
    wide = (found[..., 4] - found[..., 0]).mean(axis=(1, 2))
    assert wide[0] < 0.1 * wide[1]
    assert np.isnan(held_out(truth.part(np.array([0]), np.arange(10)), point[:1])).all()


def test_what_judges_quantiles_has_calibrated_ones(make_truth) -> None:
    """By their points alone two forecasts whose errors differ in nothing but how far they can be told in advance are alike."""
    truth = make_truth(20, 3)
    random, size = np.random.default_rng(0), truth.scales[:, None]
    even = truth.y + size * random.choice([-1.0, 1.0], truth.y.shape)
    wild = truth.y + size * random.choice([-1.0, 1.0], truth.y.shape) * random.exponential(1.0, truth.y.shape)
    points = np.array([even, wild])
    found = scores_of_each("pinball_loss", truth, points)
    assert found[0] < found[1]
    assert found[0] == score("pinball_loss", truth, even, held_out(truth, even)) < score("pinball_loss", truth, even)
    np.testing.assert_array_equal(
        scores_of_each("MASE", truth, points), [score("MASE", truth, even), score("MASE", truth, wild)]
    )


def test_a_learnt_series_that_never_changed_has_a_narrow_interval(make_truth) -> None:
    truth = make_truth(6, 3)
    y = truth.whole.y.copy()
    y[: truth.whole.offsets[1]] = 500.0
    still = replace(truth, learnt=replace(truth.learnt, y=y), whole=replace(truth.whole, y=y))
    point = still.y + _errors(still, 0)
    point[:, 0] = 500.0
    margins, scales = conformalize(still, point)
    low, *_, high = quantiles(np.full((6, 6), 500.0), margins, scales)[0, 0]
    assert 480 < low < 500 < high < 520, "its errors are none, and it never moved in 58 stamps"
    assert scales[1:] == pytest.approx(conformalize(truth, truth.y + _errors(truth, 0))[1][1:], rel=0.35)
