"""load_table: rows of tables under the columns of the first, and the role of each column."""

from collections.abc import Mapping

import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.data.typing import stacked
from automl_assets.errors import SourceError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, Roles
from automl_assets.steps.named_columns import check_columns, named_columns


def load_table(
    experiment: Experiment, tables: Mapping[int, pl.DataFrame], places: Mapping[int, str], schema: Schema
) -> tuple[pl.DataFrame, Roles]:
    """The rows of all sources as one table; `places` says where those of each mark are from.

    Raises SettingError for a column that the YAML names and the rows lack, SourceError for files of other columns.
    """
    for mark, rows in tables.items():
        check_columns(named_columns(experiment), rows, places[mark])
        _check_same_columns(tables[SOURCE], rows, places[mark])
    table = stacked(list(tables.values()))
    return table, _roles(experiment, table)


def _check_same_columns(first: pl.DataFrame, table: pl.DataFrame, where: str) -> None:
    lacking = [name for name in first.columns if name not in table.columns]
    if lacking:
        raise SourceError(
            f"{where} lacks {listed(lacking)}; a validation or test file has the columns of the source. "
            f"It has {listed(table.columns)}.{nearest(lacking[0], table.columns)}"
        )


def _roles(experiment: Experiment, table: pl.DataFrame) -> Roles:
    folds = experiment.validation.fold_columns
    spoken_for = {
        experiment.target,
        experiment.weight_column,
        experiment.group_column,
        *folds,
        *experiment.drop_columns,
    }
    features = tuple(name for name in table.columns if name not in spoken_for)
    if not features:
        raise SourceError(f"no column is left to learn from; the table has {listed(table.columns)}")
    return Roles(
        experiment.target, features, experiment.weight_column, experiment.group_column, experiment.time_column, folds
    )
