"""Prophet itself is the oracle of our arithmetic: the same terms, fitted by its own object and predicted by it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.records import Problem

HORIZON, N_ROWS = 20, 900
PART = registry.algorithms("forecasting")["prophet"]
PROBLEM = ForecastProblem(
    Problem("forecasting", "mean_absolute_error"),
    horizon=HORIZON,
    frequency="D",
    periods=(7,),
    quantiles=(0.5,),
    covariates=(Covariate("price", "known"), Covariate("event", "known", ("none", "sale"))),
)
CONFIG = {
    **{"changepoint_prior_scale": 0.1, "seasonality_prior_scale": 5.0, "regressors_prior_scale": 2.0},
    **{"mode": "additive", "level_rows": 0},
}


@pytest.fixture(scope="module")
def panel() -> Panel:
    """A bent trend with a week, a year, a price and sales, of which some days are unknown."""
    random, days = np.random.default_rng(3), np.arange(N_ROWS + HORIZON)
    price, is_sale = random.normal(5, 2, len(days)), random.random(len(days)) < 0.1
    trend = 200 + 0.2 * days - 0.3 * np.maximum(days - 500, 0)
    seasons = 10 * np.sin(2 * np.pi * days / 7) + 20 * np.cos(2 * np.pi * days / 365.25)
    return Panel(
        names=("shop",),
        offsets=np.array([0, len(days)]),
        stamps=(np.datetime64("2019-03-05") + days).astype("datetime64[us]"),
        y=trend + seasons - 3 * price + 15 * is_sale + random.normal(size=len(days)),
        is_filled=random.random(len(days)) < 0.05,
        covariates=np.column_stack([price, is_sale]).astype(np.float32),
        statics=np.zeros((1, 0), np.float32),
    )


def _predicted(panel: Panel, mode: str) -> pd.DataFrame:
    """What Prophet's own object says of the last rows."""
    from prophet import Prophet

    rows = pd.DataFrame({"ds": panel.stamps.astype("datetime64[ns]"), "y": panel.y})
    rows["event"] = panel.covariates[:, 1].astype(float)
    known = np.flatnonzero(~panel.is_filled[:-HORIZON])
    price = panel.covariates[:, 0].astype(float)
    rows["price"] = (price - price[:-HORIZON].mean()) / price[:-HORIZON].std()
    rows["no_event"] = 1 - rows["event"]
    learner = Prophet(
        changepoint_prior_scale=0.1,
        seasonality_prior_scale=5.0,
        seasonality_mode=mode,
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        uncertainty_samples=0,
    )
    learner.add_seasonality("weekly", 7, 3)
    learner.add_seasonality("yearly", 365.25, 10)
    for name in ("price", "no_event", "event"):
        learner.add_regressor(name, prior_scale=2.0, standardize=False)
    return learner.fit(rows.iloc[known]).predict(rows.tail(HORIZON))


@pytest.mark.parametrize("mode", ["additive", "multiplicative"])
def test_forecasts_and_components_are_those_of_prophet(panel, mode):
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = PART.fit(CONFIG | {"mode": mode}, history, ForecastContext(PROBLEM))
    predicted = _predicted(panel, mode)
    np.testing.assert_allclose(PART.forecast(model, history, future)[0, :, 0], predicted["yhat"], rtol=1e-6)
    parts = {name: values[0] for name, values in PART.explain(model, history, future).items()}
    np.testing.assert_allclose(parts["trend"], predicted["trend"], rtol=1e-6)
    unit = predicted["trend"] if mode == "multiplicative" else 1.0
    for name, whole in (("seasons", predicted["weekly"] + predicted["yearly"]), ("price", predicted["price"])):
        np.testing.assert_allclose(parts[name], whole * unit, rtol=1e-6, atol=1e-6)


def test_rows_that_came_later_move_the_level_and_nothing_else(panel):
    history, future = panel.until(HORIZON), panel.last(HORIZON)
    model = PART.fit(CONFIG | {"level_rows": 7}, history.until(7), ForecastContext(PROBLEM))
    parts = PART.explain(model, history, future)
    raised = history.y + np.where(np.arange(len(history.y)) >= len(history.y) - 7, 50.0, 0.0)
    later = PART.explain(model, replace(history, y=raised), future)
    np.testing.assert_allclose(later["level"], parts["level"] + 50.0)
    assert all(np.array_equal(later[name], parts[name]) for name in parts if name != "level")


def test_a_series_that_time_does_not_suffice_for_is_lost_with_its_reason(panel):
    history = panel.until(HORIZON)
    model = PART.fit(CONFIG, history, ForecastContext(PROBLEM, deadline=0.0))
    assert model.reasons == ("no time was left",)
    assert np.isnan(PART.forecast(model, history, panel.last(HORIZON))).all()
