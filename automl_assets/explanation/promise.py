"""Which columns are likely to matter, before any is shuffled: for tables so wide that not all can be in time."""

from collections.abc import Callable, Mapping

import numpy as np

Feeds = Mapping[str, np.ndarray]  # column -> [n_rows, 1]
MOST_OUTPUTS = 10  # of an answer, those that vary most


def by_promise(feeds: Feeds, answer: Callable[[Feeds], np.ndarray]) -> list[str]:
    """All columns, texts first, then numbers by how closely answers follow them in a straight line.

    >>> random = np.random.default_rng(0)
    >>> feeds = {name: random.normal(size=(50, 1)) for name in "abc"}
    >>> by_promise(feeds, lambda given: given["c"] - 0.1 * given["b"])
    ['c', 'b', 'a']
    """
    numbers = [name for name, values in feeds.items() if values.dtype != object]
    if not numbers:
        return list(feeds)
    x = np.concatenate([feeds[name] for name in numbers], axis=1).astype(np.float64)
    answers = answer(feeds)
    answers = answers[:, np.argsort(-answers.var(axis=0))[:MOST_OUTPUTS]]
    with np.errstate(all="ignore"):
        strength = np.abs(_standard(x).T @ _standard(answers)).max(axis=1)  # [n_numbers]
    order = np.argsort(-np.nan_to_num(strength), kind="stable")
    return [name for name in feeds if feeds[name].dtype == object] + [numbers[i] for i in order]


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns around 0 with length 1; what is missing or constant is 0."""
    centred = np.nan_to_num(
        values - np.nanmean(np.where(np.isfinite(values), values, np.nan), axis=0), posinf=0, neginf=0
    )
    length = np.sqrt((centred**2).sum(axis=0))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
