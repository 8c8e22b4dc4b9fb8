"""statsforecast's own forecast is the oracle of a regression with ARIMA errors."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.records import Problem

HORIZON, N_ROWS = 10, 250
PART = registry.algorithms("forecasting")["arimax"]
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="D",
    periods=(7,),
    quantiles=(0.5,),
    covariates=(
        Covariate("price", "known"),
        Covariate("visits", "past"),
        Covariate("event", "known", ("none", "sale")),
        Covariate("never", "known"),
    ),
)


@pytest.fixture(scope="module")
def panel() -> Panel:
    """A walk with a week, that a price and sales move; one covariate is the same on every day."""
    random, days = np.random.default_rng(1), np.arange(N_ROWS + HORIZON)
    price, is_sale = random.normal(5, 2, len(days)), random.random(len(days)) < 0.2
    walk = np.cumsum(random.normal(size=len(days))) + 5 * np.sin(2 * np.pi * days / 7)
    columns = [price, random.normal(size=len(days)), is_sale, np.ones(len(days))]
    return Panel(
        names=("shop",),
        offsets=np.array([0, len(days)]),
        stamps=(np.datetime64("2023-01-01") + days).astype("datetime64[us]"),
        y=100 + 0.3 * days + walk - 4 * price + 12 * is_sale,
        is_filled=np.zeros(len(days), bool),
        covariates=np.column_stack(columns).astype(np.float32),
        statics=np.zeros((1, 0), np.float32),
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("period", [1, 7])
def test_forecasts_are_those_of_statsforecast(panel, period):
    from statsforecast.arima import auto_arima_f, forecast_arima

    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = PART.fit({"period": period}, history, ForecastContext(PROBLEM))
    scaled = model.design.of(panel.covariates)[:, :2]  # price, and days without a sale: the rest follows from these
    found = auto_arima_f(history.y, period=period, xreg=scaled[:-HORIZON], approximation=True, nmodels=30)
    expected = forecast_arima(found, HORIZON, xreg=scaled[-HORIZON:])["mean"]
    np.testing.assert_allclose(PART.forecast(model, history, future)[0, :, 0], expected, rtol=1e-6)


def test_weights_of_the_covariates_are_found_and_told(panel):
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = PART.fit({"period": 7}, history, ForecastContext(PROBLEM))
    told = PART.explain(model, history, future)
    per_unit = np.polyfit(future.covariates[:, 0], told["price"][0], 1)[0]
    assert per_unit == pytest.approx(-4, abs=0.3)
    assert np.ptp(told["event"]) == pytest.approx(12, abs=1.5)
    assert not told["never"].any()


def test_rows_that_came_later_are_taken_in_without_what_covariates_explain(panel):
    """A jump that the price explains moves no state; one that nothing explains does."""
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = PART.fit({"period": 1}, history.until(1), ForecastContext(PROBLEM))
    told = PART.explain(model, history.last(1), history.last(1))["price"][0, 0]
    before = PART.forecast(model, history, future)
    cheaper = replace(history, covariates=history.covariates.copy(), y=history.y.copy())
    cheaper.covariates[-1, 0] -= 10
    shift = PART.explain(model, cheaper.last(1), cheaper.last(1))["price"][0, 0] - told
    cheaper.y[-1] += shift
    np.testing.assert_allclose(PART.forecast(model, cheaper, future), before)
    unexplained = replace(history, y=np.append(history.y[:-1], history.y[-1] + shift))
    assert np.abs(PART.forecast(model, unexplained, future) - before).max() > 1


def test_it_is_not_offered_without_known_covariates(panel):
    alone = replace(PROBLEM, covariates=(Covariate("visits", "past"),))
    assert PART.portfolio(PROBLEM, panel)
    assert not PART.portfolio(alone, panel)
