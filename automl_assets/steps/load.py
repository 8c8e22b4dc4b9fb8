"""load: reads the experiment's sources into typed rows with roles, and refuses what cannot answer the question."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from automl_assets.data.schema import ReadRows, Schema, told
from automl_assets.errors import DataError, SettingError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, Dataset
from automl_assets.steps.read_rows import check_fit
from automl_assets.steps.read_source import fingerprint, learn, like, settings_of, written


def load(experiment: Experiment) -> Dataset:
    """Every row of the source, the validation file and the test file, as one table typed by the schema of the source."""
    settings = settings_of(experiment)
    places = {mark: setting.part.describe(setting.options) for mark, setting in settings.items()}
    rows = written(experiment.source)
    _check_date_formats(experiment, rows)
    schema = learn(experiment.source, rows, experiment)
    others = {mark: written(like(setting, schema)) for mark, setting in settings.items() if mark != SOURCE}
    read = {mark: _read(some, schema, experiment, places[mark]) for mark, some in ({SOURCE: rows} | others).items()}
    tables = {mark: found.table for mark, found in read.items()}
    part = np.concatenate([np.full(rows.height, mark, np.int8) for mark, rows in tables.items()])
    table, roles = experiment.family.load(experiment, tables, places, schema)
    _check_rows(experiment, table, part)
    return Dataset(table, part, roles, fingerprint(experiment), schema, _unreadable(read, places))


def _read(rows: pl.DataFrame, schema: Schema, experiment: Experiment, where: str) -> ReadRows:
    """Raises DataError where the experiment is strict and cells of a test or validation file do not fit."""
    found = schema.read(rows)
    if experiment.strict:
        check_fit([misfit for misfit in found.misfits if misfit.column not in experiment.drop_columns], where)
    return found


def _unreadable(read: Mapping[int, ReadRows], places: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(f"{places[mark]}: {told(misfit)}" for mark, found in read.items() for misfit in found.misfits)


def _check_date_formats(experiment: Experiment, rows: pl.DataFrame) -> None:
    for name in experiment.date_formats:
        if name not in rows.columns:
            raise SettingError(
                f'date_formats: no column "{name}"; there are {listed(rows.columns)}.{nearest(name, rows.columns)}'
            )


def _check_rows(experiment: Experiment, table: pl.DataFrame, part: np.ndarray) -> None:
    n_labelled = int((table[experiment.target].is_not_null().to_numpy() & (part == SOURCE)).sum())
    least = experiment.family.least_rows
    if n_labelled < least:
        n_rows = int((part == SOURCE).sum())
        raise DataError(
            f'{n_rows} {"row" if n_rows == 1 else "rows"}, {n_labelled} of them with a value of the target "{experiment.target}": '
            f"at least {least} are needed to learn, validate and test. Bring more labelled rows."
        )
    if experiment.weight_column:
        weight = table[experiment.weight_column].cast(pl.Float64, strict=False)
        if weight.null_count() or weight.is_nan().any() or (weight < 0).any() or weight.sum() == 0:
            raise DataError(
                f'weight_column "{experiment.weight_column}": weights are numbers of at least 0, not all 0, without gaps; '
                f"got {weight.null_count()} gaps and a minimum of {weight.min()!r}."
            )
