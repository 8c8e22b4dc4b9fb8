"""plan: what all groups of an experiment share: the grid, the horizon, and what its columns are as numbers."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import polars as pl

from automl_assets.data.time_grid import Grid, found, grid, usual_horizon
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.featurization import Imputer
from automl_assets.forecasting.records import Covariate, free_name
from automl_assets.forecasting.steps.build_panel import MISSING, SeriesRows, build_panel, number_of
from automl_assets.records import SOURCE, Dataset, Roles

LONGEST_HORIZON = 0.2  # of the usual series, where nobody says how far ahead
FINER = 1.9  # times the distance of stamps that is asked for, from which the data has no such stamps
ENOUGH = 10  # distances between stamps from which the data's own grid is believed
EXTREMES: tuple[Literal["min"], Literal["max"]] = ("min", "max")
MOST_IDS = 8  # columns of which pairs are tried
MOST_LOOKED_AT = 1_000_000  # rows from which the grid is found

Role = Literal["known", "past"]


@dataclass(frozen=True)
class Plan:
    """What all groups share."""

    grid: Grid
    horizon: int
    timezone: str | None
    covariates: tuple[Covariate, ...]
    statics: tuple[Covariate, ...]
    ids: tuple[str, ...] = ()  # columns that would tell series apart, where none are named and stamps come again


def plan(dataset: Dataset, experiment: Experiment) -> tuple[SeriesRows, Plan]:
    """All rows, and what their groups share. Raises DataError where no grid can be found."""
    roles, source = dataset.roles, dataset.table.filter(pl.Series(dataset.part) == SOURCE)
    learnt = _without_test(source, roles, experiment)
    covariates = tuple(_covariate(learnt[name], experiment, "known") for name in roles.known)
    covariates += tuple(_covariate(learnt[name], experiment, "past") for name in roles.past)
    if experiment.forecasting.aggregate:
        covariates = tuple(_of_aggregates(covariates, source.columns))
    statics = tuple(_covariate(source[name], experiment, "known") for name in roles.static)
    rows = build_panel(dataset, experiment, covariates, statics)
    rows, one = _on_clocks(rows, experiment)
    return rows, Plan(
        grid=one,
        horizon=_horizon(rows, one, experiment),
        timezone=None if rows.zone == "UTC" else rows.zone,
        covariates=covariates,
        statics=statics,
        ids=() if roles.series or experiment.forecasting.aggregate else _telling_apart(source, experiment),
    )


def _without_test(source: pl.DataFrame, roles: Roles, experiment: Experiment) -> pl.DataFrame:
    """Rows before those at the end of each series that are kept for the test, which must not say what stands in gaps or
    which categories there are. A series too short for a test of its own has all."""
    share, horizon = experiment.test.fraction, experiment.forecasting.horizon
    if share is None:
        return source
    least, ids = 1 if horizon == "auto" else horizon, [pl.col(name) for name in roles.series] or [pl.lit(0)]
    stamp = pl.col(roles.time or "")
    n_stamps = stamp.n_unique().over(ids)
    n_test = pl.max_horizontal((share * n_stamps).round().cast(pl.Int64), pl.lit(least))
    has_test = n_stamps - n_test > least
    kept = source.filter(~has_test | (stamp.rank("dense").over(ids) <= n_stamps - n_test))
    return kept if kept.height else source


def _telling_apart(source: pl.DataFrame, experiment: Experiment) -> tuple[str, ...]:
    """The column, or the two columns, with the fewest values that leave no stamp twice; none where no stamp is."""
    time = experiment.time_column or ""
    if source[time].n_unique() == source.height:
        return ()
    counts = {name: source[name].n_unique() for name in source.columns if name not in (time, experiment.target)}
    possible = sorted((name for name in counts if not source[name].dtype.is_float()), key=counts.__getitem__)
    wanted = [(name,) for name in possible] + list(combinations(possible[:MOST_IDS], 2))
    return next((names for names in wanted if not source.select(*names, time).is_duplicated().any()), ())


def _covariate(column: pl.Series, experiment: Experiment, role: Role) -> Covariate:
    """A text, or a number that is said to be categorical, is a category; all else is a number."""
    imputer = experiment.featurization.imputers.get(column.name)
    kind = experiment.featurization.column_types.get(column.name)
    if kind not in ("categorical", "text") and column.dtype != pl.String:
        return Covariate(column.name, role, fill=_usual(number_of(column), imputer))
    values = [value for value in column.cast(pl.String).drop_nulls().unique().sort() if value != MISSING]
    categories = (*values, MISSING)
    wanted = column.drop_nulls().cast(pl.String).mode().sort()[0] if imputer and values else MISSING
    if imputer and imputer.strategy == "constant":
        wanted = str(imputer.fill_value)
    return Covariate(
        column.name, role, categories, float(categories.index(wanted if wanted in categories else MISSING))
    )


def _of_aggregates(covariates: Iterable[Covariate], taken: Collection[str]) -> Iterator[Covariate]:
    """Of rows that are summed up a number's mean, under its own name, and its least and greatest value."""
    for one in covariates:
        if one.categories:
            yield one
            continue
        yield replace(one, merge="mean")
        for merge in EXTREMES:
            yield replace(one, name=free_name(f"{one.name}_{merge}", taken), source=one.name, merge=merge)


def _usual(values: np.ndarray, imputer: Imputer | None) -> float:
    """What stands for a number that is missing: the median, unless an imputer says otherwise."""
    known = values[np.isfinite(values)]
    strategy = imputer.strategy if imputer else "median"
    if imputer and strategy == "constant":
        return float(imputer.fill_value or 0)
    if not known.size:
        return 0.0
    if strategy == "most_frequent":
        numbers, counts = np.unique(known, return_counts=True)
        return float(numbers[counts.argmax()])
    return float(known.mean() if strategy == "mean" else np.median(known))


def _grid(rows: SeriesRows, experiment: Experiment) -> Grid:
    """The grid that is asked for, or that of the source's rows."""
    asked = experiment.forecasting.frequency
    is_seen = ~np.isnat(rows.stamps) & ~rows.is_ahead
    own = found(rows.stamps[is_seen][:MOST_LOOKED_AT], rows.series[is_seen][:MOST_LOOKED_AT])
    if asked != "auto":
        is_sure = is_seen.sum() - len(rows.names) >= ENOUGH
        return _no_finer(grid(asked), own if is_sure else None)
    if own is None:
        raise DataError(
            f'time_column "{experiment.time_column}": no series has two different stamps, so their distance is unknown; '
            "say forecasting.frequency (D, W, MS, …), or check forecasting.series_id_columns"
        )
    return own


def _no_finer(asked: Grid, own: Grid | None) -> Grid:
    """Between the stamps of the data nothing is known."""
    if own and own.length_days >= FINER * asked.length_days:
        raise DataError(
            f"forecasting.frequency: got {asked.alias}, which is finer than the data's {own.alias}; say {own.alias}, or a "
            "wider one with forecasting.aggregate"
        )
    return asked


def _on_clocks(rows: SeriesRows, experiment: Experiment) -> tuple[SeriesRows, Grid]:
    """Rows on the clocks by which their stamps are regular: those of their zone for days, which are longer and shorter
    where clocks change, and for parts of days that keep to them; else UTC."""
    one = _grid(rows, experiment)
    if not rows.zone:
        return rows, one
    local = local_rows(rows)
    own = _grid(local, experiment)
    gain = _share_held(local, own) - _share_held(rows, one)
    return (local, own) if gain > 0 or (gain == 0 and one.length_days >= 1) else (rows, one)


def _share_held(rows: SeriesRows, one: Grid) -> float:
    """How many of the stamps to learn from stand on a grid, wherever that lies."""
    stamps = rows.stamps[~np.isnat(rows.stamps) & ~rows.is_ahead][:MOST_LOOKED_AT]
    return float(one.anchored(stamps).holds(stamps).mean()) if len(stamps) else 0.0


def local_rows(rows: SeriesRows) -> SeriesRows:
    """Stamps on the clocks of their zone, because a day begins at midnight where it is lived."""
    utc = pl.Series(rows.stamps).dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(rows.zone or "UTC").dt.replace_time_zone(None)
    return replace(rows, stamps=local.to_numpy().astype("datetime64[us]"), zone=None)


def _horizon(rows: SeriesRows, one: Grid, experiment: Experiment) -> int:
    """As asked; else as many stamps as the test file has of a series, or what is usual; a fifth of a series at most."""
    if experiment.forecasting.horizon != "auto":
        return experiment.forecasting.horizon
    lengths = _lengths(rows.series[~rows.is_ahead])
    wished = np.median(_lengths(rows.series[rows.is_ahead])) if rows.is_ahead.any() else usual_horizon(one)
    return int(max(1, min(wished, np.median(lengths) * LONGEST_HORIZON)))


def _lengths(series: np.ndarray) -> np.ndarray:
    return np.unique(series, return_counts=True)[1]
