"""holdout_predictions: the rows an ensemble is judged on, with its answers and the truth; test rows, or out-of-fold ones."""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np

from automl_assets import registry
from automl_assets.records import Ensemble, Features
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.resample import chunk_ends, permuted, units_of

CHUNK = 1_000  # rows that are answered at once, and whatever the time where that takes no more than
GRACE_SECONDS = 2.0  # of the processor
FIRST_ROWS = 32  # that are always answered
CELLS_A_SECOND = 500_000  # rows x outputs that are judged in a second: metrics, intervals, pictures


def judged_rows(features: Features, ensemble: Ensemble) -> np.ndarray:
    """The rows that `holdout_predictions` answers, bool [n_rows]."""
    if features.truth.split.is_test.any():
        return features.truth.split.is_test
    return ~np.isnan(ensemble.predictions).any(axis=1)


def holdout_predictions(features: Features, ensemble: Ensemble) -> Answers:
    """The test rows when there are any; else every row some fold validated on, answered by models that never saw it."""
    return holdout_predictions_until(features, ensemble, np.flatnonzero(judged_rows(features, ensemble)), float("inf"))[
        0
    ]


def holdout_predictions_in(features: Features, ensemble: Ensemble, seconds: float, seed: int) -> Answers:
    """The same of as many rows, chosen by chance, as are answered in `seconds` and judged in about as many again."""
    rows = np.flatnonzero(judged_rows(features, ensemble))
    most = max(CHUNK, int(max(0.0, seconds) * CELLS_A_SECOND / features.truth.problem.n_outputs))
    if len(rows) > most or features.truth.split.is_test.any():
        rows = permuted(features.truth.ties.groups, rows, np.random.default_rng(seed))[:most]
    return holdout_predictions_until(features, ensemble, rows, time.monotonic() + max(0.0, seconds))[0]


def holdout_predictions_until(
    features: Features, ensemble: Ensemble, rows: np.ndarray, end: float
) -> tuple[Answers, np.ndarray]:
    """The same of some of these rows, by number: of as many, from the first on, as are answered by `end`; and their
    numbers, in order. FIRST_ROWS are always answered, and CHUNK rows where that takes no more than GRACE_SECONDS."""
    if not features.truth.split.is_test.any():
        return _answers("out_of_fold", features, np.sort(rows), ensemble.predictions[np.sort(rows)]), np.sort(rows)
    answer = registry.family_of(ensemble.problem.task).steps.answer_inputs
    parts: list[np.ndarray] = []
    started = time.process_time()
    for first, last in _chunks(features.truth.ties.groups, rows):
        has_grace = first < CHUNK and time.process_time() < started + GRACE_SECONDS
        if parts and time.monotonic() >= end and not has_grace:
            break
        parts.append(answer(ensemble, features.inputs.take(rows[first:last])))
    answers = np.concatenate(parts)
    order = np.argsort(rows[: len(answers)])
    return _answers("test", features, rows[order], answers[order]), rows[order]


def _chunks(groups: np.ndarray | None, rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where chunks of rows begin and end, by position; the first of them in small parts."""
    ends, first = chunk_ends(groups, rows, CHUNK), 0
    while first < ends[0]:
        last = first + chunk_ends(groups, rows[first : ends[0]], max(first, FIRST_ROWS))[0]
        yield first, last
        first = last
    yield from pairwise(ends)


def _answers(
    name: Literal["test", "out_of_fold"], features: Features, rows: np.ndarray, answers: np.ndarray
) -> Answers:
    truth = features.truth
    return Answers(name, truth.y[rows], answers, truth.weights_of(rows), units_of(truth.ties, rows))
