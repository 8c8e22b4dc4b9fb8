"""Which lags, windows and seasons suit a panel: what the experiment asks for, or what its series tell.

Not here: what is computed from them (`lagged`).
"""

import numpy as np

from automl_assets.calendar_features import fit_calendar
from automl_assets.lagged import Plan
from automl_assets.parts import Config
from automl_assets.series import ForecastProblem, Panel

MOST_PERIOD = 400  # stamps: longer seasons are the calendar's
MOST_RECENT = 24  # lags one after another
HALF_LIVES = (2.0, 8.0)
CONFIGURED = ("strategy", "anchor", "local", "log", "early_stopping")  # keys of a configuration that are read here


def ways_to_look(problem: ForecastProblem, panel: Panel) -> list[Config]:
    """Strategies, anchors and scales in the order of expected gain; logarithms where no value is negative."""
    seasons = usable_periods(problem, panel)
    season = seasons[0] if seasons else 1
    default: Config = {"strategy": "direct", "anchor": 0, "local": False, "log": False, "early_stopping": True}
    looks = [
        default,
        default | {"anchor": season},
        default | {"local": True},
        default | {"anchor": season, "local": True},
        default | {"strategy": "recursive", "anchor": season},
        default | {"strategy": "recursive"},
        default | {"anchor": 1, "local": True},
    ]
    return looks + [default | {"log": True, "anchor": season}] * bool(len(panel.y) and panel.y.min() >= 0)


def usable_periods(problem: ForecastProblem, panel: Panel) -> tuple[int, ...]:
    """Seasons that most series have seen twice."""
    length = float(np.median(panel.lengths)) if panel.n_series else 0.0
    return tuple(period for period in problem.periods if period <= MOST_PERIOD and 2 * period <= length)


def fit_plan(config: Config, problem: ForecastProblem, panel: Panel) -> Plan:
    """The features that a configuration looks at."""
    periods = usable_periods(problem, panel)
    is_direct = config["strategy"] == "direct"
    numbers = range(len(problem.covariates))
    return Plan(
        lags=_lags(problem, periods),
        windows=_windows(problem, periods),
        half_lives=HALF_LIVES,
        periods=periods,
        anchor=config["anchor"],
        local=(periods[-1] if periods else 8) if config["local"] else 0,
        is_log=config["log"],
        has_steps=is_direct and problem.horizon > 1,
        known=tuple(n for n in numbers if problem.covariates[n].role == "known"),
        past=tuple(n for n in numbers if problem.covariates[n].role == "past" and is_direct),
        covariate_lags=config.get("covariate_lags", ()),
        covariate_window=periods[0] if periods and periods[0] > 1 and config.get("covariate_window", True) else 0,
        n_statics=len(problem.statics),
        has_series=panel.n_series > 1,
        horizon=problem.horizon if is_direct else 1,
        calendar=fit_calendar(problem, panel.stamps),
    )


def _lags(problem: ForecastProblem, periods: tuple[int, ...]) -> tuple[int, ...]:
    asked = problem.lags.target_lags
    if isinstance(asked, tuple):
        return asked
    recent = range(1, min(periods[0] if periods else 8, MOST_RECENT) + 1)
    return tuple(sorted({*recent, *periods, *(2 * period for period in periods)}))


def _windows(problem: ForecastProblem, periods: tuple[int, ...]) -> tuple[int, ...]:
    asked = problem.lags.rolling_window
    if isinstance(asked, int):
        return (asked,)
    return tuple(sorted({4, *periods})) if periods else (4, 8)
