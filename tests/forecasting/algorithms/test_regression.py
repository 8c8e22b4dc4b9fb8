"""Regression over lags: what one panel alone cannot show."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.learning import preparation
from automl_assets.records import Problem

HORIZON = 7
PROBLEM = ForecastProblem(Problem("forecasting", "mean_absolute_error"), HORIZON, "D", (7,), (0.5,))


def _panel(n_rows: int = 90) -> Panel:
    """Two series that grow by a share each week."""
    days = np.arange(n_rows)
    growing = np.exp(0.01 * days) * (10 + 3 * (days % 7 == 5))
    stamps = (np.datetime64("2024-01-01") + days).astype("datetime64[us]")
    empty = np.empty((2 * n_rows, 0), np.float32)
    y = np.concatenate([growing, 50 * growing])
    return Panel(
        ("a", "b"), n_rows * np.arange(3), np.tile(stamps, 2), y, np.zeros(len(y), bool), empty, np.empty((2, 0))
    )


def _is_over_lags(part: Forecaster) -> bool:
    return "strategy" in next(iter(part.portfolio(PROBLEM, _panel())), {})


PARTS = [part for part in registry.algorithms("forecasting").values() if _is_over_lags(part)]


def _small(part, **asked):
    """The first configuration that is as asked, with few trees."""
    found = part.portfolio(PROBLEM, _panel())
    config = next(config for config in found if all(config[key] == value for key, value in asked.items()))
    few = {"rounds": 30, "n_estimators": 30}
    return config | {key: few[key] for key in few if key in config} | {"early_stopping": False}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
@pytest.mark.parametrize("asked", [{"log": True}, {"strategy": "recursive"}], ids=str)
def test_components_add_up_in_the_scale_of_the_data(part, asked):
    panel = _panel()
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = part.fit(_small(part, **asked), history, ForecastContext(PROBLEM))
    components = part.explain(model, history, future)
    np.testing.assert_allclose(sum(components.values()), part.forecast(model, history, future)[:, :, 0], rtol=1e-6)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_series_not_learnt_from_is_forecast_in_its_own_size(part):
    panel = _panel()
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = part.fit(_small(part, log=False), history, ForecastContext(PROBLEM))
    new = replace(history, names=("x", "y"), y=history.y * 1000)
    found = part.forecast(model, new, replace(future, names=("x", "y")))[:, :, 0]
    truth = 1000 * future.as_matrix()
    assert (np.abs(found - truth) / truth).mean() < 0.15


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_newest_rows_are_learnt_from_though_they_say_when_to_stop(part):
    """As many rounds as they find best, of all rows; what learns in no rounds needs none of them to stop."""
    panel = _panel(150)
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    config = next(one for one in part.portfolio(PROBLEM, history) if one["early_stopping"] and not one["log"])
    stopped = part.fit(config, history, ForecastContext(PROBLEM))
    algorithm = registry.algorithms("tabular")[part.name]
    as_long = preparation.with_rounds_of(algorithm, config, stopped.model) | {"early_stopping": False}
    expected = part.fit(as_long, history, ForecastContext(PROBLEM))
    found, wanted = (part.forecast(model, history, future) for model in (stopped, expected))
    np.testing.assert_allclose(found, wanted)
