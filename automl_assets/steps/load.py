"""load: reads the experiment's sources into typed rows with roles, and refuses what cannot answer the question."""

import numpy as np
import polars as pl

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, Dataset
from automl_assets.steps.read_source import fingerprint, read, settings_of


def load(experiment: Experiment) -> Dataset:
    """Every row of the source, the validation file and the test file, as one typed table."""
    settings = settings_of(experiment)
    tables = {mark: read(setting) for mark, setting in settings.items()}
    places = {mark: setting.part.describe(setting.options) for mark, setting in settings.items()}
    part = np.concatenate([np.full(rows.height, mark, np.int8) for mark, rows in tables.items()])
    table, roles = experiment.family.load(experiment, tables, places)
    _check_rows(experiment, table, part)
    return Dataset(table, part, roles, fingerprint(experiment))


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
