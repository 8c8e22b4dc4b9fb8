"""What comes next: as the members say, beyond the horizon, for new rows and unknown series, and from rolling origins."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.errors import DataError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.forecasting.metrics import scales
from automl_assets.forecasting.records import Covariate, ForecastMember
from automl_assets.forecasting.steps import forecast as step
from automl_assets.forecasting.steps.build_ensemble import blend
from automl_assets.forecasting.steps.forecast import forecast, rolling
from automl_assets.records import Candidate, Fitted
from automl_assets.registry import algorithms

SEASONAL, LAST = {"block": 12, "n_blocks": 1}, {"block": 1, "n_blocks": 1}


def _ensemble(group, *configs, kind="voting", weights=None):
    """A naive ensemble of given configurations."""
    fallen = blend(group, [Candidate("none", (), 0.0)], EnsembleSetting(), Budget(300, 1), 0)
    shares = weights or [1 / len(configs)] * len(configs)
    members = tuple(
        ForecastMember(f"naive_{i}", "naive", share, config, Fitted((config,)))
        for i, (config, share) in enumerate(zip(configs, shares, strict=True))
    )
    return replace(fallen, members=members, kind=kind)


def _repeated(y, block, n):
    return y[-block:][np.arange(n) % block]


def test_members_are_weighed(make_group) -> None:
    group = make_group(n_series=2)
    made = forecast(_ensemble(group, SEASONAL, LAST, weights=[0.75, 0.25]), group.panel, group.test)
    expected = [0.75 * _repeated(y, 12, 6) + 0.25 * y[-1] for y in group.panel.series()]
    np.testing.assert_allclose(made.point, expected)
    assert made.names == group.panel.names and made.levels == group.problem.quantiles
    np.testing.assert_array_equal(made.stamps, group.test.stamps.reshape(2, 6))


def test_the_median_of_members(make_group) -> None:
    group = make_group()
    ensemble = _ensemble(group, SEASONAL, LAST, {"block": 1, "n_blocks": 6}, kind="median")
    (y,) = group.panel.series()
    expected = np.median([_repeated(y, 12, 6), np.full(6, y[-1]), np.full(6, y[-6:].mean())], axis=0)
    np.testing.assert_allclose(forecast(ensemble, group.panel, group.test).point[0], expected)


def test_quantiles_lie_around_the_point_in_order(make_group) -> None:
    group = make_group(n_series=3)
    made = forecast(_ensemble(group, SEASONAL), group.panel, group.test)
    assert (np.diff(made.quantiles, axis=-1) >= 0).all()
    np.testing.assert_allclose(made.quantiles[..., 2], made.point)
    ensemble = _ensemble(group, SEASONAL)
    np.testing.assert_allclose(made.quantiles[1] - made.point[1][:, None], ensemble.margins * ensemble.scales[1])


def test_the_truth_is_not_looked_at(make_group) -> None:
    group = make_group()
    hidden = group.test.hidden(group.problem)
    ensemble = _ensemble(group, SEASONAL)
    np.testing.assert_array_equal(
        forecast(ensemble, group.panel, group.test).point, forecast(ensemble, group.panel, hidden).point
    )


def test_beyond_the_horizon_forecasts_feed_on_forecasts(make_group) -> None:
    """The mean of the last six values, twice: the second time of what was forecast."""
    group = make_group(n_test=15)
    mean = {"block": 1, "n_blocks": 8}
    made = forecast(_ensemble(group, mean), group.panel, group.test)
    (y,) = group.panel.series()
    first = y[-8:].mean()
    second = np.concatenate([y[-2:], np.full(6, first)]).mean()
    np.testing.assert_allclose(made.point[0, :12], [first] * 6 + [second] * 6)
    widths = made.quantiles[0, :, -1] - made.quantiles[0, :, 0]
    assert widths[14] > 1.3 * widths[5]


def test_past_covariates_stay_what_they_were(make_group) -> None:
    group = make_group()
    roles = (Covariate("price", "known"), Covariate("visits", "past"))
    problem = replace(group.problem, covariates=roles)
    history, ahead = (
        replace(panel, covariates=np.stack([np.arange(len(panel.y)), np.arange(len(panel.y)) + 0.5], axis=1))
        for panel in (group.panel, group.test)
    )
    lived = step._as_if_known(history, ahead.hidden(problem), np.zeros((1, 6)), problem)
    np.testing.assert_array_equal(lived.covariates[:, 0], np.arange(6))
    np.testing.assert_array_equal(lived.covariates[:, 1], np.full(6, 59.5))


def test_rows_that_came_since_are_taken_in_without_learning(make_group) -> None:
    group = make_group(n_test=10)
    ensemble = _ensemble(group, LAST)
    longer = group.panel.then(group.test.between(0, 4))
    made = forecast(ensemble, longer, group.test.between(4, 10))
    np.testing.assert_array_equal(made.point[0], np.full(6, group.test.y[3]))


def test_some_of_the_series_in_another_order(make_group) -> None:
    group = make_group(n_series=4)
    ensemble = _ensemble(group, SEASONAL)
    some = np.array([3, 1])
    whole, part = (
        forecast(ensemble, group.panel, group.test),
        forecast(ensemble, group.panel.of(some), group.test.of(some)),
    )
    np.testing.assert_array_equal(part.point, whole.point[some])
    np.testing.assert_array_equal(part.quantiles, whole.quantiles[some])


def test_a_series_never_seen_is_measured_by_its_own_past(make_group) -> None:
    group = make_group(n_series=2)
    ensemble = replace(_ensemble(group, SEASONAL), names=("other", "s1"))
    made = forecast(ensemble, group.panel, group.test)
    assert np.isfinite(made.point).all()
    np.testing.assert_allclose(
        made.quantiles[0] - made.point[0][:, None], ensemble.margins * scales(group.panel, 12)[0]
    )


def test_a_new_series_that_never_changed_has_an_interval_of_its_own_past(make_group) -> None:
    group = make_group(n_series=2)
    ensemble = replace(_ensemble(group, LAST), names=("other", "s1"))
    still = replace(
        group.panel, y=np.where(np.arange(len(group.panel.y)) < group.panel.lengths[0], 500.0, group.panel.y)
    )
    made = forecast(ensemble, still, group.test)
    assert (made.point[0] == 500.0).all()
    one_step = 500.0 / group.panel.lengths[0]  # as if after all its steps one came of its own size
    np.testing.assert_allclose(made.quantiles[0] - 500.0, ensemble.margins * one_step)


def _without_cold_start(monkeypatch) -> None:
    parts = {
        **algorithms("forecasting"),
        "stubborn": replace(algorithms("forecasting")["naive"], name="stubborn", has_cold_start=False),
    }
    monkeypatch.setattr("automl_assets.registry.algorithms", lambda family: parts)


def test_a_member_is_not_asked_for_what_it_cannot_know(make_group, monkeypatch) -> None:
    """Alone it leaves the series to the fallback, beside another one to that."""
    _without_cold_start(monkeypatch)
    group = make_group(n_series=2)
    ensemble = replace(_ensemble(group, LAST, {"block": 1, "n_blocks": 2}), names=("other", "s1"))
    first, second = ensemble.members
    stubborn = replace(first, algorithm="stubborn")
    y = list(group.panel.series())
    beside = forecast(replace(ensemble, members=(stubborn, second)), group.panel, group.test)
    np.testing.assert_allclose(beside.point[0], np.full(6, y[0][-2:].mean()))
    np.testing.assert_allclose(beside.point[1], np.full(6, 0.5 * y[1][-1] + 0.5 * y[1][-2:].mean()))
    alone = forecast(replace(ensemble, members=(replace(stubborn, weight=1.0),)), group.panel, group.test)
    np.testing.assert_allclose(alone.point[0], _repeated(y[0], 12, 6))


def test_a_series_without_a_past_is_as_the_others(make_group) -> None:
    group = make_group(n_series=3)
    panel = group.panel
    empty = replace(
        panel,
        names=("new", "s1", "s2"),
        offsets=np.array([0, 0, 60, 120]),
        y=panel.y[60:],
        stamps=panel.stamps[60:],
        is_filled=panel.is_filled[60:],
        covariates=panel.covariates[60:],
    )
    made = forecast(_ensemble(group, SEASONAL), empty, replace(group.test, names=empty.names))
    np.testing.assert_allclose(made.point[0], made.point[1:].mean(axis=0))
    assert np.isfinite(made.quantiles).all()
    with pytest.raises(DataError, match="none has any row of history to forecast from"):
        forecast(
            _ensemble(group, SEASONAL),
            empty.of(np.array([0])),
            replace(group.test, names=empty.names).of(np.array([0])),
        )


def test_stamps_are_needed_and_equally_many(make_group) -> None:
    group = make_group(n_series=2)
    uneven = replace(group.test, offsets=np.array([0, 5, 12]))
    for history, future in (
        (group.panel, uneven),
        (group.panel, group.test.until(6)),
        (group.panel.of(np.array([0])), group.test),
    ):
        with pytest.raises(DataError, match="a forecast needs the same series in history and future"):
            forecast(_ensemble(group, SEASONAL), history, future)


def test_rolling_forecasts_know_all_rows_before_each_origin(make_group) -> None:
    group = make_group(n_series=2, n_test=14)
    rolled = rolling(_ensemble(group, LAST), group.panel, group.test)
    assert rolled.ends.tolist() == [[52, 52], [58, 58], [64, 64]]
    whole = group.panel.then(group.test).as_matrix()
    for window, end in enumerate((52, 58, 64)):
        n_stamps = min(6, 66 - end)
        np.testing.assert_array_equal(
            rolled.point[window, :, :n_stamps], np.repeat(whole[:, [end - 1]], n_stamps, axis=1)
        )
    assert np.isnan(rolled.point[2, :, 2:]).all() and np.isnan(rolled.quantiles[2, :, 2:]).all()
    assert len(rolling(_ensemble(group, LAST), group.panel, group.test, step=1).ends) == 14


def test_rolling_over_series_whose_tests_differ_in_length(make_group) -> None:
    group = make_group(n_series=2, n_test=8)
    test = replace(
        group.test.of(np.array([0])).then(group.test.of(np.array([1]))),
        names=group.panel.names,
        offsets=np.array([0, 8, 11]),
    )
    test = replace(
        test,
        stamps=test.stamps[:11],
        y=test.y[:11],
        is_filled=test.is_filled[:11],
        covariates=test.covariates[:11],
        statics=group.test.statics,
    )
    rolled = rolling(_ensemble(group, LAST), group.panel, test)
    assert np.isfinite(rolled.point).sum(axis=2).tolist() == [[6, 3], [2, 0]]
    assert rolled.ends.tolist() == [[58, 58], [64, -1]]
