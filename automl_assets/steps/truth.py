"""truth: what is known of every row's answer, as steps of every family look at it."""

import numpy as np
import polars as pl

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Problem, Roles, Split, Ties, Truth


def truth_of(dataset: Dataset, problem: Problem, split: Split, experiment: Experiment) -> Truth:
    """Target and weight of every row, or every part of one, as the task encodes them, and which hang together."""
    table, roles = dataset.table, dataset.roles
    weight = table[roles.weight].cast(float).to_numpy().astype(np.float64) if roles.weight else None
    y, ties = experiment.task_part.encode_target(table[roles.target], problem), ties_of(table, roles)
    parts = experiment.task_part.parts
    if parts is None:
        return Truth(y, weight, problem, split, ties)
    rows = parts.rows_of(table[roles.target])
    return Truth(y, None if weight is None else weight[rows], problem, split.take(rows), of_parts(ties, rows))


def of_parts(ties: Ties, rows: np.ndarray) -> Ties:
    """Of the parts of rows, int64 [n_parts] being the number of each one's row: those of a row always hang together."""
    groups, moments = (None if one is None else one[rows] for one in (ties.groups, ties.moments))
    return Ties(rows if groups is None else groups, moments)


def ties_of(table: pl.DataFrame, roles: Roles) -> Ties:
    """Which rows share the group that the experiment names, and in which order its time puts them."""
    return Ties(
        groups=_numbers(table[roles.group].cast(pl.String).fill_null("")) if roles.group else None,
        moments=_numbers(table[roles.time]) if roles.time else None,
    )


def _numbers(column: pl.Series) -> np.ndarray:
    """Equal values share a number, in their order, int64 [n_rows]; 0 where there is none."""
    return column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
