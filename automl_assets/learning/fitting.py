"""What several algorithms need while they fit: a target on a common scale, rows of every class, a time to stop.

Not here: what only one algorithm knows, and anything about how a model is exported.
"""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from automl_assets.parts import Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

ABSENT_WEIGHT = 1e-3  # of a mean row: enough to name a class, too little to predict it
MAX_PATIENCE = 300


@stored_as("learning.TargetScale")
@dataclass(frozen=True)
class TargetScale:
    """Centre and spread of a target, so that learners meet values around one whatever the unit.

    >>> scale = TargetScale.of(np.array([1e9, 3e9]), None)
    >>> scale.apply(np.array([3e9])), scale.undo(np.array([1.0]))
    (array([1.]), array([3.e+09]))
    """

    centre: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, y: np.ndarray, weight: np.ndarray | None) -> "TargetScale":
        """Weighted mean and standard deviation; a constant target has spread 1."""
        centre = float(np.average(y, weights=weight))
        spread = float(np.sqrt(np.average((y - centre) ** 2, weights=weight)))
        return cls(centre, spread if spread > 1e-12 * abs(centre) and spread > 1e-150 else 1.0)

    def apply(self, y: np.ndarray) -> np.ndarray:
        return (y - self.centre) / self.spread

    def undo(self, values: np.ndarray) -> np.ndarray:
        return values * self.spread + self.centre


def with_every_class(rows: Rows, n_classes: int) -> Rows:
    """Rows that hold every class: the first row once more, almost without weight, for each class that is absent, or
    whose rows weigh nothing.

    So every learner answers with a column per class, and its log-odds stay finite. Of sets of labels one such row has the
    labels that no row has, and lacks those that every row has.
    """
    if rows.y.ndim == 2:
        return _with_both_answers(rows)
    absent = np.setdiff1d(np.arange(n_classes), rows.y if rows.weight is None else rows.y[rows.weight > 0])
    if not len(absent):
        return rows
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    light = np.full(len(absent), ABSENT_WEIGHT * weight.mean())
    x = rows.x[np.concatenate([np.arange(len(rows.y)), np.zeros(len(absent), np.int64)])]
    return Rows(x, np.concatenate([rows.y, absent]), np.concatenate([weight, light]))


def _with_both_answers(rows: Rows) -> Rows:
    """Rows [n_rows, n_labels] in which every label is there and is lacking."""
    counted = rows.y if rows.weight is None else rows.y[rows.weight > 0]
    is_one_sided = (counted > 0).all(axis=0) | (counted <= 0).all(axis=0)
    if not is_one_sided.any():
        return rows
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    other = np.where(is_one_sided, 1 - (counted[:1] > 0), counted[:1]).astype(rows.y.dtype)
    weight = np.append(weight, ABSENT_WEIGHT * weight.mean())
    return Rows(rows.x[np.append(np.arange(len(rows.y)), 0)], np.concatenate([rows.y, other]), weight)


def sampled(rows: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """Row numbers to learn from, in order: all, or `most` of them by chance where there are more.

    >>> sampled(np.arange(10), 3, seed=0).tolist()
    [5, 6, 9]
    """
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def few_rows(rows: Rows, max_rows: int, max_numbers: int, seed: int) -> Rows:
    """Rows for a learner whose model holds them: at most so many rows and numbers, chosen by chance, and 100 at least."""
    most = max(100, min(max_rows, max_numbers // max(1, rows.x.shape[1])))
    every = np.arange(len(rows.y))
    return rows if len(every) <= most else rows.take(sampled(every, most, seed))


@contextmanager
def stopping_early() -> Iterator[None]:
    """What a solver has reached when its iterations are used up is good enough to be scored: no warning."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


class EarlyStopping:
    """Says when boosting should end: no better loss for 0.3 times the best round + 10, or the time is up.

    >>> patience = EarlyStopping(deadline=float("inf"))
    >>> [patience.is_over(round, loss) for round, loss in enumerate([3.0, 1.0, *[2.0] * 11])].index(True)
    12
    >>> patience.best_round
    1
    """

    def __init__(self, deadline: float):
        self.deadline = deadline
        self.best_round = 0
        self.best_loss = float("inf")

    def is_over(self, round_number: int, loss: float | None) -> bool:
        """To be asked after every round, counted from 0; without validation rows `loss` is None."""
        if loss is None or loss < self.best_loss:
            self.best_round, self.best_loss = round_number, loss if loss is not None else self.best_loss
        allowed = min(MAX_PATIENCE, 0.3 * self.best_round + 10)
        return round_number - self.best_round > allowed or time.monotonic() >= self.deadline


def learning_rate(n_rows: int) -> float:
    """0.05 up to 1,000 rows, 0.1 from 10,000 on. Where tried (credit-g, car, abalone, adult) lower rates took twice
    the time and latency for no lower loss.

    >>> learning_rate(500), round(learning_rate(3_000), 3), round(learning_rate(1_000_000), 3)
    (0.05, 0.07, 0.1)
    """
    return float(0.05 * 2 ** np.clip(np.log10(n_rows / 1000), 0.0, 1.0))


def prepared(rows: Rows, problem: Problem) -> tuple[Rows, TargetScale]:
    """Rows as every learner likes them, and how to undo what was done to a numeric target.

    Weights have mean one; classes are all present, or the target is centred and scaled.
    """
    weight = None if rows.weight is None else rows.weight / rows.weight.mean()
    even = replace(rows, weight=weight)
    if problem.classes:
        return with_every_class(even, problem.n_classes), TargetScale()
    scale = TargetScale.of(rows.y, weight)
    return on_scale(even, scale), scale


def on_scale(rows: Rows, scale: TargetScale) -> Rows:
    """Rows with their target on the scale of a fit; class codes stay what they are."""
    return rows if scale == TargetScale() else replace(rows, y=scale.apply(rows.y))
