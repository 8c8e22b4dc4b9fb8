"""Shapley values of a model's columns, by sampled orders (Štrumbelj and Kononenko 2014; SHAP, Lundberg and Lee 2017).

Knows nothing of the model but its answers. `shap` itself serves the tests as a second implementation: asking for one row
at a time, it takes minutes where whole tables of mixed rows take seconds.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Feeds = Mapping[str, np.ndarray]  # column -> [n_rows, 1]
Answer = Callable[[Feeds], np.ndarray]  # feeds -> scores [n_rows, n_outputs]
Players = Sequence[tuple[str, ...]]  # columns that come and go together

MOST_CELLS = 2_000_000  # values of mixed rows that are held at once


def shapley(
    answer: Answer, rows: Feeds, background: Feeds, players: Players, random: np.random.Generator, deadline: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Contributions [n_rows, n_players, n_outputs], base [n_outputs], and the number of background rows they rest on.

    A pass begins with one background row and puts the players of a row in one after another, in an order by chance and in
    the reverse of it. After every pass contributions and base add up to the answer exactly, so that passes may end
    when `deadline` (time.monotonic) comes; the first is always made.

    >>> def answer(feeds):
    ...     return 2 * feeds["a"] + feeds["b"]
    >>> rows, background = ({n: np.array([[v]]) for n in "ab"} for v in (1.0, 0.0))
    >>> contributions, base, _ = shapley(answer, rows, background, [("a",), ("b",)], np.random.default_rng(0), np.inf)
    >>> contributions[0, :, 0], base
    (array([2., 1.]), array([0.]))
    """
    whole, begins = answer(rows), answer(background)
    total = np.zeros((len(whole), len(players), whole.shape[1]))
    n_passes = 0
    while n_passes < len(begins) and (n_passes == 0 or time.monotonic() < deadline):
        other = {name: values[n_passes] for name, values in background.items()}
        for part in _parts(len(whole), len(players) * len(rows)):
            mine = {name: values[part] for name, values in rows.items()}
            total[part] += _one_pass(answer, mine, other, players, (begins[n_passes], whole[part]), random)
        n_passes += 1
    return total / n_passes, begins[:n_passes].mean(axis=0), n_passes


def _parts(n_rows: int, cells_per_row: int) -> list[slice]:
    size = max(1, MOST_CELLS // (2 * cells_per_row))
    return [slice(first, first + size) for first in range(0, n_rows, size)]


def _one_pass(
    answer: Answer,
    rows: Feeds,
    other: Feeds,
    players: Players,
    ends: tuple[np.ndarray, np.ndarray],  # answers of the background row [n_outputs] and of `rows` [n_rows, n_outputs]
    random: np.random.Generator,
) -> np.ndarray:
    """What each player adds when it comes, mean of an order and its reverse: [n_rows, n_players, n_outputs]."""
    begin, whole = ends
    n_rows, n_players = len(whole), len(players)
    place = random.permuted(np.tile(np.arange(n_players), (n_rows, 1)), axis=1)  # [n_rows, n_players]
    n_present = np.arange(1, n_players)[:, None, None]
    is_present = np.stack([place < n_present, place >= n_players - n_present])  # [2, n_players - 1, n_rows, n_players]
    between = np.empty((0, whole.shape[1]))
    if n_players > 1:
        between = answer(_mixed(rows, other, players, is_present))
    between = between.reshape(2, n_players - 1, *whole.shape)
    first, last = np.broadcast_to(begin, (2, 1, *whole.shape)), np.broadcast_to(whole, (2, 1, *whole.shape))
    gains = np.diff(np.concatenate([first, between, last], axis=1), axis=1)  # [2, n_players, n_rows, n_outputs]
    row = np.arange(n_rows)[:, None]
    return (gains[0, place, row] + gains[1, n_players - 1 - place, row]) / 2


def _mixed(rows: Feeds, other: Feeds, players: Players, is_present: np.ndarray) -> Feeds:
    """Rows whose absent players are taken from `other`, for every mask one after another."""
    return {
        name: np.where(is_present[..., player, None], rows[name], other[name]).reshape(-1, 1)
        for player, names in enumerate(players)
        for name in names
    }
