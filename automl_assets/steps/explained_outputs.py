"""explained_outputs: what contributions to an answer are about, in the space in which they add up: log-odds of classes and labels,
values of a regression."""

import numpy as np

from automl_assets.records import Problem
from automl_assets.steps.combine import PROBABILITY_FLOOR


def output_names(problem: Problem) -> tuple[str, ...]:
    """One class of two, every class of more, every label, or the value of a regression.

    >>> output_names(Problem("classification", "accuracy", ("no", "yes")))
    ('yes',)
    """
    if not problem.classes:
        return ("value",)
    return tuple(str(problem.classes[code]) for code in output_codes(problem))


def output_codes(problem: Problem) -> list[int]:
    """Columns of an answer that are the outputs."""
    if not problem.classes:
        return [0]
    positive = 1 if problem.positive is None else problem.positive
    return [positive] if problem.is_binary else list(range(problem.n_classes))


def log_odds(answers: np.ndarray, problem: Problem) -> np.ndarray:
    """Probabilities as log-odds of each output against everything else, [n_rows, n_outputs]; values as they are.

    >>> log_odds(np.array([[0.5, 0.5]]), Problem("classification", "accuracy", ("no", "yes")))
    array([[0.]])
    """
    if not problem.classes:
        return answers
    own = answers[:, output_codes(problem)]
    rest = (1.0 if problem.is_multilabel else answers.sum(axis=1, keepdims=True)) - own
    return np.log(np.clip(own, PROBABILITY_FLOOR, 1.0) / np.clip(rest, PROBABILITY_FLOOR, 1.0))
