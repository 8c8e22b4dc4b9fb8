"""truth: what is known of every row's answer, as steps of every family look at it."""

import numpy as np
import polars as pl

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Problem, Roles, Split, Ties, Truth


def truth_of(dataset: Dataset, problem: Problem, split: Split, experiment: Experiment) -> Truth:
    """Target and weight of every row, as the task encodes them, and which rows hang together."""
    table, roles = dataset.table, dataset.roles
    weight = table[roles.weight].cast(float).to_numpy().astype(np.float64) if roles.weight else None
    y = experiment.task_part.encode_target(table[roles.target], problem)
    return Truth(y, weight, problem, split, ties_of(table, roles))


def ties_of(table: pl.DataFrame, roles: Roles) -> Ties:
    """Which rows share the group that the experiment names, and in which order its time puts them."""
    return Ties(
        groups=_numbers(table[roles.group].cast(pl.String).fill_null("")) if roles.group else None,
        moments=_numbers(table[roles.time]) if roles.time else None,
    )


def _numbers(column: pl.Series) -> np.ndarray:
    """Equal values share a number, in their order, int64 [n_rows]; 0 where there is none."""
    return column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
