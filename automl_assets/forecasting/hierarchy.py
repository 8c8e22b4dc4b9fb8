"""Series that add up to others: how they hang together, and forecasts made to add up likewise.

Arithmetic on matrices whose rows are nodes: aggregates from the top down, then the leaves. Sources: Hyndman and
Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, chapter 11; Wickramasuriya, Athanasopoulos and Hyndman
2019 (minimum trace). Not here: panels, and which forecasts are reconciled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Method = Literal["bottom_up", "top_down_average_proportions", "top_down_proportions_of_averages", "min_trace"]
Path = tuple[str, ...]

MOST_CORRELATED = 1_000  # nodes whose errors are looked at together; of more each by itself
LEAST_VARIANCE = 1e-6  # of a node, as a share of the mean of all
LEAST_SHRINKAGE = 1e-3  # where errors are all alike, their covariance alone could not be inverted


@dataclass(frozen=True)
class Hierarchy:
    """Which leaves each aggregate holds."""

    paths: tuple[Path, ...]  # of the aggregates: values of the columns from the top down, none for the total
    aggregation: np.ndarray  # float64 [n_aggregates, n_leaves], 1 where an aggregate holds a leaf

    @property
    def n_aggregates(self) -> int:
        return len(self.aggregation)

    @property
    def n_leaves(self) -> int:
        return self.aggregation.shape[1]

    @property
    def levels(self) -> np.ndarray:
        """Of each node, int64 [n_nodes], 0 at the top."""
        depths = [len(path) for path in self.paths]
        _, found = np.unique([*depths, *[np.inf] * self.n_leaves], return_inverse=True)
        return found


def hierarchy(leaves: Sequence[Path]) -> Hierarchy:
    """The tree over leaves, each told by its path from the top down.

    A level at which no two leaves are put together is left out, and of levels that hold everything all but the lowest.

    >>> tree = hierarchy([("north", "a"), ("north", "b"), ("south", "c")])
    >>> tree.paths, tree.aggregation.astype(int).tolist()
    (((), ('north',), ('south',)), [[1, 1, 1], [1, 1, 0], [0, 0, 1]])
    """
    depths = [[leaf[:depth] for leaf in leaves] for depth in range(max(map(len, leaves), default=0) + 1)]
    sizes = [len(set(held)) for held in depths]
    top = max((depth for depth, size in enumerate(sizes) if size == 1), default=0)
    paths: list[Path] = []
    rows: list[list[bool]] = []
    for held, size in list(zip(depths, sizes, strict=True))[top:]:
        nodes = dict.fromkeys(held) if size < len(leaves) else {}
        paths += nodes
        rows += [[path == node for path in held] for node in nodes]
    return Hierarchy(tuple(paths), np.array(rows, dtype=np.float64).reshape(-1, len(leaves)))


def added_up(aggregation: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Every node, [n_nodes, ...] of [n_leaves, ...]."""
    return np.concatenate([np.tensordot(aggregation, leaves, axes=1), leaves])


def coherent(
    aggregation: np.ndarray, projection: np.ndarray, base: np.ndarray, is_positive: bool = False
) -> np.ndarray:
    """Forecasts of all nodes that add up, [n_nodes, ...] of base forecasts [n_nodes, ...]; none below zero if asked."""
    leaves = np.tensordot(projection, base, axes=1)
    return added_up(aggregation, np.maximum(leaves, 0.0) if is_positive else leaves)


def projection(tree: Hierarchy, method: Method, history: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """From base forecasts of all nodes to coherent ones of the leaves, float64 [n_leaves, n_nodes].

    `history` [n_leaves, n_stamps] gives proportions, `errors` of the base forecasts [n_nodes, n_errors] their covariance.
    """
    if method == "min_trace":
        return min_trace(tree, covariance(tree, errors))
    found = np.zeros((tree.n_leaves, tree.n_aggregates + tree.n_leaves))
    if method == "bottom_up" or not tree.n_aggregates:
        found[:, tree.n_aggregates :] = np.eye(tree.n_leaves)
    else:
        found[:, 0] = proportions(history, is_of_averages=method == "top_down_proportions_of_averages")
    return found


def proportions(history: np.ndarray, is_of_averages: bool) -> np.ndarray:
    """Of each leaf in the total, [n_leaves] of [n_leaves, n_stamps]: the mean of its shares, or the share of its mean.

    Equal ones where nothing adds up to anything.

    >>> history = np.array([[1.0, 1.0], [1.0, 3.0]])
    >>> proportions(history, is_of_averages=False), proportions(history, is_of_averages=True).round(3)
    (array([0.375, 0.625]), array([0.333, 0.667]))
    """
    total = history.sum(axis=0)
    is_some = total != 0
    if is_of_averages and total.sum() != 0:
        return history.mean(axis=1) / total.mean()
    if not is_of_averages and is_some.any():
        return (history[:, is_some] / total[is_some]).mean(axis=1)
    return np.full(len(history), 1 / len(history))


def min_trace(tree: Hierarchy, spread: np.ndarray) -> np.ndarray:
    """The projection with the least variance of all that leave coherent forecasts as they are [n_leaves, n_nodes].

    `spread` is the covariance of base errors [n_nodes, n_nodes], or their variances [n_nodes].

    >>> tree = hierarchy([("a",), ("b",)])
    >>> coherent(tree.aggregation, min_trace(tree, np.ones(3)), np.array([10.0, 4.0, 5.0])).round(3)
    array([9.667, 4.333, 5.333])
    """
    constraints = np.hstack([np.eye(tree.n_aggregates), -tree.aggregation])  # times coherent nodes: zero
    weighted = spread @ constraints.T if spread.ndim == 2 else spread[:, None] * constraints.T
    correction = weighted[tree.n_aggregates :] @ np.linalg.solve(constraints @ weighted, constraints)
    return np.eye(len(weighted))[tree.n_aggregates :] - correction


def covariance(tree: Hierarchy, errors: np.ndarray) -> np.ndarray:
    """Of base errors [n_nodes, n_errors]: shrunk towards its diagonal (Schäfer and Strimmer 2005), [n_nodes, n_nodes].

    Variances [n_nodes] where there are too few errors, or too many nodes; where there is none, the number of leaves.
    """
    known = np.isfinite(errors)
    if not (known.any(axis=1).all() and np.nansum(errors**2) > 0):
        return np.concatenate([tree.aggregation.sum(axis=1), np.ones(tree.n_leaves)])
    variances = np.nanmean(np.where(known, errors, np.nan) ** 2, axis=1)
    variances = np.maximum(variances, LEAST_VARIANCE * variances.mean())
    whole = errors[:, known.all(axis=0)]
    if whole.shape[1] < 3 or len(errors) > MOST_CORRELATED:
        return variances
    return _shrunk(whole, variances)


def _shrunk(errors: np.ndarray, variances: np.ndarray) -> np.ndarray:
    n_errors, sizes = errors.shape[1], np.sqrt(variances)
    standard = errors / sizes[:, None]
    correlations = standard @ standard.T / n_errors
    noise = ((standard**2) @ (standard**2).T - n_errors * correlations**2) / (n_errors * (n_errors - 1))
    is_pair = ~np.eye(len(errors), dtype=bool)
    signal = (correlations[is_pair] ** 2).sum()
    share = np.clip(noise[is_pair].sum() / signal, LEAST_SHRINKAGE, 1) if signal > 0 else 1.0
    shrunk = np.where(is_pair, (1 - share) * correlations, 1.0)
    return shrunk * np.outer(sizes, sizes)
