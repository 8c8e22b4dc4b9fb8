"""ARIMA with seasons by pmdarima: exact likelihood for every order that is tried, at seconds to a minute a series.

For a few short series only. A search that runs out of time answers with the best order it has found.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models import arima_recursion
from automl_assets.forecasting.models.state_space import Arrays, Estimate, state_forecaster
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config

MOST_SERIES, MOST_ROWS, MOST_PERIOD = 10, 300, 12  # beyond, not offered
SECONDS_A_SERIES = 10.0  # after which no order is looked at
START = {"start_p": 1, "start_q": 1, "start_P": 0, "start_Q": 0}  # a small order first: larger ones cost seconds
FILTER = {"simple_differencing": True, "concentrate_scale": True}  # 20 times faster, to the same likelihood
ITERATIONS, ORDERS = 30, 40  # at most, of one order's likelihood and of orders looked at


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    if history.n_series > MOST_SERIES or history.lengths.max(initial=0) > MOST_ROWS:
        return []
    period = next((period for period in problem.periods if period <= MOST_PERIOD), 1)
    return [{"period": period, "iterations": ITERATIONS, "orders": ORDERS}]


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    import pmdarima

    period = config["period"] if len(y) >= 3 * config["period"] else 1
    with pmdarima.StepwiseContext(max_steps=config["orders"]):
        found = pmdarima.auto_arima(
            y,
            seasonal=period > 1,
            m=period,
            maxiter=config["iterations"],
            error_action="ignore",
            suppress_warnings=True,
            callback=_refusing_after(min(context.deadline, time.monotonic() + SECONDS_A_SERIES)),
            sarimax_kwargs=FILTER,
            **START,
        )
    result, (_, order, _) = found.arima_res_, found.order
    seasonal_order = found.seasonal_order[1] if period > 1 else 0
    constant = dict(zip(result.param_names, result.params, strict=True)).get("intercept", 0.0)
    weights = differences(order, seasonal_order, period)
    return arima_recursion.estimate(y, weights, _filtered(result), {"base": 0.0, "drift": 0.0, "constant": constant})


def _refusing_after(deadline: float) -> Callable[[Any], None]:
    """Ends every fit once time is up; pmdarima then passes over that order, and answers with the best it has."""

    def check(_: Any) -> None:
        if time.monotonic() >= deadline:
            raise ValueError("out of time")

    return check


def differences(order: int, seasonal_order: int, period: int) -> np.ndarray:
    """Weights [order + seasonal_order * period] of the past rows that differencing subtracts.

    >>> differences(1, 1, 2)
    array([ 1.,  1., -1.])
    """
    weights = np.array([1.0])
    for lag in [1] * order + [period] * seasonal_order:
        weights = np.convolve(weights, [1.0, *[0.0] * (lag - 1), -1.0])
    return -weights[1:]


def _filtered(result: Any) -> Arrays:
    """State and gain after all differenced rows."""
    design = result.filter_results.design[0, :, -1]
    surprise = result.filter_results.predicted_state_cov[:, :, -2] @ design
    return {
        "state": result.filtered_state[:, -1],
        "weights": -result.polynomial_reduced_ar[1:],
        "gain": surprise / (design @ surprise),
    }


PART = state_forecaster(
    _estimate,
    arima_recursion.RECURSION,
    name="auto_arima",
    title="ARIMA (pmdarima)",
    reference="Hyndman and Khandakar, Journal of Statistical Software 27(3), 2008 (pmdarima)",
    portfolio=_portfolio,
    time_share=0.4,
    requires="pmdarima",
    preload=("pmdarima",),
)
