"""assign_roles: says which column plays which part in a forecast. The rule stands in `forecast_settings`."""

from collections.abc import Collection, Sequence

import polars as pl

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Roles

MOST_CATEGORIES = 1000
SELDOM = 0.5  # share of rows: texts with more values than that are names of rows, not categories


def assign_roles(history: pl.DataFrame, experiment: Experiment, ahead: Collection[str]) -> Roles:
    """The part of each column; `ahead` are the columns that will be known for the stamps to be forecast."""
    settings = experiment.forecasting
    named = {column: key.removesuffix("_covariates") for key, column in settings.roles if key.endswith("_covariates")}
    spoken_for = {column for _, column in experiment.roles} - set(named)
    types = experiment.featurization.column_types
    free = [
        name
        for name in history.columns
        if name not in spoken_for and name not in experiment.drop_columns and types.get(name) != "ignored"
    ]
    unnamed = [name for name in free if name not in named]
    varying = _within(history, settings.series_id_columns, unnamed)
    for name in unnamed:
        if varying[name]:
            named[name] = "known" if name in ahead else "past"
        elif _varies(history[name]):
            named[name] = "static"
    known, past, static = (tuple(n for n in free if named.get(n) == part) for part in ("known", "past", "static"))
    return Roles(
        experiment.target,
        features=(*known, *past, *static),
        time=experiment.time_column,
        series=settings.series_id_columns,
        known=known,
        past=past,
        static=static,
    )


def _within(history: pl.DataFrame, ids: Sequence[str], columns: list[str]) -> dict[str, bool]:
    """Whether a column is of use as a covariate: it has few enough values, and changes within a series."""
    usable = [name for name in columns if _is_usable(history[name])]
    changes = pl.col(usable).drop_nulls().n_unique() > 1
    found = history.group_by(ids).agg(changes) if ids else history.select(changes)
    return {name: name in usable and bool(found[name].any()) for name in columns}


def _varies(column: pl.Series) -> bool:
    return _is_usable(column) and column.drop_nulls().n_unique() > 1


def _is_usable(column: pl.Series) -> bool:
    if column.dtype != pl.String:
        return True
    n_values = column.drop_nulls().n_unique()
    return n_values <= MOST_CATEGORIES and n_values <= max(20, SELDOM * len(column))
