"""truth: what is known of every row's answer, as steps of every family look at it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.experiment.experiment import Experiment
from automl_assets.parts import Task
from automl_assets.records import Dataset, Problem, Roles, Split, Ties, Truth


@dataclass(frozen=True)
class Known:
    """What rows say of their answers: one of each row, or of each of its parts."""

    y: np.ndarray  # as in `records.Truth`
    weight: np.ndarray | None
    ties: Ties
    row: np.ndarray | None = None  # int64 [n_answers], the number of each answer's row; None: every row has one


def truth_of(dataset: Dataset, problem: Problem, split: Split, experiment: Experiment) -> Truth:
    """Target and weight of every row, or every part of one, as the task encodes them, and which hang together."""
    known = known_of(dataset.table, dataset.roles, experiment.task_part, problem)
    return Truth(known.y, known.weight, problem, split if known.row is None else split.take(known.row), known.ties)


def known_of(table: pl.DataFrame, roles: Roles, task: Task, problem: Problem) -> Known:
    """The same of any rows. Parts of a row always hang together."""
    y, ties = task.encode_target(table[roles.target], problem), ties_of(table, roles)
    weight = table[roles.weight].cast(float).to_numpy().astype(np.float64) if roles.weight else None
    if task.parts is None:
        return Known(y, weight, ties)
    row = task.parts.rows_of(table[roles.target])
    groups, moments = (None if one is None else one[row] for one in (ties.groups, ties.moments))
    return Known(y, None if weight is None else weight[row], Ties(row if groups is None else groups, moments), row)


def ties_of(table: pl.DataFrame, roles: Roles) -> Ties:
    """Which rows share the group that the experiment names, and in which order its time puts them."""
    return Ties(
        groups=_numbers(table[roles.group].cast(pl.String).fill_null("")) if roles.group else None,
        moments=_numbers(table[roles.time]) if roles.time else None,
    )


def _numbers(column: pl.Series) -> np.ndarray:
    """Equal values share a number, in their order, int64 [n_rows]; 0 where there is none."""
    return column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
