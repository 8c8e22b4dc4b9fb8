"""combine: from the answers of an ensemble's members to its own. Building ensembles is in build_ensemble."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from automl_assets import registry
from automl_assets.errors import DataError, listed, nearest
from automl_assets.parts import Algorithm, link_scores
from automl_assets.records import (
    Member,
    Problem,
    Stack,
)

PROBABILITY_FLOOR = 1e-6


def stack_inputs(parts: Sequence[np.ndarray], problem: Problem) -> np.ndarray:
    """What a stack looks at: log-odds for two classes, log-probabilities for more, values for a regression."""
    if not problem.classes:
        return np.hstack(parts)
    logs = [np.log(np.clip(part, PROBABILITY_FLOOR, 1.0)) for part in parts]
    return np.hstack([log[:, 1:] - log[:, :1] if problem.n_classes == 2 else log for log in logs])


def apply_stack(inputs: np.ndarray, stack: Stack, problem: Problem) -> np.ndarray:
    """A stack's answer, float64 [n_rows, n_outputs]."""
    return link_scores(inputs @ stack.coefficients + stack.intercept, "logit" if problem.classes else "value")


def combine(parts: Sequence[np.ndarray], weights: Sequence[float], stack: Stack | None, problem: Problem) -> np.ndarray:
    """The ensemble's answer from its members' answers [n_rows, n_outputs]."""
    if stack is not None:
        return apply_stack(stack_inputs(parts, problem), stack, problem)
    return np.sum([weight * part for weight, part in zip(weights, parts, strict=True)], axis=0)


def algorithm_of(member: Member, problem: Problem) -> Algorithm:
    return registry.algorithms(registry.tasks()[problem.task].family)[member.algorithm]


def check_columns(needed: tuple[str, ...], table: pl.DataFrame) -> None:
    """Raises DataError when a column the model looks at is not there."""
    for name in needed:
        if name not in table.columns:
            hint = nearest(name, table.columns)
            raise DataError(f'the rows have no column "{name}"; they have {listed(table.columns)}.{hint}')
