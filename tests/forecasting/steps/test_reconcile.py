"""Forecasts of series and of their sums add up, and what that does to the errors is told."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.errors import ArtifactError
from automl_assets.forecasting.records import ForecastEnsemble, Group
from automl_assets.forecasting.steps.aggregate_hierarchy import with_sums
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.forecasting.steps.reconcile import add_up, reconcile
from tests import forecasts
from tests.forecasts import family


def _ensemble(group: Group) -> ForecastEnsemble:
    """With forecasts of the backtest that are off by chance."""
    made, random = forecasts.ensemble(group), np.random.default_rng(5)
    windows = forecasts.backtest_truth(group)
    return replace(made, predictions=windows + random.normal(0, 3, windows.shape))


@pytest.mark.parametrize(
    "method", ["bottom_up", "top_down_average_proportions", "top_down_proportions_of_averages", "min_trace"]
)
def test_forecasts_add_up_and_errors_are_told_for_every_level(method):
    group = with_sums(family(method))
    ensemble = _ensemble(group)
    way = reconcile(group, ensemble)
    assert way.is_positive
    base = forecast(ensemble, group.panel, group.test)
    made = add_up(base, way)
    np.testing.assert_allclose(made.point[0], made.point[3:].sum(axis=0))
    np.testing.assert_allclose(made.point[2], made.point[5:].sum(axis=0))
    assert (np.diff(made.quantiles, axis=2) >= 0).all()
    assert way.errors["level"].to_list() == ["total", "region", "series"]
    assert way.errors["n_series"].to_list() == [1, 2, 4]
    assert set(way.errors["rows"]) == {"test"}
    truth = group.test.as_matrix()
    for kind, answers in (("base", base), ("reconciled", made)):
        expected = np.abs(truth - answers.point)[1:3].mean()
        assert way.errors[f"{kind}_mean_absolute_error"][1] == pytest.approx(expected)
    if method == "bottom_up":
        np.testing.assert_array_equal(made.point[3:], base.point[3:])
        np.testing.assert_allclose(made.quantiles[3:], base.quantiles[3:])


def test_intervals_grow_and_shrink_as_the_errors_of_the_backtest():
    group = with_sums(family("min_trace"))
    ensemble = _ensemble(group)
    way = reconcile(group, ensemble)
    made, base = (
        np.sqrt(((answers - forecasts.backtest_truth(group)) ** 2).mean(axis=(0, 2)))
        for answers in (_coherent_backtest(way, ensemble), ensemble.predictions)
    )
    np.testing.assert_allclose(way.widths, made / base)


def _coherent_backtest(way, ensemble: ForecastEnsemble) -> np.ndarray:
    leaves = np.einsum("ln,wnh->wlh", way.projection, ensemble.predictions)
    return np.concatenate([np.einsum("sl,wlh->wsh", way.aggregation, leaves), leaves], axis=1)


def test_without_a_test_the_backtest_is_judged():
    group = with_sums(replace(family(), test=None))
    assert set(reconcile(group, _ensemble(group)).errors["rows"]) == {"backtest"}


def test_no_forecast_is_below_zero_where_no_value_was():
    group = with_sums(family("min_trace"))
    ensemble = _ensemble(group)
    way, base = reconcile(group, ensemble), forecast(ensemble, group.panel, group.test)
    sunk = replace(base, point=base.point - 200.0, quantiles=base.quantiles - 200.0)
    made = add_up(sunk, way)
    assert made.point.min() == 0 and made.quantiles.min() == 0
    np.testing.assert_allclose(made.point[0], made.point[3:].sum(axis=0))


def test_forecasts_of_other_series_are_refused():
    group = with_sums(family())
    ensemble = _ensemble(group)
    base = forecast(ensemble, group.panel, group.test)
    with pytest.raises(ArtifactError, match="other series than were reconciled"):
        add_up(replace(base, names=base.names[::-1]), reconcile(group, ensemble))
