"""fill_known_future: puts what is known about stamps to be forecast into a future, such as prices that are already decided."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.data.series_names import series_name
from automl_assets.data.time_grid import grid
from automl_assets.data.timestamps import in_utc, parse_timestamps
from automl_assets.errors import SourceError, listed, nearest
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.forecasting.steps.build_panel import numbers

NAME, STAMP = "/name", "/stamp"  # our own columns beside those of the rows


def by_series(rows: pl.DataFrame, problem: ForecastProblem, zone: str | None = None) -> dict[str, pl.DataFrame]:
    """Rows that name a series and a stamp, by the name of the series and with moments as stamps; `zone` is where the
    experiment says that days are lived.

    Raises SourceError where the rows do not say which series and stamp they are about.
    """
    _check(rows, problem)
    names = _names(rows, problem)
    named = rows.with_columns(names, _moments(rows[problem.time], names, problem, zone)).drop_nulls(STAMP)
    return {str(name): found for (name,), found in named.partition_by(NAME, as_dict=True).items()}


def fill_known_future(future: Panel, problem: ForecastProblem, known: dict[str, pl.DataFrame]) -> Panel:
    """The future with the known covariates of the rows of each series, those of one stamp together; others stay."""
    found = [known[name] for name in future.names if name in known]
    covariates = [one for one in problem.covariates if one.role == "known" and found and one.column in found[0].columns]
    if not covariates:
        return future
    rows = _merged(pl.concat(found).with_columns(_on_grid(future, problem)), covariates)
    own = pl.DataFrame({NAME: np.repeat(future.names, future.lengths), STAMP: future.stamps})
    placed = own.join(rows, on=[NAME, STAMP], how="left", maintain_order="left")
    filled = future.covariates.copy()
    for one in covariates:
        column, values = problem.covariates.index(one), placed[one.name].to_numpy()
        filled[:, column] = np.where(np.isnan(values), filled[:, column], values)
    return replace(future, covariates=filled)


def _merged(rows: pl.DataFrame, covariates: Sequence[Covariate]) -> pl.DataFrame:
    """One row for each series and stamp, with covariates as numbers under their own names."""
    names = [one.name for one in covariates]
    values = pl.DataFrame(numbers(rows, covariates), names).fill_nan(None)
    merges = [getattr(pl.col(one.name), one.merge)() for one in covariates]
    return values.with_columns(rows[NAME], rows[STAMP]).group_by(NAME, STAMP).agg(merges)


def _check(rows: pl.DataFrame, problem: ForecastProblem) -> None:
    for name in (problem.time, *problem.series):
        if name not in rows.columns:
            hint = nearest(name, rows.columns)
            raise SourceError(f'predict_source: has no column "{name}"; it has {listed(rows.columns)}.{hint}')


def _names(rows: pl.DataFrame, problem: ForecastProblem) -> pl.Series:
    ids = rows.select(pl.col(name).cast(pl.String) for name in problem.series)
    names = [series_name(values) for values in ids.iter_rows()] if problem.series else [series_name([])] * rows.height
    return pl.Series(NAME, names, pl.String)


def _moments(column: pl.Series, names: pl.Series, problem: ForecastProblem, zone: str | None) -> pl.Series:
    """In UTC, or on the clocks of the experiment's zone, or their own, where the problem knows none."""
    moments = parse_timestamps(column)
    if problem.timezone is None:
        is_elsewhere = zone and isinstance(moments.dtype, pl.Datetime) and moments.dtype.time_zone
        moments = moments.dt.convert_time_zone(zone) if is_elsewhere else moments  # type: ignore[arg-type]
        moments = moments.dt.replace_time_zone(None)
    is_again = (
        ~pl.DataFrame([names.alias("name"), moments.alias("moment")])
        .select(pl.int_range(pl.len()).over("name", "moment") == 0)
        .to_series()
    )
    found, _ = in_utc(moments, problem.timezone, is_again.to_numpy())
    return pl.Series(STAMP, found)


def _on_grid(future: Panel, problem: ForecastProblem) -> pl.Expr:
    one = grid(problem.frequency).anchored(future.stamps)
    return pl.col(STAMP).map_batches(lambda found: pl.Series(one.stamps(one.numbers(found.to_numpy()))))
