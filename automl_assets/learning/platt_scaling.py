"""From margins to log-odds: one slope and an offset per class, learnt on rows that the margins' model has not seen.

After Platt 1999 for two classes and temperature scaling (Guo et al. 2017) for more. A model that is linear in anything
stays so. Not here: how margins are learnt.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from automl_assets.learning.fitting import with_every_class
from automl_assets.parts import FitContext, Rows

N_PARTS = 3
ENOUGH_ROWS = 1000  # unseen rows for so few numbers; with these in hand no further part is fitted

MarginModel = TypeVar("MarginModel", bound=Any)  # a frozen record with `coefficients` and `intercept` per margin


@dataclass(frozen=True)
class Odds:
    """log-odds = slope * margins + offset"""

    slope: float
    offset: np.ndarray  # float64 [n_scores]

    def applied(self, model: MarginModel) -> MarginModel:
        """The model whose scores are log-odds where those of `model` were margins."""
        return replace(
            model, coefficients=self.slope * model.coefficients, intercept=self.slope * model.intercept + self.offset
        )


def with_odds(
    learn: Callable[[Rows], MarginModel],
    scores: Callable[[MarginModel, Any], np.ndarray],
    rows: Rows,
    context: FitContext,
) -> MarginModel:
    """A model of all rows that answers in log-odds. `scores` gives margins [n_rows, n_scores]: one for two classes."""
    unseen, margins, n_classes = [], [], context.problem.n_classes
    for training, rest in _parts(rows, n_classes, context.seed):
        unseen.append(rest)
        margins.append(scores(learn(training), rest.x))
    weight = [np.ones(len(rest.y)) if rest.weight is None else rest.weight for rest in unseen]
    y = np.concatenate([rest.y for rest in unseen])
    return odds_of(np.concatenate(margins), y, np.concatenate(weight), n_classes).applied(learn(rows))


def _parts(rows: Rows, n_classes: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to learn from and the rest, class by class, until enough rows have been the rest or all of them once."""
    part = np.empty(len(rows.y), np.int64)
    part[np.lexsort((np.random.default_rng(seed).random(len(rows.y)), rows.y))] = np.arange(len(rows.y)) % N_PARTS
    n_unseen = 0
    for number in range(N_PARTS):
        if n_unseen < ENOUGH_ROWS and (part == number).any() and (part != number).any():
            n_unseen += int((part == number).sum())
            yield with_every_class(rows.take(part != number), n_classes), rows.take(part == number)


def odds_of(margins: np.ndarray, y: np.ndarray, weight: np.ndarray, n_classes: int) -> Odds:
    """The most likely odds, held back by a normal prior, so that they are finite where classes are apart or absent.

    >>> margins = np.array([[-3.0], [-1.0], [1.0], [3.0]])
    >>> odds = odds_of(margins, np.array([0, 0, 1, 1]), np.ones(4), 2)
    >>> odds.slope > 0.5, abs(float(odds.offset[0])) < 1e-4
    (True, True)
    """
    from scipy.optimize import minimize

    spread = max(float(margins.std()), 1e-12)
    sides = margins / spread * (1.0 if n_classes > 2 else np.array([-0.5, 0.5]))  # [n_rows, n_classes]
    found = minimize(_loss, np.append(1.0, np.zeros(n_classes)), (sides, np.eye(n_classes)[y], weight), jac=True).x
    return Odds(float(found[0] / spread), found[1:] if n_classes > 2 else np.diff(found[1:]))


def _loss(odds: np.ndarray, sides: np.ndarray, answers: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Log loss and prior of (slope, offsets), and the gradient of both."""
    prior = odds - np.eye(len(odds))[0]  # a slope around one, offsets around zero
    raw = odds[0] * sides + odds[1:]
    raw -= raw.max(axis=1, keepdims=True)
    powers = np.exp(raw)
    total = powers.sum(axis=1, keepdims=True)
    error = (powers / total - answers) * weight[:, None]
    loss = weight @ (np.log(total[:, 0]) - (raw * answers).sum(axis=1))
    return float(loss + prior @ prior / 2), np.append((error * sides).sum(), error.sum(axis=0)) + prior
