"""define_problem: what is asked of every forecaster of a group: seasons, windows of the backtest, range of the target."""

import numpy as np

from automl_assets.data.time_grid import Grid, seasons
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.forecasting.steps.plan import Plan
from automl_assets.records import Problem

LOOKED_AT_SEASONS, LEAST_ROWS = 4, 2000  # at the end of a series
LOOKED_AT = 20  # series, by equal distances, in which seasons are looked for
SHARE = 0.25  # of them must show a season; one too many costs less than one too few
SURE = 1.96  # standard errors
ROUNDING = 1e-9  # of the size of values: differences below come from arithmetic
MANY_SERIES, FEW_WINDOWS = 10, 2
LEAST_WINDOWS, MOST_WINDOWS = 5, 10  # of fewer series
ENOUGH_VALUES = 200  # of the backtest: with fewer of them more windows are worth their time
LEAST_SEASONS = 2  # that are seen before the first origin of the backtest


def define_problem(panel: Panel, grid: Grid, plan: Plan, experiment: Experiment) -> ForecastProblem:
    """The problem of one group. Raises DataError where there is no number to forecast."""
    settings, known = experiment.forecasting, panel.y[~panel.is_filled]
    periods = _periods(panel, grid, experiment)
    n_windows, step = _windows(panel, plan.horizon, periods, experiment)
    return ForecastProblem(
        problem=Problem("forecasting", experiment.metric, target_range=(float(known.min()), float(known.max()))),
        horizon=plan.horizon,
        frequency=grid.alias,
        periods=periods,
        quantiles=experiment.quantiles,
        covariates=plan.covariates,
        statics=plan.statics,
        n_windows=n_windows,
        step=step,
        timezone=plan.timezone,
        time=experiment.time_column or "",
        target=experiment.target,
        series=settings.series_id_columns,
        lags=settings.look_back,
        hierarchy=settings.hierarchy,
        reconciliation=settings.reconciliation,
    )


def _periods(panel: Panel, grid: Grid, experiment: Experiment) -> tuple[int, ...]:
    """As asked, or those that the grid may have and a share of the series shows."""
    asked = experiment.forecasting.seasonality
    if asked != "auto":
        return tuple(period for period in asked if period > 1)
    possible = seasons(grid)
    chosen = np.unique(np.linspace(0, panel.n_series - 1, min(LOOKED_AT, panel.n_series)).astype(int))
    most = max([LEAST_ROWS, *(LOOKED_AT_SEASONS * period for period in possible)])
    series = (panel.y[panel.offsets[i] : panel.offsets[i + 1]][-most:] for i in chosen)
    shown = [shown_seasons(y, possible) for y in series]
    return tuple(period for period in possible if np.mean([period in one for one in shown]) >= SHARE)


def shown_seasons(y: np.ndarray, possible: tuple[int, ...]) -> tuple[int, ...]:
    """The periods at which a series repeats itself more than halfway to them, each without the shorter ones.

    What moves more slowly than a season is taken away before, as in a classical decomposition, where there is enough.

    >>> day = np.arange(200)
    >>> shown_seasons(np.sin(day / 7 * 2 * np.pi) + day, (7, 30)), shown_seasons(day**2.0, (7, 30))
    ((7,), ())
    """
    shown, rest = [], _without_line(y)
    for period in possible:
        if len(rest) < LEAST_SEASONS * period or not rest.any():
            break
        is_long = len(rest) > (LEAST_SEASONS + 1) * period
        if _repeats(_without_level(rest, period) if is_long else rest, period):
            shown.append(period)
            rest = rest - _means(rest, period)
    return tuple(shown)


def _repeats(wave: np.ndarray, period: int) -> bool:
    """Half a period away a season is at its opposite, while a random walk is more alike there."""
    half = (_alike(wave, period // 2) + _alike(wave, (period + 1) // 2)) / 2
    error = 1 / np.sqrt(len(wave))
    return _alike(wave, period) > SURE * error and _alike(wave, period) - half > SURE * np.sqrt(2) * error


def _without_level(values: np.ndarray, period: int) -> np.ndarray:
    """Differences from the mean of a period around each value, without half a period at both ends."""
    width = period + 1 - period % 2
    sums = np.cumsum(np.r_[0.0, values])
    level = (sums[width:] - sums[:-width]) / width
    wave = values[width // 2 : len(values) - width // 2] - level
    return wave if np.abs(wave).max() > ROUNDING * np.abs(values).max() else np.zeros(len(wave))


def _without_line(y: np.ndarray) -> np.ndarray:
    x = np.arange(len(y)) - (len(y) - 1) / 2
    slope = x @ y / max(1.0, float(x @ x))
    rest = y - y.mean() - slope * x
    size = np.abs(y - y.mean()).max(initial=0)
    return rest if np.abs(rest).max(initial=0) > ROUNDING * size else np.zeros(len(y))


def _alike(values: np.ndarray, lag: int) -> float:
    """Autocorrelation at a lag."""
    return float(values[lag:] @ values[: len(values) - lag] / max(float(values @ values), np.finfo(float).tiny))


def _means(values: np.ndarray, period: int) -> np.ndarray:
    """The mean of each place in the period, at every row."""
    places = np.arange(len(values)) % period
    sums = np.bincount(places, values, minlength=period) / np.bincount(places, minlength=period)
    return sums[places]


def _windows(panel: Panel, horizon: int, periods: tuple[int, ...], experiment: Experiment) -> tuple[int, int]:
    """How many origins, and how far apart: two for many series, more for few, as far as the usual series reaches."""
    settings = experiment.forecasting
    wished = FEW_WINDOWS if panel.n_series >= MANY_SERIES else _windows_of_few(panel.n_series * horizon)
    length = int(np.median(panel.lengths))
    least = max(horizon, LEAST_SEASONS * max([p for p in periods if p * LEAST_SEASONS * 2 <= length], default=1))
    room = max(0, length - horizon - least)
    if settings.cv_step != "auto":
        step = settings.cv_step
    else:
        wanted = min(wished, LEAST_WINDOWS) if settings.n_windows == "auto" else settings.n_windows
        step = int(np.clip(room // max(1, wanted - 1), 1, horizon))
    n_windows = min(wished, 1 + room // step) if settings.n_windows == "auto" else settings.n_windows
    return n_windows, step


def _windows_of_few(n_values: int) -> int:
    """As many as have enough values together; `n_values` are those of one.

    >>> _windows_of_few(48), _windows_of_few(14)
    (5, 10)
    """
    return int(np.clip(-(-ENOUGH_VALUES // n_values), LEAST_WINDOWS, MOST_WINDOWS))
