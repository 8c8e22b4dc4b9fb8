"""affordable_ensemble: which kinds of ensemble may compete in the time that is left; what it forbids is told."""

import time
from collections.abc import Sequence

import numpy as np

from automl_assets import metrics
from automl_assets.answer_kinds import answers_of
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.records import Candidate, Truth
from automl_assets.steps.build_ensemble import MAX_CELLS, N_RESAMPLES
from automl_assets.steps.ensemble_selection import MAX_MEMBERS

TIMES_NESTED = 6  # votes are chosen again for each part of the rows that judges them
STACK_SECONDS_A_CELL = 4e-6  # rows x outputs x outputs x algorithms, of all the fits of a stack on a quiet machine
FEWEST_VOTES = 5


def affordable_ensemble(
    settings: EnsembleSetting, candidates: Sequence[Candidate], truth: Truth, seconds: float, slowness: float
) -> tuple[EnsembleSetting, str]:
    """The settings without what cannot end in `seconds`, and what that leaves out, in words."""
    trials = [trial for candidate in candidates for trial in candidate.trials if trial.predictions is not None]
    if len(trials) < 2 or not answers_of(truth.problem).can_be_averaged:
        return settings, ""
    n_outputs, n_algorithms = truth.problem.n_outputs, len({trial.algorithm for trial in trials})
    n_rows = int(np.isfinite(trials[0].known_predictions).all(axis=1).sum())
    a_vote = _scoring_seconds(trials[0].known_predictions, truth) * min(len(trials), MAX_MEMBERS) * TIMES_NESTED
    n_learnt = n_outputs if answers_of(truth.problem).are_outputs_apart else n_outputs**2
    stack = slowness * STACK_SECONDS_A_CELL * min(n_rows, MAX_CELLS) * n_learnt * n_algorithms
    affordable = int(seconds / max(a_vote, 1e-9)) - N_RESAMPLES  # by so many scorings the best are told apart
    votes = min(settings.iterations, max(0, affordable))
    left_out = {
        "the vote": settings.voting and votes < FEWEST_VOTES,
        "the stack": settings.stacking and stack + votes * a_vote > seconds,
    }
    made = {
        "voting": settings.voting and not left_out["the vote"],
        "stacking": settings.stacking and not left_out["the stack"],
        "iterations": max(1, votes),
    }
    told = " and ".join(name for name, is_out in left_out.items() if is_out)
    return settings.model_copy(update=made), f"left out for want of time: {told}" if told else ""


def _scoring_seconds(predictions: np.ndarray, truth: Truth) -> float:
    """Of the metric on as many rows as votes are shared out on."""
    rows = np.flatnonzero(np.isfinite(predictions).all(axis=1))[: MAX_CELLS // truth.problem.n_outputs]
    started = time.monotonic()
    metrics.scores_of([truth.problem.metric], truth.y[rows], predictions[rows], truth.weights_of(rows), truth.problem)
    return time.monotonic() - started
