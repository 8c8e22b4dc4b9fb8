"""guess: whether an ensemble is better than the best answer that looks at no column, on the rows that validated it."""

import numpy as np

from automl_assets.metrics import oriented, scores_of
from automl_assets.records import Ensemble, Truth
from automl_assets.steps.evaluate import baseline_prediction

BETTER = "better_than_a_guess"  # name of the check


def guess_score(truth: Truth, rows: np.ndarray) -> float | None:
    """The metric of the best constant answer for some rows, by number; None where they give it no value."""
    problem = truth.problem.as_likely
    guess = baseline_prediction(truth.y[truth.split.is_training], len(rows), problem)
    return scores_of([problem.metric], truth.y[rows], guess, truth.weights_of(rows), problem).get(problem.metric)


def why_a_guess(ensemble: Ensemble, truth: Truth) -> str:
    """Why the ensemble is as good as a guess; empty where it is better, or where no guess has a score."""
    metric, rows = ensemble.problem.metric, np.flatnonzero(~np.isnan(ensemble.predictions).any(axis=1))
    guess = guess_score(truth, rows)
    if guess is None or oriented(metric, ensemble.score) > oriented(metric, guess):
        return ""
    return (
        f"it is no better than a guess that looks at no column: {metric} {ensemble.score:.6g} on the {len(rows):,} rows that "
        f"validated it, a guess has {guess:.6g}"
    )
