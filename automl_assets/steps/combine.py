"""combine: from the answers of an ensemble's members to its own. Building ensembles is in build_ensemble."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from automl_assets import registry
from automl_assets.answer_kinds import answers_of, label_odds
from automl_assets.errors import DataError, listed, nearest
from automl_assets.parts import Algorithm, link_scores
from automl_assets.records import AnswerName, Member, Problem, Stack

PROBABILITY_FLOOR = 1e-6


def stack_inputs(parts: Sequence[np.ndarray], problem: Problem) -> np.ndarray:
    """What a stack looks at: log-odds for two classes and for every label of sets, log-probabilities for more classes,
    values for a regression."""
    return np.hstack([STACK_INPUTS[problem.answers](part) for part in parts])


def _of_classes(part: np.ndarray) -> np.ndarray:
    log = np.log(np.clip(part, PROBABILITY_FLOOR, 1.0))
    return log[:, 1:] - log[:, :1] if part.shape[1] == 2 else log


def _of_label_sets(part: np.ndarray) -> np.ndarray:
    return label_odds(part, PROBABILITY_FLOOR)


STACK_INPUTS: dict[AnswerName, Callable[[np.ndarray], np.ndarray]] = {
    "classes": _of_classes,
    "label_sets": _of_label_sets,
    "values": lambda part: part,
}


def apply_stack(inputs: np.ndarray, stack: Stack, problem: Problem) -> np.ndarray:
    """A stack's answer, float64 [n_rows, n_outputs]."""
    return link_scores(inputs @ stack.coefficients + stack.intercept, answers_of(problem).link)


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
