"""Shapley values of a model's columns, by sampled orders (Štrumbelj and Kononenko 2014; SHAP, Lundberg and Lee 2017).

Knows nothing of the model but its answers. `shap` itself serves the tests as a second implementation: asking for one row
at a time, it takes minutes where whole tables of mixed rows take seconds.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Feeds = Mapping[str, np.ndarray]  # column -> [n_rows, 1]
Answer = Callable[[Feeds], np.ndarray]  # feeds -> scores [n_rows, n_outputs]
Players = Sequence[tuple[str, ...]]  # columns that come and go together

MOST_CELLS = 2_000_000  # values of mixed rows that are held at once


@dataclass(frozen=True)
class Shapley:
    """Contributions and base add up to the answer of each row."""

    contributions: np.ndarray  # float64 [n_rows, n_players, n_outputs]
    errors: np.ndarray  # their standard errors, likewise; NaN after one pass
    base: np.ndarray  # mean answer over the whole background, float64 [n_outputs]
    n_passes: int  # rows of the background that were compared with


def shapley(
    answer: Answer, rows: Feeds, background: Feeds, players: Players, random: np.random.Generator, deadline: float
) -> Shapley:
    """What each player adds to the answer for each row, against all rows of the background.

    A pass begins with one background row and puts the players in one after another, in an order by chance that every row
    has, turned on by one place from pass to pass, and in the reverse of it. Passes end with the background, or when `deadline` (time.monotonic) comes; the
    first is always made. So a row's contributions and the base do not depend on the rows asked for beside it, but for
    the number of passes there is time for.

    >>> def answer(feeds):
    ...     return 2 * feeds["a"] + feeds["b"]
    >>> rows, background = ({n: np.array([[v]]) for n in "ab"} for v in (1.0, 0.0))
    >>> found = shapley(answer, rows, background, [("a",), ("b",)], np.random.default_rng(0), np.inf)
    >>> found.contributions[0, :, 0], found.base
    (array([2., 1.]), array([0.]))
    """
    whole, begins = answer(rows), answer(background)
    total = np.zeros((len(whole), len(players), whole.shape[1]))
    squares = np.zeros_like(total)
    order, n_passes = np.arange(len(players)), 0
    while n_passes < len(begins) and (n_passes == 0 or time.monotonic() < deadline):
        other = {name: values[n_passes] for name, values in background.items()}
        turn = n_passes % len(players)  # so that each player comes first, second… equally often
        order = random.permutation(len(players)) if turn == 0 else (order + 1) % len(players)
        for part in _parts(len(whole), len(players) * len(rows)):
            mine = {name: values[part] for name, values in rows.items()}
            gains = _one_pass(answer, mine, other, players, (begins[n_passes], whole[part]), order)
            total[part] += gains
            squares[part] += gains**2
        n_passes += 1
    mean = total / n_passes
    variance = np.maximum(squares / n_passes - mean**2, 0.0) / max(1, n_passes - 1)
    base = begins.mean(axis=0)
    missing = whole - base - mean.sum(axis=1)  # while only a part of the background was compared with
    contributions = mean + missing[:, None] * _shares(variance if n_passes > 1 else np.abs(mean))
    errors = np.sqrt(variance) if n_passes > 1 else np.full_like(mean, np.nan)
    return Shapley(contributions, errors, base, n_passes)


def _shares(doubt: np.ndarray) -> np.ndarray:
    """Of each player in what is still missing of a row's answer: by its doubt [n_rows, n_players, n_outputs]; else even."""
    total = doubt.sum(axis=1, keepdims=True)
    return np.where(total > 0, doubt / np.where(total > 0, total, 1.0), 1.0 / doubt.shape[1])


def _parts(n_rows: int, cells_per_row: int) -> list[slice]:
    size = max(1, MOST_CELLS // (2 * cells_per_row))
    return [slice(first, first + size) for first in range(0, n_rows, size)]


def _one_pass(
    answer: Answer,
    rows: Feeds,
    other: Feeds,
    players: Players,
    ends: tuple[np.ndarray, np.ndarray],  # answers of the background row [n_outputs] and of `rows` [n_rows, n_outputs]
    order: np.ndarray,  # position of each player, [n_players]
) -> np.ndarray:
    """What each player adds when it comes, mean of an order and its reverse: [n_rows, n_players, n_outputs]."""
    begin, whole = ends
    n_players = len(players)
    n_present = np.arange(1, n_players)[:, None, None]
    is_present = np.stack([order < n_present, order >= n_players - n_present])  # [2, n_players - 1, 1, n_players]
    is_present = np.broadcast_to(is_present, (2, n_players - 1, len(whole), n_players))
    between = np.empty((0, whole.shape[1]))
    if n_players > 1:
        between = answer(_mixed(rows, other, players, is_present))
    between = between.reshape(2, n_players - 1, *whole.shape)
    first, last = np.broadcast_to(begin, (2, 1, *whole.shape)), np.broadcast_to(whole, (2, 1, *whole.shape))
    gains = np.diff(np.concatenate([first, between, last], axis=1), axis=1)  # [2, n_players, n_rows, n_outputs]
    return ((gains[0, order] + gains[1, n_players - 1 - order]) / 2).transpose(1, 0, 2)


def _mixed(rows: Feeds, other: Feeds, players: Players, is_present: np.ndarray) -> Feeds:
    """Rows whose absent players are taken from `other`, for every mask one after another."""
    return {
        name: np.where(is_present[..., player, None], rows[name], other[name]).reshape(-1, 1)
        for player, names in enumerate(players)
        for name in names
    }
