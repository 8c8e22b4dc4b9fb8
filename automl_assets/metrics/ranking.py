"""How well values rank decisions, over all thresholds: areas under curves, with ties and weights."""

import numpy as np


def ranked_totals(is_class: np.ndarray, values: np.ndarray, weight: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Weight of a class and of all others at or above each distinct value, from the highest value down.

    >>> ranked_totals(np.array([True, False, True]), np.array([0.9, 0.4, 0.4]), None)
    (array([1., 2.]), array([0., 1.]))
    """
    order = np.argsort(-values)
    last = ends_of_ties(values[order])
    if weight is None:
        inside = np.cumsum(is_class[order], dtype=np.float64)[last]
        return inside, last + 1.0 - inside
    inside = np.cumsum((weight * is_class)[order])[last]
    return inside, np.cumsum((weight * ~is_class)[order])[last]


def roc_area(is_class: np.ndarray, values: np.ndarray, weight: np.ndarray | None) -> float:
    """Share of pairs (one of the class, one of the rest) in the right order, ties counting half."""
    inside, outside = ranked_totals(is_class, values, weight)
    midway = inside - np.diff(inside, prepend=0.0) / 2
    return float((np.diff(outside, prepend=0.0) * midway).sum() / (inside[-1] * outside[-1]))


def precision_area(is_class: np.ndarray, values: np.ndarray, weight: np.ndarray | None) -> float:
    """Average precision: the sum of precision times the gain in recall, without interpolation."""
    inside, outside = ranked_totals(is_class, values, weight)
    total = inside + outside
    precision = np.divide(inside, total, out=np.ones_like(total), where=total > 0)
    return float((np.diff(inside, prepend=0.0) * precision).sum() / inside[-1])


def ends_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Position of the last of each run of equal values."""
    return np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
