"""Mean figures of groups, and how far apart groups surely are: what chance alone may explain counts for nothing.

Here belong means, their standard errors and pairs of groups. Not here: which figures matter, and how far is too far.
"""

from dataclasses import dataclass

import numpy as np

TAIL = 0.025  # where Student's distribution is compared with the normal one
SURE = 0.95  # of all pairs of groups together
PSEUDO_ROWS = 2.0  # of a share, one of them inside: without, a group in which nothing happened would be sure of it


@dataclass(frozen=True)
class GroupMeans:
    """Means of some groups, float64 [n_groups], with the standard error of each."""

    means: np.ndarray
    errors: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, group: np.ndarray, weight: np.ndarray, unit: np.ndarray) -> "GroupMeans":
        """Of values [n_rows], in groups numbered from 0 on without gaps. Rows of one unit err together (linearized
        variance of a ratio, clustered: Woodruff 1971)."""
        n_groups, total = int(group.max()) + 1, np.bincount(group, weights=weight)
        means = np.bincount(group, weights=weight * values) / total
        cell = np.unique(np.column_stack([group, unit]), axis=0, return_inverse=True)[1].reshape(-1)
        residuals = np.bincount(cell, weights=weight * (values - means[group]))
        of_cell = np.zeros(len(residuals), np.int64)
        of_cell[cell] = group
        n_cells = np.bincount(of_cell, minlength=n_groups)
        spread = np.bincount(of_cell, weights=residuals**2, minlength=n_groups)
        return cls(means, _few(n_cells) * np.sqrt(spread) / total)

    @classmethod
    def of_shares(cls, is_inside: np.ndarray, group: np.ndarray, weight: np.ndarray, unit: np.ndarray) -> "GroupMeans":
        """The same of yes and no, drawn a little to the middle (Agresti and Coull 1998)."""
        plain = cls.of(is_inside.astype(float), group, weight, unit)
        n_rows = np.bincount(group, weights=weight) ** 2 / np.bincount(group, weights=weight**2)
        means = (plain.means * n_rows + PSEUDO_ROWS / 2) / (n_rows + PSEUDO_ROWS)
        return cls(means, np.maximum(plain.errors, np.sqrt(means * (1 - means) / (n_rows + PSEUDO_ROWS))))


def _few(n_cells: np.ndarray) -> np.ndarray:
    """By how much the spread of so many units is too small: one alone shows none at all."""
    from scipy.special import stdtrit

    others = np.maximum(n_cells - 1, 1)
    wider = stdtrit(others, 1 - TAIL) / stdtrit(np.inf, 1 - TAIL)
    return np.where(n_cells > 1, np.sqrt(n_cells / others) * wider, np.inf)


def sure_difference(found: list[GroupMeans], n_tests: int = 1) -> float:
    """The least that some two groups differ by in one of the means, with 95 % certainty; 0 where chance explains all.

    `n_tests` such questions share the doubt, as all pairs do (Bonferroni).
    """
    beyond = _quantile(found, n_tests)
    ends = [np.subtract.outer(one.means, one.means) - beyond * _joint(one.errors) for one in found]
    return max(0.0, *(float(np.max(end)) for end in ends))


def sure_ratio(found: list[GroupMeans], n_tests: int = 1) -> float:
    """The most that the ratio of some two groups can be, with 95 % certainty; 1 where chance explains all."""
    beyond, ends = _quantile(found, n_tests), [0.0]
    for one in found:
        means = np.maximum(one.means, np.finfo(float).tiny)
        ends.append(
            float(np.max(np.subtract.outer(np.log(means), np.log(means)) - beyond * _joint(one.errors / means)))
        )
    return float(np.exp(-max(ends)))


def _joint(errors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.add.outer(errors**2, errors**2))


def _quantile(found: list[GroupMeans], n_tests: int) -> float:
    """How many standard errors count as chance: every pair of groups is asked both ways."""
    from scipy.special import ndtri

    n_pairs = sum(len(one.means) * (len(one.means) - 1) for one in found)
    return float(ndtri(1 - (1 - SURE) / max(1, n_pairs) / n_tests))
