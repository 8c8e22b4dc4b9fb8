"""From which probability on a label is answered, where rows with a truth say so: by the F1 of each label, or of all.

A label that few rows have is judged by what its probabilities promise rather than by these rows, so that nothing is learnt
from single ones: the best F1 on rows alone is found by chance where they are few (Lipton et al. 2014). Not here: which
thresholds an ensemble is given.
"""

import numpy as np

from automl_assets.metrics.label_sets import ratio

LABEL_ROWS = 20  # rows with a label that say as much as its probabilities do
ROUNDING = 1e-12  # sums that differ by less are equal


def label_thresholds(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The threshold of the best F1 of each label by itself, float64 [n_labels]."""
    n_with = truth.sum(axis=0, dtype=np.int64)
    trust = n_with / (n_with + LABEL_ROWS)
    expected = trust * truth + (1 - trust) * prediction
    return np.array([best_threshold(expected[:, i], prediction[:, i], weight) for i in range(len(n_with))])


def pooled_threshold(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """The one threshold with which the F1 of all decisions together is best, float64 [n_labels] of the same."""
    of_decisions = None if weight is None else np.repeat(weight, truth.shape[1])
    return np.full(truth.shape[1], best_threshold(truth.ravel(), prediction.ravel(), of_decisions))


def best_threshold(y: np.ndarray, probability: np.ndarray, weight: np.ndarray | None) -> float:
    """Of all thresholds that part the rows in different ways the one of the best F1, midway between two probabilities.
    The truth `y` may be an expectation, anything from 0 to 1.

    >>> best_threshold(np.array([1, 1, 0, 0]), np.array([0.4, 0.3, 0.2, 0.1]), None)
    0.25
    """
    values, place = np.unique(probability, return_inverse=True)
    rows = np.ones(len(y)) if weight is None else weight
    true, every = (np.bincount(place, weights=one, minlength=len(values)) for one in (rows * y, rows))
    right, answered = (np.append(np.cumsum(one[::-1])[::-1], 0.0) for one in (true, every))  # at or above each value
    f1 = ratio(2 * right, answered + right[0])
    f1[0] = f1[0] if values[0] > 0 else -1.0  # no threshold is below a probability of 0
    ends = np.concatenate([[0.0], values, [1.0]])
    between = (ends[1:] + ends[:-1]) / 2
    best = np.flatnonzero(f1 >= f1.max() - ROUNDING)
    return float(between[best[np.argmin(np.abs(between[best] - 0.5))]])
