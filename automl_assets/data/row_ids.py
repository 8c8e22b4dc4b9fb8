"""Rows known again: a number for each row that follows from its content alone, today and after any upgrade.

Here belongs how rows are told apart. Not here: who learns from which, or which are kept for a test.
"""

import hashlib

import numpy as np
import polars as pl

N_SAMPLE = 64  # enough to tell a half from a quarter
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NONE = np.uint64(0x6A09E667F3BCC909)  # stands for a missing value


def kinds(table: pl.DataFrame) -> dict[str, str]:
    """Column -> how its values enter the identity; columns of other kinds give other identities.

    >>> kinds(pl.DataFrame({"age": [1], "name": ["a"]}))
    {'age': 'number', 'name': 'text'}
    """
    return {column.name: _kind(column.dtype) for column in table}


def identities(table: pl.DataFrame) -> np.ndarray:
    """Of each row, uint64 [n_rows]; copies of a row are numbered, so that no two rows share theirs but by chance.

    The order of columns, and whether a number is whole, make no difference; nor do rows before or after, except that
    copies are numbered from the first on.

    >>> rows = pl.DataFrame({"x": [1, 2, 1]})
    >>> len(set(identities(rows).tolist())), set(identities(rows[:2]).tolist()) <= set(identities(rows).tolist())
    (3, True)
    """
    total = contents(table)
    copies = pl.Series("row", total).to_frame().select(pl.col("row").cum_count().over("row")).to_series()
    return _mixed(total + copies.to_numpy().astype(np.uint64) * _GOLDEN)


def contents(table: pl.DataFrame) -> np.ndarray:
    """Of each row, uint64 [n_rows]; copies of a row share theirs."""
    total = np.zeros(table.height, np.uint64)
    for column in table:
        total += _mixed(_values(column) ^ _of_text(column.name))
    return total


def shuffled(identities: np.ndarray, seed: int) -> np.ndarray:
    """Other numbers for the same rows, as random for each seed, uint64 [n_rows]."""
    return _mixed(identities ^ _mixed(np.array([seed + 1], np.uint64)))


def sample(identities: np.ndarray) -> tuple[int, ...]:
    """A few of many identities, by which the rows are known again: those of the lowest numbers, as random.

    >>> sample(np.array([3, 5], np.uint64)) == sample(np.array([5, 3], np.uint64))
    True
    """
    return tuple(np.sort(shuffled(identities, 0))[:N_SAMPLE].tolist())


def share_seen(now: tuple[int, ...], before: tuple[int, ...]) -> float:
    """About which share of the rows of one sample are among those of another (bottom-k sketches: Cohen 1997).

    >>> rows = np.arange(1_000).astype(np.uint64)
    >>> round(share_seen(sample(rows), sample(rows[:500])), 1), share_seen(sample(rows[:500]), sample(rows))
    (0.5, 1.0)
    """
    highest = before[-1] if len(before) == N_SAMPLE else np.inf
    comparable = [one for one in now if one <= highest]
    return len(set(comparable) & set(before)) / len(comparable) if comparable else 0.0


def _kind(dtype: pl.DataType) -> str:
    if dtype.is_numeric() or dtype == pl.Boolean:
        return "number"
    return "moment" if dtype in (pl.Date, pl.Datetime) else "text"


def _values(column: pl.Series) -> np.ndarray:
    """A column as uint64 [n_rows], equal for equal values."""
    kind = _kind(column.dtype)
    if kind == "text":
        return _texts(column.cast(pl.String))
    numbers = column if kind == "number" else _microseconds(column)
    values = numbers.cast(pl.Float64).to_numpy() + 0.0  # one zero, not two; what is missing is NaN
    return np.where(np.isnan(values), _NONE, values.view(np.uint64))


def _microseconds(column: pl.Series) -> pl.Series:
    return column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None))).cast(pl.Int64)


def _texts(column: pl.Series) -> np.ndarray:
    different = column.drop_nulls().unique().sort()
    numbers = pl.Series([int(_of_text(text)) for text in different], dtype=pl.UInt64)
    return column.replace_strict(different, numbers, default=int(_NONE), return_dtype=pl.UInt64).to_numpy()


def _of_text(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread over all 64 bits, one to one (splitmix64: Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
