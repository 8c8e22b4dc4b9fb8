"""load: reads the experiment's sources into typed rows with roles, and refuses what cannot answer the question."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from automl_assets.data.schema import ReadRows, Schema, told
from automl_assets.errors import AutomlError, DataError, MovingSourceError, SettingError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, Dataset
from automl_assets.steps.read_rows import check_fit
from automl_assets.steps.read_source import (
    joined_fingerprint,
    learn,
    like,
    settings_of,
    state_of_files,
    written_marked,
)

READINGS = 2  # of files that are written to meanwhile, at most


def load(experiment: Experiment) -> Dataset:
    """Every row of the source, the validation file and the test file, as one table typed by the schema of the source.

    Its fingerprint is that of the rows in it. Files that were written to while they were read are read once more. Raises
    MovingSourceError where that happens again.
    """
    for _ in range(READINGS):
        before = state_of_files(experiment)
        try:
            rows = _loaded(experiment, {mark: content for mark, (_, content) in before.items()})
        except AutomlError:  # which half of a file may cause
            if state_of_files(experiment) == before:
                raise
        else:
            if state_of_files(experiment) == before:
                return rows
    places = listed(setting.part.describe(setting.options) for setting in settings_of(experiment).values())
    raise MovingSourceError(
        f"{places}: written to while it was read, {READINGS} times in a row. Run it again when nobody writes there, or let "
        "whoever writes put whole files in their place by renaming"
    )


def _loaded(experiment: Experiment, contents: Mapping[int, str]) -> Dataset:
    """The rows as they are read now; `contents` are the fingerprints that are known."""
    settings = settings_of(experiment)
    places = {mark: setting.part.describe(setting.options) for mark, setting in settings.items()}
    rows, content = written_marked(experiment.source, contents.get(SOURCE, ""))
    _check_date_formats(experiment, rows)
    schema = learn(experiment.source, rows, experiment)
    others = {mark: like(setting, schema) for mark, setting in settings.items() if mark != SOURCE}
    brought = {SOURCE: (rows, content)}
    brought |= {mark: written_marked(setting, contents.get(mark, "")) for mark, setting in others.items()}
    read = {mark: _read(some, schema, experiment, places[mark]) for mark, (some, _) in brought.items()}
    tables = {mark: found.table for mark, found in read.items()}
    part = np.concatenate([np.full(rows.height, mark, np.int8) for mark, rows in tables.items()])
    table, roles = experiment.family.load(experiment, tables, places, schema)
    _check_rows(experiment, table, part)
    fingerprint = joined_fingerprint(brought[mark][1] for mark in settings)
    return Dataset(table, part, roles, fingerprint, schema, _unreadable(read, places))


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
