"""forecast_rows: forecasts what is missing in rows of today, which are read, put on the grid and filled as those learnt from.

Not here: what comes after the rows that a run knew, which needs no rows; and the models, which answer as they are served.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from automl_assets.data.read_column import as_text
from automl_assets.data.schema import Schema
from automl_assets.data.series_names import series_name, series_values
from automl_assets.data.time_grid import Grid, grid
from automl_assets.errors import ArtifactError, DataError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.records import ForecastProblem, Group, Panel
from automl_assets.forecasting.steps.build_panel import SeriesRows, build_panel
from automl_assets.forecasting.steps.export import raw_values
from automl_assets.forecasting.steps.future_index import ahead, moments, whole
from automl_assets.forecasting.steps.load_series import read_time
from automl_assets.forecasting.steps.plan import Plan, local_rows
from automl_assets.forecasting.steps.regularize import continue_series
from automl_assets.records import SOURCE, Dataset, Roles
from automl_assets.steps.read_rows import as_frame, read_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Learnt:
    """What the groups of an experiment say of rows to come."""

    problem: ForecastProblem  # of any group: what is looked at here they share
    last: np.ndarray  # datetime64[us] [n_series], stamps on the grid
    names: Set[str]  # of the series


def learnt_from(groups: Iterable[Group]) -> Learnt:
    """Raises ArtifactError without any group."""
    problem: ForecastProblem | None = None
    last: list[np.ndarray] = []
    names: set[str] = set()
    for group in groups:
        panel, problem = whole(group), problem or group.problem
        last.append(panel.stamps[panel.offsets[1:] - 1])
        names.update(panel.names)
    if problem is None:
        raise ArtifactError("no group has a forecast; make one first")
    return Learnt(problem, np.concatenate(last), names)


def forecast_rows(
    rows: pl.DataFrame, learnt: Learnt, answer: "Callable[[pd.DataFrame], pd.DataFrame]", experiment: Experiment
) -> pl.DataFrame:
    """Stamp, columns of the series, `forecast` and `quantile_…` of each row after the last value of its series, in the
    order of the rows; where no row is asked, of the next `horizon` stamps of each series.

    `answer` is a served model, which takes series without a gap. Raises DataError for rows that are no such series.
    """
    table = _with_learnt_ids(rows, learnt)
    found = continue_series(*_on_learnt_grid(table, learnt, experiment), experiment)
    history, ids = found.panel.until(found.n_ahead), [learnt.problem.time, *learnt.problem.series]
    if not found.n_ahead.any():
        future = ahead(history, learnt.problem)
        told = pl.from_pandas(answer(_sent(history, future, learnt.problem))).drop(ids)
        return pl.DataFrame(_ids(future, learnt.problem)).hstack(told)
    future = found.panel.last(found.n_ahead)
    told = pl.from_pandas(answer(_sent(history, future, learnt.problem))).drop(ids)
    asked = rows[found.asked.place][ids].hstack(told[future.offsets[found.asked.series] + found.steps])
    return asked[np.argsort(found.asked.place)]


def read_new(rows: Any, schema: Schema, problem: ForecastProblem, is_strict: bool) -> pl.DataFrame:
    """The rows of a pandas or polars frame as those learnt from, with moments in the time column. Raises DataError for
    columns that are not there, and for cells that cannot be read."""
    table = as_frame(rows)
    _check_columns(table, problem)
    read = read_rows(table, schema, table.columns, is_strict).table
    return read_time(read, problem.time, schema, problem.timezone)


def _sent(history: Panel, future: Panel, problem: ForecastProblem) -> "pd.DataFrame":
    """Raw columns as a served model takes them, series by series."""
    import pandas as pd

    both = history.then(future.hidden(problem))
    series = np.repeat(np.arange(both.n_series), both.lengths)
    stamps = pd.DatetimeIndex(both.stamps)
    columns = _ids(both, problem) | {problem.time: stamps.tz_localize("UTC") if problem.timezone else stamps}
    values = {one.name: raw_values(both.covariates[:, place], one) for place, one in enumerate(problem.covariates)}
    statics = {one.name: raw_values(both.statics[series, place], one) for place, one in enumerate(problem.statics)}
    return pd.DataFrame(columns | {problem.target: both.y} | values | statics)


def _ids(panel: Panel, problem: ForecastProblem) -> dict[str, list[Any]]:
    """Stamp and columns of the series of each row."""
    values = [series_values(name) for name in panel.names]
    series = np.repeat(np.arange(panel.n_series), panel.lengths)
    found: dict[str, list[Any]] = {problem.time: moments(panel.stamps, problem.timezone)}
    for place, column in enumerate(problem.series):
        found[column] = [values[number][place] for number in series]
    return found


def _check_columns(rows: pl.DataFrame, problem: ForecastProblem) -> None:
    columns = [one.column for one in (*problem.covariates, *problem.statics)]
    wanted = dict.fromkeys([problem.time, problem.target, *problem.series, *columns])
    lacking = [name for name in wanted if name not in rows.columns]
    if lacking:
        raise DataError(
            f"the rows lack {listed(lacking)}, from which the forecast was learnt; they have {listed(rows.columns)}. Bring "
            f"those columns, empty where nothing is known.{nearest(lacking[0], rows.columns)}"
        )
    if not rows.height:
        raise DataError("there are no rows; bring a history, and the rows to be forecast")


def _with_learnt_ids(rows: pl.DataFrame, learnt: Learnt) -> pl.DataFrame:
    """Ids as texts. A file with gaps, or pandas, makes whole numbers to fractions: they are written as they were learnt."""
    ids = learnt.problem.series
    fractions = [name for name in ids if rows[name].dtype.is_float() and (rows[name] == rows[name].round()).all()]
    whole_numbers = rows.with_columns(pl.col(name).cast(pl.Int64) for name in fractions)
    wholes = [name for name in ids if rows[name].dtype.is_integer()]
    as_fractions = rows.with_columns(pl.col(name).cast(pl.Float64) for name in wholes)
    one_by_one = rows.with_columns(as_text(rows[name]) for name in ids)
    return max((rows, whole_numbers, as_fractions, one_by_one), key=lambda table: _n_known(table, learnt))


def _n_known(rows: pl.DataFrame, learnt: Learnt) -> int:
    ids = rows.select(pl.col(name).cast(pl.String).fill_null("") for name in learnt.problem.series).unique()
    return sum(series_name(values) in learnt.names for values in ids.iter_rows())


def _on_learnt_grid(table: pl.DataFrame, learnt: Learnt, experiment: Experiment) -> tuple[SeriesRows, Plan]:
    """The rows as series, on the clocks of those learnt from, and what all groups share."""
    problem, settings = learnt.problem, experiment.forecasting
    statics = tuple(one.column for one in problem.statics)
    roles = Roles(problem.target, (), time=problem.time, series=problem.series, static=statics)
    dataset = Dataset(table, np.full(table.height, SOURCE, np.int8), roles, fingerprint="")
    changes = {"partition_by": (), "timezone": problem.timezone or settings.timezone}
    alike = experiment.model_copy(update={"forecasting": settings.model_copy(update=changes)})
    rows = build_panel(dataset, alike, problem.covariates, problem.statics)
    one = grid(problem.frequency).anchored(learnt.last)
    if rows.zone and problem.timezone is None:
        local = local_rows(rows)
        gain = _share_on(local, one) - _share_on(rows, one)
        rows = local if gain > 0 or (gain == 0 and one.length_days >= 1) else rows
    return rows, Plan(one, problem.horizon, problem.timezone, problem.covariates, problem.statics)


def _share_on(rows: SeriesRows, one: Grid) -> float:
    stamps = rows.stamps[~np.isnat(rows.stamps)]
    return float(one.holds(stamps).mean()) if len(stamps) else 0.0
