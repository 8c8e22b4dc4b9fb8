"""load_series: the rows of series, with moments in the time column and a role for each column."""

from collections.abc import Mapping

import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.data.timestamps import learn_format, read_timestamps
from automl_assets.data.typing import completed, stacked
from automl_assets.errors import SettingError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.steps import assign_roles
from automl_assets.records import SOURCE, TEST_FILE, Roles
from automl_assets.steps.named_columns import check_columns, named_columns
from automl_assets.steps.read_source import written


def load_series(
    experiment: Experiment, tables: Mapping[int, pl.DataFrame], places: Mapping[int, str], schema: Schema
) -> tuple[pl.DataFrame, Roles]:
    """The rows of all sources as one table; `places` says where those of each mark are from.

    A test file may lack columns, which are then not known ahead. Raises SettingError for a column that the YAML names
    and the rows lack.
    """
    for mark, rows in tables.items():
        named = named_columns(experiment) if mark == SOURCE else _columns_ahead(experiment)
        check_columns(named, rows, places[mark])
    _check_country(experiment.forecasting.holidays)
    history, time = tables[SOURCE], experiment.time_column or ""
    ahead = tables.get(TEST_FILE)
    if ahead is None and experiment.predict_source:
        ahead = written(experiment.predict_source)
    roles = assign_roles.assign_roles(history, experiment, () if ahead is None else ahead.columns)
    every = [completed(read_time(rows, time, schema), history) for rows in tables.values()]
    return stacked(every), roles


def time_formats(experiment: Experiment, rows: pl.DataFrame) -> dict[str, str]:
    """How the time column is written, by which all later rows are read. Raises DataError for what says no time."""
    time = experiment.time_column or ""
    return {time: learn_format(rows[time], experiment.date_formats.get(time))} if time in rows.columns else {}


def read_time(rows: pl.DataFrame, time: str, schema: Schema) -> pl.DataFrame:
    """Rows with moments in the time column. Raises DataError that shows what is not written as it was learnt."""
    return rows.with_columns(read_timestamps(rows[time], schema.format_of(time) or learn_format(rows[time])))


def _columns_ahead(experiment: Experiment) -> list[tuple[str, str]]:
    """What rows to be forecast must have, after the key that names each."""
    ids = [("forecasting.series_id_columns", name) for name in experiment.forecasting.series_id_columns]
    return [("time_column", experiment.time_column or ""), *ids]


def _check_country(code: str | None) -> None:
    if code is None:
        return
    from holidays import list_supported_countries

    found = list_supported_countries()
    country, _, part = code.partition("-")
    if country not in found:
        raise SettingError(f"forecasting.holidays: got {country!r}; possible: {listed(found, 300)}")
    if part and part not in found[country]:
        raise SettingError(
            f"forecasting.holidays: {country} has no part {part!r}; possible: {listed(found[country], 100)}"
        )
