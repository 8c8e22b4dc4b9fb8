"""How answers change as one column takes other values: partial dependence (Friedman 2001), ICE curves (Goldstein 2015).

Knows nothing of the model but its answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Feeds = Mapping[str, np.ndarray]  # column -> [n_rows, 1]
Answer = Callable[[Feeds], np.ndarray]  # feeds -> answers [n_rows, n_outputs]

MOST_LEVELS = 10  # texts that are tried, the most frequent first
MOST_NUMBERS = 21


@dataclass(frozen=True)
class Dependence:
    """The answers for some rows, each with every value of one column in turn."""

    column: str
    kind: Literal["number", "moment", "text"]  # a moment is seconds since 1970
    values: tuple[Any, ...]
    answers: np.ndarray  # [n_rows, n_values, n_outputs]

    @property
    def mean(self) -> np.ndarray:
        """Partial dependence [n_values, n_outputs]."""
        return self.answers.mean(axis=0)

    def text(self, value: Any) -> str:
        """A value as a person reads it."""
        if self.kind == "moment":
            return str(np.datetime64(int(value), "s"))
        return f"{value:.6g}" if self.kind == "number" else str(value)


def dependence(answer: Answer, feeds: Feeds, column: str) -> Dependence | None:
    """What is answered as `column` changes; None where it has a single value, or texts that hardly ever repeat.

    >>> feeds = {"a": np.array([[1.0], [3.0]]), "b": np.array([[0.0], [1.0]])}
    >>> dependence(lambda given: given["a"] + given["b"], feeds, "a").mean[[0, -1], 0]
    array([1.5, 3.5])
    """
    given = feeds[column]
    values = _levels(given[:, 0]) if given.dtype == object else _grid(given[:, 0])
    if len(values) < 2:
        return None
    n_rows = len(given)
    many = {name: np.repeat(array, len(values), axis=0) for name, array in feeds.items()}
    answers = answer({**many, column: np.tile(values, n_rows).reshape(-1, 1)})
    kind: Any = "text" if given.dtype == object else "number" if given.dtype == np.float32 else "moment"
    return Dependence(column, kind, tuple(values.tolist()), answers.reshape(n_rows, len(values), -1))


def _levels(texts: np.ndarray) -> np.ndarray:
    found, counts = np.unique(texts.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    is_repeated = counts[order].sum() >= 0.5 * len(texts)
    return found[order].astype(object) if is_repeated else np.array([], object)


def _grid(numbers: np.ndarray) -> np.ndarray:
    """Values at equal shares of the rows between the 2nd and the 98th hundredth: beyond them there is little to see."""
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return known
    few = np.unique(known)
    if len(few) <= MOST_NUMBERS:
        return few
    return np.unique(np.quantile(known, np.linspace(0.02, 0.98, MOST_NUMBERS), method="nearest"))
