"""iterative_stratification: parts of rows in which every label is as frequent as in all of them (Sechidis et al. 2011).

The rarest label is dealt out first, since nothing could be mended afterwards. Rows in which no label is left are dealt out
by number alone.
"""

import numpy as np


def dealt_parts(y: np.ndarray, n_parts: int, random: np.random.Generator) -> np.ndarray:
    """The part of each row, int64 [n_rows]; `y` is [n_rows, n_labels], 1 for each label of a row.

    A row goes where its label is lacking most, then where its other labels are, then where rows are, then by chance.

    >>> y = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0], [0, 0]])
    >>> part = dealt_parts(y, 2, np.random.default_rng(0))
    >>> [y[part == one].sum(axis=0).tolist() for one in (0, 1)], np.bincount(part).tolist()
    ([[1, 1], [1, 1]], [3, 3])
    """
    has = y > 0
    part, wanted_rows = np.full(len(y), -1), np.full(n_parts, len(y) / n_parts)
    wanted = np.tile(has.sum(axis=0) / n_parts, (n_parts, 1))  # rows with each label, [n_parts, n_labels]
    order, chance = random.permutation(len(y)), random.permutation(n_parts)
    for label in _rarest_first(has):
        for row in order[has[order, label] & (part[order] < 0)]:
            place = int(np.lexsort((chance, -wanted_rows, -wanted[:, has[row]].sum(axis=1), -wanted[:, label]))[0])
            part[row] = place
            wanted[place, has[row]] -= 1
            wanted_rows[place] -= 1
    for row in order[part[order] < 0]:
        part[row] = place = int(np.lexsort((chance, -wanted_rows))[0])
        wanted_rows[place] -= 1
    return part


def chosen_share(y: np.ndarray, n_part: int, chance: np.ndarray) -> np.ndarray:
    """About `n_part` of the rows, with that share of each label, as positions in order.

    Of every label those of the lowest chance, float or int [n_rows], are taken, so that nearly all of them stay chosen as
    rows are added.
    """
    has, share = y > 0, n_part / len(y)
    is_open, is_chosen = np.ones(len(y), bool), np.zeros(len(y), bool)
    for label in _rarest_first(has):
        rows = np.flatnonzero(has[:, label] & is_open)
        n_lacking = round(share * has[:, label].sum()) - int((has[:, label] & is_chosen).sum())
        is_chosen[rows[np.argsort(chance[rows], kind="stable")[: max(0, n_lacking)]]] = True
        is_open[rows] = False
    rows = np.flatnonzero(is_open)
    n_lacking = max(0, min(n_part - int(is_chosen.sum()), len(rows)))
    is_chosen[rows[np.argsort(chance[rows], kind="stable")[:n_lacking]]] = True
    return np.flatnonzero(is_chosen)


def _rarest_first(has: np.ndarray) -> list[int]:
    """Labels in the order in which they are dealt out: each time that of the fewest rows that are left."""
    left, order = np.ones(len(has), bool), []
    counts = has.sum(axis=0)
    while (counts > 0).any():
        label = int(np.argmin(np.where(counts > 0, counts, len(has) + 1)))
        order.append(label)
        counts = counts - has[left & has[:, label]].sum(axis=0)
        left &= ~has[:, label]
    return order
