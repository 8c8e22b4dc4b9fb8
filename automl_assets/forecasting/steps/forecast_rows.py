"""forecast_rows: forecasts what is missing in rows of today, which are read, put on the grid and filled as those learnt from.

Not here: what comes after the rows that a run knew, which needs no rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.data.series_names import series_name, series_values
from automl_assets.data.time_grid import Grid, grid
from automl_assets.data.timestamps import parse_timestamps
from automl_assets.errors import DataError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.partition_keys import Values
from automl_assets.forecasting.records import Forecast, ForecastEnsemble, ForecastProblem, Group, Panel, free_name
from automl_assets.forecasting.steps.build_panel import SeriesRows, build_panel
from automl_assets.forecasting.steps.forecast import alike, forecast
from automl_assets.forecasting.steps.future_index import ahead, rows_of, whole
from automl_assets.forecasting.steps.plan import Plan, local_rows
from automl_assets.forecasting.steps.raw_columns_onnx import input_types
from automl_assets.forecasting.steps.regularize import continue_series
from automl_assets.records import SOURCE, Dataset, Roles

POINT = "forecast"

Ensembles = Callable[[str], ForecastEnsemble]  # by the key of a group


@dataclass(frozen=True)
class Learnt:
    """What the groups of an experiment say of rows to come."""

    problem: ForecastProblem  # of any group: what is looked at here they share
    last: np.ndarray  # datetime64[us] [n_series], stamps on the grid
    key_of_series: Mapping[str, str]  # key of the group that learnt from each series
    key_of_group: Mapping[Values, str]  # and of the values of the `partition_by` columns


def learnt_from(groups: Mapping[str, Group]) -> Learnt:
    """Raises DataError without any group."""
    if not groups:
        raise DataError("no group has a forecast; make one first")
    panels = [whole(group) for group in groups.values()]
    return Learnt(
        problem=next(iter(groups.values())).problem,
        last=np.concatenate([panel.stamps[panel.offsets[1:] - 1] for panel in panels]),
        key_of_series={name: key for key, group in groups.items() for name in group.panel.names},
        key_of_group={values: key for key, group in groups.items() for values in (group.values, *group.groups)},
    )


def forecast_rows(rows: pl.DataFrame, learnt: Learnt, ensembles: Ensembles, experiment: Experiment) -> pl.DataFrame:
    """Stamp, columns of the series, `forecast` and `quantile_…` of each row after the last value of its series, in the
    order of the rows; where no row is asked, of the next `horizon` stamps of each series.

    Raises DataError for rows that are no such series.
    """
    _check_columns(rows, learnt.problem)
    table = _with_learnt_ids(rows, learnt).with_columns(parse_timestamps(rows[learnt.problem.time]))
    found = continue_series(*_on_learnt_grid(table, learnt, experiment), experiment)
    history = found.panel.until(found.n_ahead)
    keys = [_key(name, learnt, experiment) for name in history.names]
    if not found.n_ahead.any():
        future = ahead(history, learnt.problem)
        made = _ask(history, future, keys, ensembles)
        return _next_stamps(history, future, made, learnt.problem)
    made = _ask(history, found.panel.last(found.n_ahead), keys, ensembles)
    asked = rows[found.asked.place][[learnt.problem.time, *learnt.problem.series]]
    told = pl.DataFrame(made[found.asked.series, found.steps], _answer_names(learnt.problem))
    return asked.hstack(told)[np.argsort(found.asked.place)]


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
    return max((rows, whole_numbers, as_fractions), key=lambda table: _n_known(table, learnt))


def _n_known(rows: pl.DataFrame, learnt: Learnt) -> int:
    ids = rows.select(pl.col(name).cast(pl.String).fill_null("") for name in learnt.problem.series).unique()
    return sum(series_name(values) in learnt.key_of_series for values in ids.iter_rows())


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


def _key(name: str, learnt: Learnt, experiment: Experiment) -> str:
    """Of the group that learnt from a series, or to which it would belong, or of the only one."""
    own = dict(zip(learnt.problem.series, series_values(name), strict=False))
    values = tuple(own.get(column, "") for column in experiment.forecasting.partition_by)
    keys = set(learnt.key_of_series.values())
    key = learnt.key_of_series.get(name) or learnt.key_of_group.get(values) or (keys.pop() if len(keys) == 1 else None)
    if key is None:
        raise DataError(
            f"series {name!r} belongs to no group with a forecast; there are series {listed(learnt.key_of_series, 5)}"
        )
    return key


def _ask(history: Panel, future: Panel, keys: list[str], ensembles: Ensembles) -> np.ndarray:
    """Point and quantiles of each series, [n_series, n_stamps, 1 + n_quantiles]; NaN beyond the stamps it is asked for."""
    answers: list[tuple[np.ndarray, np.ndarray]] = []
    for key in dict.fromkeys(keys):
        ensemble, counts = ensembles(key), np.where(np.array(keys) == key, future.lengths, 0)
        for chosen, _ in alike(counts):
            made = forecast(ensemble, history.of(chosen), future.of(chosen))
            answers.append((chosen, np.concatenate([made.point[..., None], made.quantiles], axis=2)))
    found = np.full((history.n_series, int(future.lengths.max()), answers[0][1].shape[2]), np.nan)
    for chosen, answer in answers:
        found[chosen, : answer.shape[1]] = answer
    return found


def _answer_names(problem: ForecastProblem) -> list[str]:
    point = free_name(POINT, {*input_types(problem), problem.time, *problem.series})
    return [point, *(f"quantile_{level:g}" for level in problem.quantiles)]


def _next_stamps(history: Panel, future: Panel, made: np.ndarray, problem: ForecastProblem) -> pl.DataFrame:
    stamps = future.stamps.reshape(len(made), -1)
    told = Forecast(history.names, stamps, made[..., 0], made[..., 1:], problem.quantiles)
    found = pl.DataFrame(list(rows_of(told, problem)), infer_schema_length=None)
    return found.rename({"prediction": _answer_names(problem)[0]})
