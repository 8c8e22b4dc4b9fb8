"""Rows put together by the values of one column, under names a person reads. Not here: what is asked about the groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

MISSING, OTHERS = "(missing)", "(others)"


@dataclass(frozen=True)
class Groups:
    """The group of each row: numbers and dates in their order, texts with the most frequent first."""

    names: tuple[str, ...]
    codes: np.ndarray  # int [n_rows], the place of the row's group in `names`


def grouped(column: pl.Series, most: int) -> Groups:
    """At most `most` groups, not counting missing and rare values: each value its own where they are few; else ranges
    of as many rows each, or the most frequent texts.

    >>> grouped(pl.Series([1, 2, 3, 40, None]), 2).names
    ('up to 2', 'over 2', '(missing)')
    >>> grouped(pl.Series(range(90)), 3).names
    ('up to 29', '30 to 59', 'over 59')
    >>> grouped(pl.Series(["b", "a", "b", "c"]), 2).names
    ('b', 'a', '(others)')
    """
    is_ordered = column.dtype.is_numeric() or column.dtype.is_temporal()
    if is_ordered and column.drop_nulls().n_unique() > most:
        return _ranges(column, most)
    return _values(column, most, is_ordered)


def _values(column: pl.Series, most: int, is_ordered: bool) -> Groups:
    text = column.cast(pl.String)
    text = text.set(text == MISSING, None)
    counts = (
        pl.DataFrame({"value": column, "text": text}).drop_nulls().group_by("text").agg(pl.len(), pl.first("value"))
    )
    counts = counts.sort("value") if is_ordered else counts.sort(["len", "text"], descending=[True, False])
    kept = [name for name in counts["text"][:most] if name != OTHERS]
    code = text.replace_strict(kept, range(len(kept)), default=len(kept), return_dtype=pl.Int64)
    code = code.set(text.is_null(), len(kept) + 1)
    return _filled([*kept, OTHERS, MISSING], code.to_numpy())


def _ranges(column: pl.Series, most: int) -> Groups:
    edges = _edges(column.drop_nulls().sort(), most)
    code = edges.search_sorted(column, side="left").set(column.is_null(), len(edges) + 1)
    return _filled([*_range_names(edges), MISSING], code.to_numpy().astype(np.int64))


def _edges(known: pl.Series, most: int) -> pl.Series:
    """Upper ends of all ranges but the last; something is always above them."""
    ends = known.gather([(len(known) - 1) * i // most for i in range(1, most)]).unique().sort()
    below = ends.filter(ends < known[-1])
    return below if len(below) else known.unique().sort()[-2:-1]


def _range_names(edges: pl.Series) -> list[str]:
    """A whole number begins a range that it belongs to; of others the end belongs to the range before."""
    ends = _texts(edges)
    begins = _texts(edges + 1) if edges.dtype.is_integer() else ends
    between = [f"{low} to {high}" for low, (_, high) in zip(begins, pairwise(ends), strict=False)]
    return [f"up to {ends[0]}", *between, f"over {ends[-1]}"]


def _texts(edges: pl.Series) -> list[str]:
    """As few digits as tell the edges apart."""
    if not edges.dtype.is_float():
        return edges.cast(pl.String).to_list()
    readings = ([_rounded(edge, digits) for edge in edges] for digits in (3, 4, 6, 9, 17))
    return next(texts for texts in readings if len(set(texts)) == len(edges))


def _rounded(value: float, digits: int) -> str:
    return f"{value:.0f}" if digits < 6 and 1000 <= abs(value) < 1e9 else f"{value:.{digits}g}"


def _filled(names: Sequence[str], codes: np.ndarray) -> Groups:
    """Without the groups that hold no row."""
    held, codes = np.unique(codes, return_inverse=True)
    return Groups(tuple(names[code] for code in held), codes)
