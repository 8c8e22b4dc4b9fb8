"""Rows that are alike in some columns and share a high loss: a shallow regression tree over readable columns, in words.

Here belong the tree and its words. Not here: which loss, and whether a cohort is to be believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.explanation.groups import MISSING, OTHERS, grouped

MOST_LEVELS = 30  # texts of a column that are told apart
MOST_DEPTH, MOST_LEAVES = 3, 8
FEWEST_ROWS, LEAST_SHARE = 10, 0.02  # of the learning rows in a leaf
LEAST_GAIN = 0.01  # share of the loss's variance that a cut has to explain
CHANCE = 6  # divided by the number of rows, what the best of many cuts explains where there is nothing
NAMED_LEVELS = 4  # in one condition


@dataclass(frozen=True)
class Readable:
    """A column as numbers whose order the tree may cut, and the words for a piece of it."""

    name: str
    kind: Literal["number", "whole", "day", "moment", "text"]
    values: np.ndarray  # float64 [n_rows]; NaN is missing
    levels: tuple[str, ...] = ()  # texts by their mean loss, lowest first


@dataclass
class _Piece:
    """The part of a column that a path through the tree leaves."""

    low: float = -np.inf
    high: float = np.inf
    has_missing: bool = True

    def cut(self, threshold: float, is_left: bool, missing_goes_left: bool) -> None:
        if is_left:
            self.high = min(self.high, threshold)
        else:
            self.low = max(self.low, threshold)
        self.has_missing &= is_left == missing_goes_left


@dataclass(frozen=True)
class Leaf:
    """Where a path ends: its conditions in words, and which rows go there."""

    conditions: tuple[str, ...]
    is_inside: np.ndarray = field(repr=False)  # bool [n_rows]


def leaves(table: pl.DataFrame, loss: np.ndarray, is_learning: np.ndarray) -> list[Leaf]:
    """The leaves of a tree that the rows `is_learning` grew, with all rows that belong there.

    >>> table = pl.DataFrame({"age": list(range(100))})
    >>> loss = (table["age"] > 79).to_numpy().astype(float)
    >>> [leaf.conditions for leaf in leaves(table, loss, np.ones(100, bool))]
    [('age ≤ 79',), ('age > 79',)]
    """
    columns = [made for made in (_readable(column, loss, is_learning) for column in table) if made]
    if not columns:
        return []
    x = np.column_stack([column.values for column in columns])
    tree = _grown(x[is_learning], loss[is_learning])
    ends = tree.apply(x.astype(np.float32))
    return [Leaf(_words(path, columns), ends == end) for end, path in _paths(tree.tree_)]


def _grown(x: np.ndarray, loss: np.ndarray) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(
        max_depth=MOST_DEPTH,
        max_leaf_nodes=MOST_LEAVES,
        min_samples_leaf=max(FEWEST_ROWS, int(LEAST_SHARE * len(loss))),
        ccp_alpha=max(LEAST_GAIN, CHANCE / len(loss)) * loss.var(),
        random_state=0,
    )
    return tree.fit(x, loss)


def _readable(column: pl.Series, loss: np.ndarray, is_learning: np.ndarray) -> Readable | None:
    """None for texts that hardly ever repeat."""
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        finite = np.where(np.abs(values) < np.finfo(np.float32).max, values, np.nan)
        return Readable(column.name, "whole" if column.dtype.is_integer() else "number", finite)
    if column.dtype.is_temporal():
        seconds = column.cast(pl.Datetime("ms")).dt.epoch("ms").cast(pl.Float64) / 1000
        kind: Literal["day", "moment"] = "day" if column.dtype == pl.Date else "moment"
        return Readable(column.name, kind, seconds.fill_null(float("nan")).to_numpy())
    groups = grouped(column, MOST_LEVELS)
    is_other = np.array([name == OTHERS for name in groups.names])[groups.codes]
    if is_other.mean() > 0.5:
        return None
    rank = _ranks(groups.codes, len(groups.names), loss, is_learning)
    levels = sorted(range(len(groups.names)), key=lambda code: rank[code])
    return Readable(column.name, "text", rank[groups.codes].astype(float), tuple(groups.names[i] for i in levels))


def _ranks(codes: np.ndarray, n_codes: int, loss: np.ndarray, is_learning: np.ndarray) -> np.ndarray:
    """Place of each code by the mean loss of the learning rows, int [n_codes]; a tree then finds the best set of codes."""
    own = codes[is_learning]
    counts = np.bincount(own, minlength=n_codes)
    means = np.bincount(own, weights=loss[is_learning], minlength=n_codes) / np.maximum(counts, 1)
    means[counts == 0] = loss[is_learning].mean()
    ranks = np.empty(n_codes, np.int64)
    ranks[np.argsort(means, kind="stable")] = np.arange(n_codes)
    return ranks


def _paths(tree: Any, node: int = 0, taken: tuple = ()) -> list[tuple[int, tuple]]:
    """Every leaf with the cuts (column, threshold, is_left, missing_goes_left) on the way to it."""
    if tree.children_left[node] < 0:
        return [(node, taken)]
    cut = (int(tree.feature[node]), float(tree.threshold[node]))
    left = (*cut, True, bool(tree.missing_go_to_left[node]))
    right = (*cut, False, bool(tree.missing_go_to_left[node]))
    return [
        *_paths(tree, tree.children_left[node], (*taken, left)),
        *_paths(tree, tree.children_right[node], (*taken, right)),
    ]


def _words(path: Sequence[tuple[int, float, bool, bool]], columns: Sequence[Readable]) -> tuple[str, ...]:
    pieces: dict[int, _Piece] = {}
    for column, threshold, is_left, missing_goes_left in path:
        pieces.setdefault(column, _Piece()).cut(threshold, is_left, missing_goes_left)
    return tuple(_condition(columns[column], piece) for column, piece in pieces.items())


def _condition(column: Readable, piece: _Piece) -> str:
    if column.kind == "text":
        return _level_words(column, piece)
    has_missing = piece.has_missing and bool(np.isnan(column.values).any())
    if piece.low == np.inf or (piece.low == -np.inf and piece.high == np.inf):
        return f"{column.name} is {'missing' if has_missing else 'known'}"
    return _range_words(column, piece) + (" or missing" if has_missing else "")


def _range_words(column: Readable, piece: _Piece) -> str:
    low, high = (_limit(column, value) for value in (piece.low, piece.high))
    if piece.low == -np.inf:
        return f"{column.name} ≤ {high}"
    return f"{column.name} > {low}" if piece.high == np.inf else f"{low} < {column.name} ≤ {high}"


def _limit(column: Readable, value: float) -> str:
    if not np.isfinite(value):
        return ""
    if column.kind in ("day", "moment"):
        text = str(np.datetime64(int(np.floor(value)), "s"))
        return text[: len("2024-02-29")] if column.kind == "day" else text
    return f"{np.floor(value):.0f}" if column.kind == "whole" else f"{value:.5g}"


def _level_words(column: Readable, piece: _Piece) -> str:
    inside = [level for i, level in enumerate(column.levels) if piece.low < i <= piece.high]
    outside = [level for level in column.levels if level not in inside]
    if len(outside) < len(inside):
        return f"{column.name} is not {_either(outside)}"
    return f"{column.name} is {_either(inside)}"


def _either(levels: Sequence[str]) -> str:
    named = [level if level in (MISSING, OTHERS) else f'"{level}"' for level in levels[:NAMED_LEVELS]]
    more = [f"{len(levels) - NAMED_LEVELS} more"] if len(levels) > NAMED_LEVELS else []
    return " or ".join([*named, *more])
