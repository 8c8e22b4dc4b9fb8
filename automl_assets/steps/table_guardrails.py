"""What to know about rows before and after they are divided, beyond single columns: leaks, time, memory, overlap.

A guardrail says what was found, with its figures, and what a person can do. Not here: statistics of one column.
"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from automl_assets.data.typing import as_floats, seconds_since_1970
from automl_assets.execution.processes import free_bytes
from automl_assets.experiment.experiment import Experiment
from automl_assets.features.featurizer import KEPT_APART, distinct_numbers, share_apart
from automl_assets.records import ColumnProfile, Guardrail
from automl_assets.steps.split_guardrails import _named

LOOKED_AT = 5_000  # rows, by chance, on which a column's power is measured
MOST_BINS, ROWS_PER_BIN = 100, 10
LEAK, TIME_DEPENDENCE = 0.97, 0.05  # share of the target's variance that a column explains on rows held out
CORRELATION = 0.999
NEAR_CONSTANT = 0.995  # of the rows hold one value
CELLS_AT_ONCE = 1_000_000  # rows x columns whose power is worked out together
MEMORY_SHARE = 0.5  # of what is free
BYTES, COPIES = 4, 3  # of a number in the feature tables, and of these tables while folds learn
DATE_PARTS, MOST_ONE_HOT = 9, 50


def near_constant(table: pl.DataFrame, columns: tuple[ColumnProfile, ...]) -> Guardrail:
    """Columns that hold one value nearly everywhere."""
    least = NEAR_CONSTANT * table.height
    used = [
        c.name for c in columns if c.kind != "ignored" and table.height - c.n_unique + 1 > least
    ]  # else it cannot be
    shares = {name: table[name].value_counts(name="/n")["/n"].to_numpy().max() / table.height for name in used}
    found = [name for name, share in shares.items() if share > NEAR_CONSTANT]
    if not found:
        return Guardrail("near_constant_columns", "passed", "Every column that is used varies.")
    text = f"{_named(found)}: the same value in over {NEAR_CONSTANT:.1%} of the rows. They are kept, and help with few rows only."
    return Guardrail("near_constant_columns", "done", text, {"columns": len(found)})


def target_leakage(table: pl.DataFrame, columns: tuple[ColumnProfile, ...], y: np.ndarray) -> Guardrail:
    """Columns whose values, or whose gaps, give away the target `y` [n_rows] on rows that were held out."""
    rows = _sample(np.flatnonzero(_has_target(y)))
    wanted, looked_at = _targets(y[rows]), table[rows.tolist()]
    used = [c.name for c in columns if c.kind != "ignored"]
    by_value = _powers(used, lambda name: _bins(looked_at[name]), wanted)
    by_value |= dict.fromkeys(_linear([c.name for c in columns if c.kind == "numeric"], looked_at, wanted), 1.0)
    gappy = [c.name for c in columns if c.n_missing]
    by_gaps = _powers(gappy, lambda name: looked_at[name].is_null().to_numpy().astype(np.int64), wanted)
    leaks = [name for name, share in by_value.items() if share > LEAK]
    gaps = [name for name, share in by_gaps.items() if share > LEAK and name not in leaks]
    figures = {"columns": len(leaks) + len(gaps), "highest": max([0.0, *by_value.values(), *by_gaps.values()])}
    if not leaks and not gaps:
        return Guardrail("target_leakage", "passed", "No column gives the target away.", figures)
    told = [f"{_named(leaks)}: says the target almost exactly."] * bool(leaks)
    told += [f"{_named(gaps)}: whether it is missing says the target almost exactly."] * bool(gaps)
    advice = "If that is not known when predicting, name it in drop_columns."
    return Guardrail("target_leakage", "alerted", " ".join([*told, advice]), figures, "error")


def time_leakage(
    table: pl.DataFrame, columns: tuple[ColumnProfile, ...], y: np.ndarray, experiment: Experiment
) -> Guardrail:
    """Whether the target changes with time while rows are divided by chance."""
    dates = [c.name for c in columns if c.kind == "datetime"]
    if experiment.time_column or not dates:
        text = "Later rows validate and test." if experiment.time_column else "No column holds dates."
        return Guardrail("time_leakage", "passed", text)
    rows = _sample(np.flatnonzero(_has_target(y)))
    wanted = _targets(y[rows])
    shares = _powers(dates, lambda name: _bins(table[name][rows.tolist()]), wanted)
    name = max(shares, key=lambda date: shares[date])
    figures = {"column": name, "explained": shares[name]}
    if shares[name] <= TIME_DEPENDENCE:
        return Guardrail("time_leakage", "passed", "The target hardly changes with time.", figures)
    text = (
        f"The target changes with {name} ({shares[name]:.0%} of its variance), and rows are divided by chance: a model "
        f"may look better than it will be on later rows. To predict the future, set `time_column: {name}`."
    )
    return Guardrail("time_leakage", "alerted", text, figures)


def precision(table: pl.DataFrame, columns: tuple[ColumnProfile, ...]) -> Guardrail:
    """Numbers of which float32, in which models learn, keeps too few apart, even less their median."""
    shares: dict[str, float] = {}
    for name in (c.name for c in columns if c.kind == "numeric"):
        known = distinct_numbers(table[name])
        if len(known) and share_apart(known) < KEPT_APART:
            shares[name] = share_apart(known - np.quantile(known, 0.5, method="lower"))
    lost = {name: share for name, share in shares.items() if share < KEPT_APART}
    if lost:
        worst = min(lost, key=lambda name: lost[name])
        text = (
            f"{_named([*lost])}: numbers so long that models take some for one another (of {worst} {lost[worst]:.0%} of the "
            "values stay apart). Say categorical in featurization.column_types where they are names, or bring what "
            "matters of them in a column of its own."
        )
        return Guardrail("number_precision", "alerted", text, {"columns": len(lost), "kept_apart": lost[worst]})
    if shares:
        text = f"{_named([*shares])}: their median is subtracted first, so that models tell their values apart."
        return Guardrail("number_precision", "done", text, {"columns": len(shares)})
    return Guardrail("number_precision", "passed", "Models tell the values of every number apart.")


def memory(columns: tuple[ColumnProfile, ...], n_rows: int) -> Guardrail:
    """What the feature tables will take, against what is free."""
    width = sum(_width(column) for column in columns)
    needed, free = n_rows * width * BYTES * COPIES, free_bytes() or float("inf")
    figures = {"megabytes": needed / 1e6, "free_megabytes": free / 1e6, "engineered_columns": width}
    if needed <= MEMORY_SHARE * free:
        text = f"Features take about {needed / 1e6:,.0f} MB of {free / 1e6:,.0f} MB that are free."
        return Guardrail("memory", "passed", text, figures)
    widest = max(columns, key=_width)
    text = (
        f"{width} engineered columns of {n_rows} rows take about {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are "
        f"free. Name columns in drop_columns (the widest is {widest.name}), bring fewer rows, or use a larger machine."
    )
    return Guardrail("memory", "alerted", text, figures)


def _powers(names: list[str], bins_of: Callable[[str], np.ndarray], targets: np.ndarray) -> dict[str, float]:
    """The power of every column, as many of them at once as fit into memory: of thousands, each alone would take seconds."""
    return {
        name: share
        for some in _blocks(names, len(targets))
        for name, share in zip(
            some, power(np.column_stack([bins_of(name) for name in some]), targets).tolist(), strict=True
        )
    }


def _blocks(names: list[str], n_rows: int) -> Iterator[list[str]]:
    width = max(1, CELLS_AT_ONCE // max(1, n_rows))
    return (names[i : i + width] for i in range(0, len(names), width))


def power(bins: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Share of the variance of `targets` [n_rows, n_outputs] that the means of each column of `bins` [n_rows, n_columns]
    explain, 0 to 1 [n_columns].

    Means come from the other half of the rows, so that many bins do not explain noise: an out-of-fold correlation
    ratio, and Goodman and Kruskal's tau for classes.

    >>> power(np.array([[0, 0], [1, 0]] * 10), np.array([[0.0], [1.0]] * 10)).tolist()
    [1.0, 0.0]
    """
    half = np.random.default_rng(0).permutation(len(bins)) % 2
    total = ((targets - targets.mean(axis=0)) ** 2).sum()
    if not total:
        return np.zeros(bins.shape[1])
    width = int(bins.max(initial=0)) + 1
    codes = bins + width * np.arange(bins.shape[1])  # of every column its own
    unexplained = sum(_unexplained(codes, targets, half == side, width) for side in (0, 1))
    return np.clip(1 - unexplained / total, 0.0, 1.0)


def _unexplained(codes: np.ndarray, targets: np.ndarray, held_out: np.ndarray, width: int) -> np.ndarray:
    """Sum of the squared errors that means of the other rows make on those held out [n_columns]."""
    n_columns, known = codes.shape[1], codes[~held_out].ravel()
    counts = np.bincount(known, minlength=width * n_columns)
    errors = np.zeros(n_columns)
    for target in targets.T:
        seen = target[~held_out]
        sums = np.bincount(known, np.repeat(seen, n_columns), minlength=width * n_columns)
        means = np.where(counts, sums / np.maximum(counts, 1), seen.mean())
        errors += ((target[held_out, None] - means[codes[held_out]]) ** 2).sum(axis=0)
    return errors


def _bins(column: pl.Series) -> np.ndarray:
    """Category codes, or ranks in equal parts for numbers and dates, int64 [n_rows]; missing values are a bin."""
    if not (column.dtype.is_numeric() or column.dtype.is_temporal()):
        return column.cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)
    ranks = _ranks(as_floats(column) if column.dtype.is_numeric() else seconds_since_1970(column))
    n_bins = max(2, min(MOST_BINS, len(ranks) // ROWS_PER_BIN))
    if ranks.max(initial=0) <= n_bins:
        return ranks
    known = np.sort(ranks[ranks > 0])
    edges = np.interp(np.linspace(0, len(known) - 1, n_bins + 1)[1:-1], np.arange(len(known)), known)
    return np.where(ranks > 0, np.searchsorted(edges, ranks, side="left") + 1, 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 1 on, equal ones for equal values; 0 for what is missing."""
    is_known = ~np.isnan(values)
    ranks = np.zeros(len(values), np.int64)
    ranks[is_known] = np.unique(values[is_known], return_inverse=True)[1] + 1
    return ranks


def _has_target(y: np.ndarray) -> np.ndarray:
    if y.ndim == 2:
        return np.asarray((y >= 0).all(axis=1))
    return np.asarray(y >= 0 if y.dtype.kind == "i" else np.isfinite(y))


def _targets(y: np.ndarray) -> np.ndarray:
    """A column per class or label, or the values [n_rows, n_outputs]."""
    if y.ndim == 2:
        return y.astype(np.float64)
    return np.eye(int(y.max()) + 1)[y] if y.dtype.kind == "i" else y[:, None]


def _linear(names: list[str], table: pl.DataFrame, targets: np.ndarray) -> list[str]:
    """The numbers that follow the target, or the last class, along a line."""
    found: list[str] = []
    for some in _blocks(names, table.height):
        x = np.column_stack([as_floats(table[name]) for name in some])
        found += [
            name for name, share in zip(some, _correlations(x, targets[:, -1]), strict=True) if share > CORRELATION
        ]
    return found


def _correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Absolute, of each column of `x` [n_rows, n_columns] with `y` over its finite rows; 0 where nothing varies."""
    is_known = np.isfinite(x)
    n_known = is_known.sum(axis=0)
    with np.errstate(all="ignore"):
        means = np.where(is_known, x, 0.0).sum(axis=0) / n_known
        of_y = (is_known * y[:, None]).sum(axis=0) / n_known
        dx, dy = np.where(is_known, x - means, 0.0), np.where(is_known, y[:, None] - of_y, 0.0)
        size = np.abs(dx).max(axis=0, initial=0.0)
        dx = dx / size  # squares of very large numbers would be infinite, and of very small ones 0
        found = np.abs((dx * dy).sum(axis=0)) / np.sqrt((dx**2).sum(axis=0) * (dy**2).sum(axis=0))
    return np.where((n_known >= 3) & (size > 0) & np.isfinite(found), found, 0.0)


def _sample(rows: np.ndarray) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:LOOKED_AT])


def _width(column: ColumnProfile) -> int:
    """Columns of both feature views that a raw column becomes."""
    if column.kind == "ignored":
        return 0
    if column.kind == "datetime":
        return 2 * DATE_PARTS
    return 3 if column.kind == "numeric" else 2 + min(column.n_unique, MOST_ONE_HOT)
