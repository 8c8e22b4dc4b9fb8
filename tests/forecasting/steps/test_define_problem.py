"""What a group is asked: seasons that the data shows, windows that fit into it, and the settings handed on."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets.experiment.experiment import parse
from automl_assets.experiment.lag_settings import LagSettings
from automl_assets.forecasting.records import ForecastProblem, Group
from automl_assets.forecasting.steps.backtest import windows
from automl_assets.forecasting.steps.build_groups import build_groups
from automl_assets.forecasting.steps.define_problem import shown_seasons
from automl_assets.steps.load import load

RANDOM = np.random.default_rng(5)


def _group(folder: Path, y: np.ndarray, n_series: int = 1, unit: str = "D", **settings: Any) -> Group:
    stamps = np.datetime64("2021-01-01") + np.arange(len(y)).astype(f"timedelta64[{unit}]")
    names = np.repeat([f"s{number}" for number in range(n_series)], len(y))
    table = {"id": names, "t": np.tile(stamps, n_series).astype("datetime64[us]"), "y": np.tile(y, n_series)}
    pl.DataFrame(table).write_parquet(folder / "rows.parquet")
    top = {key: settings.pop(key) for key in ("coverage", "test") if key in settings}
    named = {"task": "forecasting", "source": str(folder / "rows.parquet"), "target": "y", "time_column": "t"}
    given = {"series_id_columns": "id"} | settings
    experiment = parse(named | {"test": "none"} | top | {"forecasting": given}, "tried")
    ((_, group),) = build_groups(load(experiment), experiment, ["all"])
    assert isinstance(group, Group), group
    return group


def _problem(*given: Any, **settings: Any) -> ForecastProblem:
    return _group(*given, **settings).problem


def _waves(n_rows: int, *periods: int) -> np.ndarray:
    rows = np.arange(n_rows)
    return sum(np.sin(2 * np.pi * rows / period) for period in periods) + RANDOM.normal(scale=0.3, size=n_rows)


def test_both_seasons_of_hours_are_seen() -> None:
    week = np.tile(np.r_[np.ones(120), np.zeros(48)], 8)
    assert shown_seasons(_waves(1344, 24) + 2 * week, (24, 168)) == (24, 168)
    assert shown_seasons(_waves(1344, 24), (24, 168)) == (24,)


@pytest.mark.parametrize("make", [np.cumsum, lambda noise: noise, lambda noise: np.arange(len(noise)) ** 2.0])
def test_walks_noise_and_trends_show_no_season(make: Any) -> None:
    shown = [shown_seasons(make(np.random.default_rng(seed).normal(size=200)), (7, 30)) for seed in range(40)]
    assert np.mean([bool(one) for one in shown]) < 0.2


def test_too_short_for_a_season() -> None:
    assert shown_seasons(_waves(13, 7), (7,)) == ()
    assert shown_seasons(np.full(50, 3.0), (7,)) == ()


@pytest.mark.parametrize(("asked", "expected"), [("auto", (7,)), ("none", ()), (5, (5,)), ([30, 7, 1], (7, 30))])
def test_seasons_are_those_asked_for(tmp_path: Path, asked: Any, expected: tuple[int, ...]) -> None:
    assert _problem(tmp_path, _waves(140, 7), horizon=7, seasonality=asked).periods == expected


@pytest.mark.parametrize(("n_series", "n_windows"), [(1, 10), (6, 5), (12, 2)])
def test_few_series_have_more_windows(tmp_path: Path, n_series: int, n_windows: int) -> None:
    problem = _problem(tmp_path, _waves(240, 7), n_series, horizon=7)
    assert (problem.n_windows, problem.step) == (n_windows, 7)


@pytest.mark.parametrize("n_rows", [6, 9, 14, 23, 40])
def test_windows_fit_into_short_series(tmp_path: Path, n_rows: int) -> None:
    group = _group(tmp_path, _waves(n_rows, 7), horizon=3)
    assert 1 <= group.problem.n_windows <= 10
    is_apart = group.problem.step == 3  # more windows only where they have stamps of their own
    assert is_apart or group.problem.n_windows <= 5
    for window in windows(group.panel, group.problem):
        assert len(window.future.y) == 3
        assert len(window.history.y) >= 2


def test_windows_are_those_asked_for(tmp_path: Path) -> None:
    problem = _problem(tmp_path, _waves(140, 7), horizon=7, n_windows=3, cv_step=2)
    assert (problem.n_windows, problem.step) == (3, 2)


@pytest.mark.parametrize(("unit", "n_rows", "expected"), [("h", 900, 48), ("D", 900, 14), ("D", 30, 6), ("D", 4, 1)])
def test_the_horizon_is_usual_but_a_fifth_of_a_series_at_most(
    tmp_path: Path, unit: str, n_rows: int, expected: int
) -> None:
    assert _problem(tmp_path, _waves(n_rows, 7), unit=unit).horizon == expected


def test_settings_are_handed_on(tmp_path: Path) -> None:
    problem = _problem(
        tmp_path, _waves(140, 7), horizon=7, target_lags=[7, 1], rolling_window=4, holidays="US", quantiles=[0.9, 0.1]
    )
    assert problem.lags == LagSettings((1, 7), None, 4, holidays="US")
    assert problem.quantiles == (0.1, 0.5, 0.9)
    assert (problem.time, problem.target, problem.series) == ("t", "y", ("id",))


def test_quantiles_bound_the_coverage(tmp_path: Path) -> None:
    assert _problem(tmp_path, _waves(60, 7), horizon=7, coverage=[0.5]).quantiles == (0.25, 0.5, 0.75)


def test_the_range_is_that_of_what_is_learnt_from(tmp_path: Path) -> None:
    y = np.r_[_waves(100, 7).clip(-1, 1), np.full(10, 99.0)]
    group = _group(tmp_path, y, horizon=5, test=0.09)
    assert group.test is not None and group.test.y.max() == 99
    assert group.problem.problem.target_range == (-1, 1)
