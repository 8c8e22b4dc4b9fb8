"""overlay: puts what is known about stamps to be forecast into a future, such as prices that are already decided."""

from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.errors import SourceError, listed, nearest
from automl_assets.grid import grid
from automl_assets.series import ForecastProblem, Panel, series_name
from automl_assets.steps.forecasting.lay import numbers
from automl_assets.steps.forecasting.stamp import in_utc, stamps


def overlay(future: Panel, problem: ForecastProblem, rows: pl.DataFrame) -> Panel:
    """The future with the known covariates of `rows`, the last of those that name a series and stamp; others stay.

    Raises SourceError where the rows do not say which series and stamp they are about.
    """
    _check(rows, problem)
    given = pl.DataFrame({"name": _names(rows, problem), "stamp": _moments(rows[problem.time], future, problem)})
    own = pl.DataFrame({"name": np.repeat(future.names, future.lengths), "stamp": future.stamps})
    given = given.with_row_index("row").unique(["name", "stamp"], keep="last")
    place = own.join(given, on=["name", "stamp"], how="left", maintain_order="left")["row"]
    is_given, row = place.is_not_null().to_numpy(), place.fill_null(0).to_numpy()
    columns = [future.covariates[:, number] for number in range(len(problem.covariates))]
    for number, one in enumerate(problem.covariates):
        if one.role == "known" and one.name in rows.columns:
            values = numbers(rows, [one])[row, 0] if rows.height else columns[number]
            columns[number] = np.where(is_given & ~np.isnan(values), values, columns[number])
    return replace(future, covariates=np.column_stack(columns).astype(np.float32)) if columns else future


def _check(rows: pl.DataFrame, problem: ForecastProblem) -> None:
    for name in (problem.time, *problem.series):
        if name not in rows.columns:
            hint = nearest(name, rows.columns)
            raise SourceError(f'predict_source: has no column "{name}"; it has {listed(rows.columns)}.{hint}')


def _names(rows: pl.DataFrame, problem: ForecastProblem) -> pl.Series:
    ids = rows.select(pl.col(name).cast(pl.String) for name in problem.series)
    names = [series_name(values) for values in ids.iter_rows()] if problem.series else [series_name([])] * rows.height
    return pl.Series(names, dtype=pl.String)


def _moments(column: pl.Series, future: Panel, problem: ForecastProblem) -> np.ndarray:
    """On the grid of the future, datetime64[us]; on the clocks of their zone where the problem knows none."""
    moments = stamps(column)
    if problem.timezone is None:
        moments = moments.dt.replace_time_zone(None)
    found, _ = in_utc(moments, problem.timezone, np.zeros(len(column), bool))
    one = grid(problem.frequency).anchored(future.stamps)
    is_known = ~np.isnat(found)
    found[is_known] = one.stamps(one.numbers(found[is_known]))
    return found
