"""ARIMA with seasons, orders found step by step, as statsforecast estimates it: fast enough for many series."""

import numpy as np

from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models import arima_recursion
from automl_assets.forecasting.models.state_space import Estimate, state_forecaster, suits_logarithms
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config

MOST_PERIOD = 24  # longer seasons take minutes a series
MOST_ROWS = 400  # the last ones are learnt from
MOST_MODELS = 30  # tried for one series
LONG_PERIOD = 12  # beyond, errors before the first row count as none (conditional sums): five times faster


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    period = next((period for period in problem.periods if period <= MOST_PERIOD), 1)
    plain: Config = {"period": period}
    in_logarithms = [plain | {"log": True}] if suits_logarithms(history) else []  # orders rarely tame what multiplies
    return [*in_logarithms, plain, *([{"period": 1}] if period > 1 else [])]


def _estimate(y: np.ndarray, config: Config, context: ForecastContext) -> Estimate:
    from statsforecast.arima import auto_arima_f

    y, is_long = y[-MOST_ROWS:], config["period"] > LONG_PERIOD
    found = auto_arima_f(
        y, period=config["period"], approximation=True, nmodels=MOST_MODELS, method="CSS" if is_long else None
    )
    return arima_recursion.of_statsforecast(y, found)


PART = state_forecaster(
    _estimate,
    arima_recursion.RECURSION,
    name="arima",
    title="ARIMA",
    reference="Hyndman and Khandakar, Journal of Statistical Software 27(3), 2008 (statsforecast)",
    portfolio=_portfolio,
    time_share=1.5,
    requires="statsforecast",
    preload=("statsforecast.models",),
)
