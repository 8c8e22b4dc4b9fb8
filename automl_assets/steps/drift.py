"""drift: how far the rows to be predicted have moved away from those that were learnt, column by column.

Numbers by the Wasserstein distance of their distributions, in standard deviations of the rows learnt from; categories by
the Jensen-Shannon distance (square root of the divergence, base 2); gaps by their share. Rows that are few stray by
chance: what chance alone explains is told beside each distance, and only what goes beyond it counts.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from automl_assets.errors import listed
from automl_assets.experiment.retraining import Drift
from automl_assets.model_records import ColumnDrift
from automl_assets.records import ColumnProfile, Profile

N_QUANTILES = 100  # of a column that is compared
MOST_NAMED = 5  # columns in a sentence
OTHERS = "(others)"


def drift(profile: Profile, rows: pl.DataFrame, limits: Drift) -> tuple[ColumnDrift, ...]:
    """A line per column and measure, the farthest beyond its limit first. A column that is not there is one of gaps."""
    return columns_drift(profile.columns, profile.n_rows, rows, limits)


def columns_drift(
    columns: Iterable[ColumnProfile], n_learnt: int, rows: pl.DataFrame, limits: Drift
) -> tuple[ColumnDrift, ...]:
    """The same of columns of which so many rows were learnt."""
    found = [line for column in columns for line in _compared(column, n_learnt, rows, limits)]
    return tuple(sorted(found, key=lambda line: -line.excess))


def drifted_columns(lines: tuple[ColumnDrift, ...]) -> tuple[str, ...]:
    """The columns that have moved, the farthest first."""
    return tuple(dict.fromkeys(line.column for line in lines if line.is_drifted))


def told(lines: tuple[ColumnDrift, ...]) -> str:
    """What moved most, in a sentence."""
    moved = [f"{line.column} ({line.measure} {line.distance:.3g})" for line in lines if line.is_drifted]
    return f"moved: {listed(moved, MOST_NAMED)}" if moved else "no column has moved"


def quantiles(numbers: np.ndarray) -> tuple[float, ...]:
    """The middles of so many equal shares of finite numbers, ascending; none of none.

    >>> quantiles(np.arange(101.0))[:2]
    (0.5, 1.5)
    """
    if numbers.size == 0:
        return ()
    places = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES * (len(numbers) - 1)
    return tuple(np.interp(places, np.arange(len(numbers)), np.sort(numbers)).tolist())


def wasserstein(first: np.ndarray, second: np.ndarray) -> float:
    """Distance of two distributions from as many quantiles of each.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    1.5
    """
    return float(np.abs(first - second).mean())


def wasserstein_by_chance(levels: np.ndarray, n_first: int, n_second: int) -> float:
    """How far samples of one distribution, told by its quantiles, lie apart in the mean: the integral of
    sqrt(2/pi F(1-F) (1/n + 1/m)), as each empirical distribution function strays normally around F."""
    shares = np.arange(1, len(levels)) / len(levels)
    width = (np.diff(levels) * np.sqrt(shares * (1 - shares))).sum()
    return float(width * np.sqrt(2 / np.pi * (1 / n_first + 1 / n_second)))


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Distance of two distributions from counts of the same categories, between 0 and 1.

    >>> jensen_shannon(np.array([1, 0]), np.array([0, 3])), jensen_shannon(np.array([1, 1]), np.array([4, 4]))
    (1.0, 0.0)
    """
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    divergence = sum((side[side > 0] * np.log2(side[side > 0] / middle[side > 0])).sum() / 2 for side in (p, q))
    return float(np.sqrt(max(0.0, divergence)))


def jensen_shannon_by_chance(n_categories: int, n_first: int, n_second: int) -> float:
    """How far samples of one distribution lie apart: eight times the divergence (in nats) is chi-square distributed."""
    return float(np.sqrt((n_categories - 1) * (1 / n_first + 1 / n_second) / (8 * np.log(2))))


def _compared(column: ColumnProfile, n_learnt: int, rows: pl.DataFrame, limits: Drift) -> Iterator[ColumnDrift]:
    if column.kind == "ignored":
        return
    values = rows[column.name] if column.name in rows.columns else pl.Series(column.name, [None] * rows.height)
    known, is_number = _known(values, bool(column.quantiles))
    yield _gaps(column, n_learnt, rows.height - len(known), rows.height, limits)
    n_learnt_known = n_learnt - column.n_missing
    if is_number and len(known) and column.std:
        yield _numbers(column, n_learnt_known, known.to_numpy(), limits)
    elif column.kind == "categorical" and column.top and len(known):
        yield _categories(column, n_learnt_known, known, limits)


def _known(values: pl.Series, is_number: bool) -> tuple[pl.Series, bool]:
    if not is_number:
        return values.drop_nulls().cast(pl.String), False
    numbers = values.cast(pl.Float64, strict=False).drop_nulls()
    return numbers.filter(numbers.is_finite()), True


def _gaps(column: ColumnProfile, n_learnt: int, n_missing: int, n_rows: int, limits: Drift) -> ColumnDrift:
    before, now = column.n_missing / n_learnt, n_missing / max(1, n_rows)
    share = (column.n_missing + n_missing) / (n_learnt + n_rows)
    chance = np.sqrt(2 / np.pi * share * (1 - share) * (1 / n_learnt + 1 / max(1, n_rows)))
    return ColumnDrift(column.name, "missing", abs(now - before), float(chance), limits.missing)


def _numbers(column: ColumnProfile, n_learnt: int, known: np.ndarray, limits: Drift) -> ColumnDrift:
    learnt = np.array(column.quantiles)
    scale = column.std or 1.0
    distance = wasserstein(learnt, np.array(quantiles(known))) / scale
    chance = wasserstein_by_chance(learnt, n_learnt, len(known)) / scale
    return ColumnDrift(column.name, "wasserstein", distance, chance, limits.wasserstein)


def _categories(column: ColumnProfile, n_learnt: int, known: pl.Series, limits: Drift) -> ColumnDrift:
    """Over the most frequent categories of the rows learnt from; all others count as one."""
    before = dict(column.top)
    before[OTHERS] = n_learnt - sum(before.values())
    names = known.replace_strict(list(before), list(before), default=OTHERS, return_dtype=pl.String)
    now: dict[Any, int] = dict(names.value_counts().iter_rows())
    counts = np.array([(count, now.get(name, 0)) for name, count in before.items()])
    counts = counts[counts.sum(axis=1) > 0]
    distance = jensen_shannon(counts[:, 0], counts[:, 1])
    chance = jensen_shannon_by_chance(len(counts), n_learnt, len(known))
    return ColumnDrift(column.name, "jensen_shannon", distance, chance, limits.jensen_shannon)
