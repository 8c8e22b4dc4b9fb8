"""load_series: the rows of series, with moments in the time column and a role for each column."""

from collections.abc import Mapping

import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.data.timestamps import has_offset, learn_format, read_timestamps
from automl_assets.data.typing import completed, stacked
from automl_assets.errors import DataError, SettingError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.steps import assign_roles
from automl_assets.records import SOURCE, TEST_FILE, Roles
from automl_assets.steps.named_columns import check_columns, named_columns
from automl_assets.steps.read_source import like, written


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
        ahead = written(like(experiment.predict_source, schema))
    roles = assign_roles.assign_roles(history, experiment, () if ahead is None else ahead.columns)
    zone = experiment.forecasting.timezone
    every = [completed(read_time(rows, time, schema, zone), history) for rows in tables.values()]
    return stacked([on_clocks_of(every[0], rows, time, zone) for rows in every]), roles


def time_formats(experiment: Experiment, rows: pl.DataFrame) -> dict[str, str]:
    """How the time column is written, by which all later rows are read. Raises DataError for what says no time."""
    time = experiment.time_column or ""
    return {time: learn_format(rows[time], experiment.date_formats.get(time))} if time in rows.columns else {}


def read_time(rows: pl.DataFrame, time: str, schema: Schema, zone: str | None) -> pl.DataFrame:
    """Rows with moments in the time column; `zone` is where stamps without an offset stand.

    Raises DataError that shows what is not written as it was learnt, and for offsets where none were learnt, unless the
    zone tells what is meant.
    """
    moments = read_timestamps(rows[time], schema.format_of(time) or learn_format(rows[time]))
    first = next((column.example for column in schema.columns if column.name == time), "")
    if zone or not first or has_offset(first) or moments.dtype.time_zone is None:  # type: ignore[attr-defined]
        return rows.with_columns(moments)
    if not _are_utc(rows[time]):
        raise DataError(
            f'time_column "{time}": {rows[time].drop_nulls()[0]} has an offset, and stamps learnt from have none; write them '
            "alike, or name the time zone of the latter: forecasting.timezone"
        )
    return rows.with_columns(moments.dt.replace_time_zone(None))


def on_clocks_of(first: pl.DataFrame, rows: pl.DataFrame, time: str, zone: str | None) -> pl.DataFrame:
    """Rows with moments that have a time zone where those of the first have, and none where they have none."""
    moments, wanted = rows[time], first.schema[time].time_zone  # type: ignore[attr-defined]
    own = moments.dtype.time_zone  # type: ignore[attr-defined]
    if own and not wanted:
        moments = moments.dt.convert_time_zone(zone or "UTC").dt.replace_time_zone(None)
    elif wanted and not own:
        moments = moments.dt.replace_time_zone(zone or "UTC", ambiguous="earliest", non_existent="null")
    return rows.with_columns(moments.dt.convert_time_zone(wanted) if wanted else moments)


def _are_utc(written: pl.Series) -> bool:
    if written.dtype == pl.String:
        return bool(written.drop_nulls().str.contains(r"(Z|[+-]00:?00)$").all())
    return written.dtype.time_zone == "UTC"  # type: ignore[attr-defined]


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
