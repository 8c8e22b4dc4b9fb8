"""named_columns: whether rows have the columns that an experiment names."""

import polars as pl

from automl_assets.errors import SettingError, listed, nearest
from automl_assets.experiment.experiment import Experiment


def named_columns(experiment: Experiment) -> list[tuple[str, str]]:
    """Every column that the YAML names, after the key that names it."""
    return [
        *experiment.roles,
        *(("drop_columns", name) for name in experiment.drop_columns),
        *(("sensitive_columns", name) for name in experiment.sensitive_columns),
        *(("featurization.column_types", name) for name in experiment.featurization.column_types),
        *(("featurization.imputers", name) for name in experiment.featurization.imputers),
    ]


def check_columns(named: list[tuple[str, str]], rows: pl.DataFrame, where: str) -> None:
    """Raises SettingError for the first named column that the rows lack; `where` says where the rows are from."""
    for key, name in named:
        if name not in rows.columns:
            hint = nearest(name, rows.columns)
            raise SettingError(f'{key}: {where} has no column "{name}"; it has {listed(rows.columns)}.{hint}')
