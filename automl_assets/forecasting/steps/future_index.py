"""future_index: the stamps that come after the newest rows, and a forecast as rows. Not here: forecasting."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from automl_assets.data.series_names import series_values
from automl_assets.data.time_grid import grid
from automl_assets.forecasting.records import Forecast, ForecastProblem, Group, Panel


def whole(group: Group) -> Panel:
    """All rows of a group, the test's among them: what a forecast of the future goes by."""
    return group.panel.then(group.test) if group.test else group.panel


def ahead(history: Panel, problem: ForecastProblem) -> Panel:
    """The next `horizon` stamps of each series. A covariate known ahead is taken to be as it was a season before."""
    ends = history.offsets[1:]
    steps = np.arange(problem.horizon)
    season = np.minimum(problem.season, history.lengths)[:, None]
    same = ends[:, None] - season + steps % season  # rows of a season before [n_series, horizon]
    stamps = grid(problem.frequency).ahead(history.stamps[ends - 1], problem.horizon)
    is_known = np.array([covariate.role == "known" for covariate in problem.covariates], bool)
    n_rows = stamps.size
    return Panel(
        names=history.names,
        offsets=np.arange(history.n_series + 1, dtype=np.int64) * problem.horizon,
        stamps=stamps.reshape(-1),
        y=np.full(n_rows, np.nan),
        is_filled=np.zeros(n_rows, bool),
        covariates=np.where(is_known, history.covariates[same.reshape(-1)], np.nan).astype(np.float32),
        statics=history.statics,
    )


def rows_of(forecast: Forecast, problem: ForecastProblem) -> Iterator[dict[str, Any]]:
    """A line per series and stamp: the columns of the series, the stamp, the point and the quantiles."""
    names = [f"quantile_{level:g}" for level in forecast.levels]
    for number, name in enumerate(forecast.names):
        series = dict(zip(problem.series, series_values(name), strict=False))
        for step, stamp in enumerate(moments(forecast.stamps[number], problem.timezone)):
            quantiles = dict(zip(names, forecast.quantiles[number, step].tolist(), strict=True))
            yield {**series, problem.time: stamp, "prediction": float(forecast.point[number, step]), **quantiles}


def moments(stamps: np.ndarray, zone: str | None) -> list[datetime]:
    """Stamps as people of their time zone write them."""
    found: list[datetime] = stamps.astype("datetime64[us]").tolist()
    return [moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for moment in found] if zone else found
