"""Which lags, windows and seasons suit a panel: what the experiment asks for, or what its series tell.

Not here: what is computed from them (`lag_features`).
"""

import numpy as np

from automl_assets.forecasting.features.calendar import fit_calendar
from automl_assets.forecasting.features.lag_features import LagFeatures
from automl_assets.forecasting.features.stl import Decomposition, fit_decomposition
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.parts import Config

MOST_PERIOD = 400  # stamps: longer seasons are the calendar's
MOST_STL_PERIOD, STL_PERIODS = 200, (2, 4)  # the longest season taken apart, and how many of them: fewest and most
MOST_RECENT = 24  # lags one after another
DEFAULT_LAGS = 8  # that are tried where there is no season
MOST_SERIES = 20  # whose autocorrelation is asked for
HALF_LIVES = (2.0, 8.0)
CONFIGURED = ("strategy", "anchor", "local", "log", "early_stopping")  # keys of a configuration that are read here


def ways_to_look(problem: ForecastProblem, panel: Panel) -> list[Config]:
    """Strategies, anchors and scales in the order of expected gain; logarithms where no value is negative."""
    seasons = usable_periods(problem, panel)
    season = seasons[0] if seasons else 1
    default: Config = {"strategy": "direct", "anchor": 0, "local": True, "log": False, "early_stopping": False}
    stopped = {"local": False, "early_stopping": True}
    looks = [
        default,
        default | {"anchor": season, "local": False},
        default | {"anchor": season},
        default | {"strategy": "recursive", "anchor": season} | stopped,
        default | stopped,
    ]
    is_positive = bool(len(panel.y)) and bool(panel.y.min() >= 0)
    return looks + [default | {"log": True, "anchor": season} | stopped] * is_positive


def usable_periods(problem: ForecastProblem, panel: Panel) -> tuple[int, ...]:
    """Seasons that most series have seen twice."""
    length = float(np.median(panel.lengths)) if panel.n_series else 0.0
    return tuple(period for period in problem.periods if period <= MOST_PERIOD and 2 * period <= length)


def fit_plan(config: Config, problem: ForecastProblem, panel: Panel) -> LagFeatures:
    """The features that a configuration looks at."""
    periods = usable_periods(problem, panel)
    is_direct = config["strategy"] == "direct"
    numbers = range(len(problem.covariates))
    return LagFeatures(
        lags=_lags(problem, panel, periods),
        windows=_windows(problem, panel, periods),
        half_lives=HALF_LIVES,
        periods=periods,
        anchor=config["anchor"],
        local=(periods[-1] if periods else 8) if config["local"] else 0,
        is_log=config["log"],
        has_steps=is_direct and problem.horizon > 1,
        known=tuple(n for n in numbers if problem.covariates[n].role == "known"),
        past=tuple(n for n in numbers if problem.covariates[n].role == "past" and is_direct),
        covariate_lags=_covariate_lags(problem, panel, periods),
        covariate_window=periods[0] if periods and periods[0] > 1 else 0,
        n_statics=len(problem.statics),
        has_series=panel.n_series > 1,
        horizon=problem.horizon if is_direct else 1,
        stl=_stl(problem, panel, periods, problem.horizon if is_direct else 1),
        calendar=fit_calendar(problem, panel.stamps),
    )


def _lags(problem: ForecastProblem, panel: Panel, periods: tuple[int, ...]) -> tuple[int, ...]:
    asked = problem.lags.target_lags
    if asked == "auto":
        return tuple(range(1, _significant(panel, periods)[0] + 1))
    if asked is not None:
        return asked
    recent = range(1, min(periods[0] if periods else 8, MOST_RECENT) + 1)
    return tuple(sorted({*recent, *periods, *(2 * period for period in periods)}))


def _windows(problem: ForecastProblem, panel: Panel, periods: tuple[int, ...]) -> tuple[int, ...]:
    asked = problem.lags.rolling_window
    if asked == "auto":
        last = _significant(panel, periods)[1]
        return (last,) if last > 1 else ()
    if asked is not None:
        return (asked,)
    return tuple(sorted({4, *periods})) if periods else (4, 8)


def _covariate_lags(problem: ForecastProblem, panel: Panel, periods: tuple[int, ...]) -> tuple[int, ...]:
    asked = problem.lags.feature_lags
    return tuple(range(1, _significant(panel, periods)[0] + 1)) if asked == "auto" else asked or ()


def _stl(problem: ForecastProblem, panel: Panel, periods: tuple[int, ...], horizon: int) -> Decomposition | None:
    """Of the longest season that is not too long: as many as leave half of the usual series to learn from."""
    possible = [period for period in periods if 1 < period <= MOST_STL_PERIOD]
    if problem.lags.use_stl is None or not possible:
        return None
    fewest, most = STL_PERIODS
    n_periods = int(np.clip(np.median(panel.lengths) // (2 * possible[-1]), fewest, most))
    has_trend = problem.lags.use_stl == "season_trend"
    return fit_decomposition(possible[-1], n_periods * possible[-1], horizon, has_trend)


def _significant(panel: Panel, periods: tuple[int, ...]) -> tuple[int, int]:
    """Azure's heuristic: of most series, the last significant lag before the first that is not, and the last of all."""
    period = periods[0] if periods else 1
    n_lags = 2 * min(period, MOST_RECENT) if period > 1 else DEFAULT_LAGS
    longest = panel.of(np.argsort(-panel.lengths, kind="stable")[:MOST_SERIES])
    found = [_significant_of(y, period, n_lags) for y in longest.series() if len(y) > 2 * n_lags]
    first, last = np.median(np.array(found or [(0, 0)]), axis=0)
    return int(first), int(last)


def _significant_of(y: np.ndarray, period: int, n_lags: int) -> tuple[int, int]:
    """Where all lags are significant the season is all there is, and nothing is to be looked back at."""
    is_significant = np.abs(partial_autocorrelations(_deseasonalised(y, period), n_lags)) > 1.96 / np.sqrt(n_lags)
    if is_significant.all() or not is_significant.any():
        return 0, 0
    return int(is_significant.argmin()), int(np.flatnonzero(is_significant)[-1]) + 1


def _deseasonalised(y: np.ndarray, period: int) -> np.ndarray:
    """Without the mean of each place in the season."""
    place = np.arange(len(y)) % period
    return y - (np.bincount(place, weights=y) / np.bincount(place))[place]


def partial_autocorrelations(y: np.ndarray, n_lags: int) -> np.ndarray:
    """Of lags 1 to `n_lags`, at most half of the values; zero for a constant series. float64 [n_lags].

    >>> partial_autocorrelations(np.tile([1.0, -1.0], 50), 1).round(2)
    array([-0.99])
    """
    from statsmodels.tsa.stattools import pacf

    return pacf(y, n_lags, method="ldb")[1:] if y.var() > 0 else np.zeros(n_lags)
