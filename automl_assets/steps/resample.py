"""resample: rows drawn again as chance could have given them, and the interval in which that leaves a figure.

What hangs together is drawn together: whole groups, or stretches of time. Here belong draws and intervals (Efron and
Tibshirani 1993). Not here: what is computed of a draw, and what follows from it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from automl_assets.records import Ties

ROWS, GROUPS, STRETCHES = "rows", "groups", "stretches of time"
N_STRETCHES = 20  # far longer than rows remember those before them, and still enough to tell a spread
ENOUGH_UNITS = 200  # of a sample: with so many, whole ones are left out; with fewer, rows of each
N_LEFT_OUT = 50  # parts of the rows, each left out once, that tell how skewed a figure is
TAIL = 0.025  # beyond each end of a 95 % interval

Chance = np.random.Generator


@dataclass(frozen=True)
class Units:
    """What chance draws as one.

    >>> Units(np.array([7, 7, 9]), GROUPS).n_units
    2
    """

    code: np.ndarray  # [n_rows], rows of one unit share it
    name: str = ROWS

    @classmethod
    def of_rows(cls, n_rows: int) -> "Units":
        """Every row by itself."""
        return cls(np.arange(n_rows))

    @classmethod
    def of_time(cls, moment: np.ndarray) -> "Units":
        """Stretches of about as many rows each; rows of one moment are never parted.

        >>> Units.of_time(np.repeat(np.arange(40), 3)).n_units
        20
        """
        place = np.searchsorted(np.sort(moment), moment)
        return cls(place * N_STRETCHES // max(1, len(moment)), STRETCHES)

    @property
    def n_units(self) -> int:
        return len(self._sizes)

    @cached_property
    def place(self) -> np.ndarray:
        """The number of each row's unit, int64 [n_rows]."""
        if self.name == ROWS:
            return np.arange(len(self.code))
        return np.unique(self.code, return_inverse=True)[1].reshape(-1)

    def take(self, rows: np.ndarray) -> "Units":
        return Units(self.code[rows], self.name)

    def draw(self, random: Chance) -> np.ndarray:
        """As many units as there are, with replacement, as numbers of their rows."""
        drawn = random.integers(0, self.n_units, self.n_units)
        return drawn if self.name == ROWS else self._rows_of(drawn)

    def left_out(self, random: Chance) -> list[np.ndarray]:
        """All rows but a share of the units, each unit left out once."""
        parts = np.array_split(random.permutation(self.n_units), min(N_LEFT_OUT, self.n_units))
        part = np.empty(self.n_units, np.int64)
        part[np.concatenate(parts)] = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
        return [np.flatnonzero(part[self.place] != number) for number in range(len(parts))]

    @cached_property
    def _sizes(self) -> np.ndarray:
        return np.ones(len(self.code), np.int64) if self.name == ROWS else np.bincount(self.place)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self.place, kind="stable")

    def _rows_of(self, units: np.ndarray) -> np.ndarray:
        sizes, starts = self._sizes[units], (np.cumsum(self._sizes) - self._sizes)[units]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self._order[np.repeat(starts, sizes) + within]


def units_of(ties: Ties, rows: np.ndarray) -> Units:
    """Of some rows, by number: the groups that the experiment names; or else stretches where it names a time; or rows."""
    if ties.groups is not None:
        return Units(ties.groups[rows], GROUPS)
    return Units.of_rows(len(rows)) if ties.moments is None else Units.of_time(ties.moments[rows])


def permuted(groups: np.ndarray | None, rows: np.ndarray, random: Chance) -> np.ndarray:
    """Rows, by number, in an order by chance; those of a group (int64 [n_table_rows]) stay together, in their order."""
    if groups is None:
        return random.permutation(rows)
    found, place = np.unique(groups[rows], return_inverse=True)
    return rows[np.argsort(random.permutation(len(found))[place.reshape(-1)], kind="stable")]


def chunk_ends(groups: np.ndarray | None, rows: np.ndarray, size: int) -> list[int]:
    """Where chunks of about so many rows end, by position; none ends within a group.

    >>> chunk_ends(np.array([0, 0, 0, 1, 1]), np.arange(5), 2), chunk_ends(None, np.arange(5), 2)
    ([3, 5], [2, 4, 5])
    """
    ends = np.append(np.arange(size, len(rows), size), len(rows))
    if groups is not None and len(rows):
        borders = np.append(np.flatnonzero(np.diff(groups[rows])) + 1, len(rows))
        ends = np.unique(borders[np.searchsorted(borders, ends)])
    return [int(end) for end in ends]


def sampled_rows(units: Units, strata: np.ndarray, most: int, random: Chance) -> tuple[np.ndarray, float]:
    """Of very many rows a sample to draw from, with the shares of strata (int [n_rows]) kept, and by how much the spread
    of the sample's draws is to be scaled to be that of all (Politis and Romano 1994)."""
    n_rows = len(strata)
    if n_rows <= most:
        return np.arange(n_rows), 1.0
    if units.name == ROWS:
        rows = _same_share(strata, most, random)
        return rows, float(np.sqrt(len(rows) / n_rows))
    n_kept, rows, scale = units.n_units * most // n_rows, np.arange(n_rows), 1.0
    if n_kept >= ENOUGH_UNITS:
        kept = random.permutation(units.n_units)[:n_kept]
        rows, scale = np.flatnonzero(np.isin(units.place, kept)), float(np.sqrt(n_kept / units.n_units))
    if len(rows) > 2 * most:  # few units, or huge ones: what sets them apart shows in a share of their rows as well
        rows = rows[_same_share(units.place[rows], most, random)]
    return rows, scale


def _same_share(strata: np.ndarray, most: int, random: Chance) -> np.ndarray:
    """The same share of each stratum, at least one row."""
    order = random.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    stratum, sizes = strata[order], np.bincount(strata)
    rank = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[stratum]
    return order[rank < np.ceil(sizes * most / len(order))[stratum]]


# Intervals


def tail_of(n_units: int, tail: float = TAIL) -> float:
    """The share of resamples beyond an end: as far out as Student's distribution asks where units are few (Hesterberg
    2015), since resamples of n units spread by sqrt(1 - 1 / n) too little.

    >>> round(tail_of(1_000_000), 4), round(tail_of(20), 4)
    (0.025, 0.0159)
    """
    from scipy.special import ndtr, stdtrit

    if n_units < 2:
        return 0.0
    return float(ndtr(np.sqrt(n_units / (n_units - 1)) * stdtrit(n_units - 1, tail)))


def interval(values: np.ndarray, point: float, acceleration: float, n_units: int) -> tuple[float, float]:
    """95 % of the resampled values, corrected for their bias and skewness (BCa, Efron 1987), with the point in it."""
    from scipy.special import ndtr, ndtri

    below = np.mean(values < point) + np.mean(values == point) / 2
    bias = ndtri(np.clip(below, 1 / len(values), 1 - 1 / len(values)))
    end = ndtri(tail_of(n_units))
    tilted = np.array([bias + end, bias - end])
    shares = ndtr(bias + tilted / np.maximum(1 - acceleration * tilted, 0.1)) if np.isfinite(end) else (0.0, 1.0)
    low, high = np.quantile(values, shares)
    return float(min(low, point)), float(max(high, point))


def acceleration(left_out: np.ndarray) -> float:
    """How skewed a figure is, from its values where a part of the rows is left out."""
    gaps = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    spread = float(((gaps**2).sum()) ** 1.5)
    return float((gaps**3).sum() / (6 * spread)) if spread > 0 else 0.0
