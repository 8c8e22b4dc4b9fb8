"""Every set of series in AUTOML_DATA: error and coverage on the test stamps, seconds; beside single models of peers.

`backtest` is the experiment's own metric over rolling origins before the test stamps, which chose what answers.

Peers are what a forecaster would otherwise take: statsforecast's AutoARIMA, AutoETS and AutoTheta, series by series, and
LightGBM over lags alone (recursive, on the seasonal difference). Those that would take hours are left out.

python benchmarks/forecasting.py [minutes] [name ...]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from runs import run

from automl_assets.experiment import experiment as settings
from automl_assets.forecasting.metrics import ForecastTruth, problem_truth, score
from automl_assets.forecasting.records import ForecastProblem, Group, Panel
from automl_assets.forecasting.steps.build_groups import build_groups, group_keys
from automl_assets.records import Dataset
from automl_assets.steps.load import load

METRICS = ("MASE", "sMAPE", "OWA", "normalized_root_mean_squared_error", "WAPE")
MOST_STAMPS = 50_000  # of all series together: above, AutoARIMA would take hours
SLOW_PERIOD = 12  # and so it would with longer seasons
MOST_LEARNT = 2_000  # stamps of a series that models of single series learn from
LEAST_LAGS = 12

Forecast = Callable[[list[np.ndarray], ForecastProblem], np.ndarray]

# Folder under AUTOML_DATA/forecasting -> what its meta.json (or Azure's own example) asks for.
SETS: dict[str, dict[str, Any]] = {
    "nyc_energy": {"target": "demand", "time_column": "timeStamp", "forecasting": {"horizon": 48, "frequency": "h"}},
    "bike_share": {"target": "cnt", "time_column": "date", "drop_columns": ["instant"],
                   "forecasting": {"horizon": 14, "frequency": "D", "holidays": "US"}},
    "github_dau": {"target": "count", "time_column": "date", "forecasting": {"horizon": 14, "frequency": "D"}},
    "beer_production": {"target": "BeerProduction", "time_column": "DATE", "drop_columns": ["grain"],
                        "forecasting": {"horizon": 12, "frequency": "MS"}},
    "walmart_weekly": {"target": "Weekly_Sales", "time_column": "ds",
                       "forecasting": {"series_id_columns": "unique_id", "horizon": 12, "frequency": "W-FRI"}},
    "m1_monthly": {"target": "y", "time_column": "ds",
                   "forecasting": {"series_id_columns": "unique_id", "horizon": 18, "frequency": "MS"}},
    "m4_hourly": {"target": "y", "time_column": "ds",
                  "forecasting": {"series_id_columns": "unique_id", "horizon": 48, "frequency": "h"}},
}  # fmt: skip
JUDGED_BY = {"m1_monthly": "MASE", "m4_hourly": "OWA", "walmart_weekly": "WAPE"}


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print(f"| data | model | backtest | {' | '.join(METRICS)} | coverage 80 % | 95 % | seconds |")
    print("|" + "---|" * (len(METRICS) + 6))
    for name in sys.argv[2:] or SETS:
        for row in _rows(name, minutes):
            print(f"| {name} | {' | '.join(row)} |", flush=True)


def _rows(name: str, minutes: float) -> Iterator[list[str]]:
    yield _ours(name, minutes)
    yield from _peers(name)


def _experiment(name: str) -> dict[str, Any]:
    folder = Path(os.environ["AUTOML_DATA"]).resolve() / "forecasting" / name
    files = {part: str(next(folder.glob(f"{part}.*"))) for part in ("train", "test")}
    metric = JUDGED_BY.get(name, "normalized_root_mean_squared_error")
    return {"task": "forecasting", "source": files["train"], "test": files["test"], "metric": metric, **SETS[name]}


def _ours(name: str, minutes: float) -> list[str]:
    with tempfile.TemporaryDirectory() as home:
        found = run(name, _experiment(name), minutes, home)
    scores = {"backtest": float(np.mean([group["backtest_score"] for group in found["groups"]]))}
    return _row("automl_assets", scores | found["test_metrics"] | found["coverage"], found["wall_seconds"])


def _row(model: str, found: dict[str, float], seconds: float) -> list[str]:
    cells = [found.get(key) for key in ("backtest", *METRICS, "coverage_80", "coverage_95")]
    return [model, *("" if cell is None else f"{cell:.4g}" for cell in cells), f"{seconds:.0f}"]


def _peers(name: str) -> Iterator[list[str]]:
    experiment = settings.parse(_experiment(name), name)
    group = _group(load(experiment), experiment)
    truth = _truth(group)
    for model, forecast in _models(group).items():
        started = time.monotonic()
        point = np.full(truth.y.shape, np.nan)
        for answer, end in zip(point, truth.ends, strict=True):
            answer[:] = forecast(_known(truth.whole, end), group.problem)
        yield _row(model, {key: score(key, truth, point) for key in METRICS}, time.monotonic() - started)


def _group(dataset: Dataset, experiment: settings.Experiment) -> Group:
    ((_, group),) = build_groups(dataset, experiment, group_keys(dataset, experiment))
    assert isinstance(group, Group), group
    return group


def _truth(group: Group) -> ForecastTruth:
    """Origins a horizon apart, as our own evaluation has them; peers learn again at each."""
    assert group.test is not None
    origins = np.arange(0, group.test.lengths.max(), group.problem.horizon)
    whole = group.panel.then(group.test)
    return problem_truth(whole, group.panel.lengths + origins[:, None], group.problem, learnt=group.panel)


def _known(whole: Panel, ends: np.ndarray) -> list[np.ndarray]:
    """The target of each series up to its end."""
    return [y[:end] for y, end in zip(whole.series(), ends, strict=True)]


def _models(group: Group) -> dict[str, Forecast]:
    from statsforecast.models import AutoARIMA, AutoETS, AutoTheta, SeasonalNaive

    season = group.problem.season
    found = {"seasonal naive": SeasonalNaive(season), "AutoTheta": AutoTheta(season), "AutoETS": AutoETS(season)}
    if season <= SLOW_PERIOD and len(group.panel.y) <= MOST_STAMPS:
        found["AutoARIMA"] = AutoARIMA(season_length=season)
    return {**{name: partial(_one_by_one, model) for name, model in found.items()}, "LightGBM over lags": _over_lags}


def _one_by_one(model: Any, series: list[np.ndarray], problem: ForecastProblem) -> np.ndarray:
    return np.array([model.forecast(y=y[-MOST_LEARNT:], h=problem.horizon)["mean"] for y in series])


def _over_lags(series: list[np.ndarray], problem: ForecastProblem) -> np.ndarray:
    """One model over all series of seasonal differences, a stamp ahead each time."""
    from lightgbm import LGBMRegressor

    season = problem.season if problem.season > 1 else 1
    scales = np.array([np.abs(np.diff(y)).mean() or 1.0 for y in series])
    changes = [(y[season:] - y[:-season]) / scale for y, scale in zip(series, scales, strict=True)]
    lags = min(max(2 * season, LEAST_LAGS), min(map(len, changes)) // 2)
    rows = np.concatenate([np.lib.stride_tricks.sliding_window_view(d, lags + 1) for d in changes])
    model = LGBMRegressor(n_estimators=200, verbose=-1, random_state=0).fit(rows[:, :-1], rows[:, -1])
    recent = np.array([d[-lags:] for d in changes])
    for _ in range(problem.horizon):
        recent = np.column_stack([recent, model.predict(recent[:, -lags:])])
    ahead = recent[:, lags:] * scales[:, None]
    return np.array([_summed(y, own, season) for y, own in zip(series, ahead, strict=True)])


def _summed(y: np.ndarray, changes: np.ndarray, season: int) -> np.ndarray:
    """Seasonal differences back as values."""
    values = list(y[-season:])
    for change in changes:
        values.append(values[-season] + change)
    return np.array(values[season:])


if __name__ == "__main__":
    main()
