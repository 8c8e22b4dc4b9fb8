"""Log-odds linear in sparse columns, with a ridge penalty, by a truncated Newton method (Lin, Weng and Keerthi 2008).

Every step solves for the next roughly, by conjugate gradients; it ends when it is good or the time is up.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.parts import FitContext, Rows

MOST_STEPS, MOST_DIRECTIONS, MOST_HALVINGS = 30, 30, 12
GOOD = 1e-3  # of the gradient at the start
GOOD_OF_TERMS = 1e-2  # the same where columns are sparse: less takes 1.3 times as long and answers other rows no better
LEAST_DESCENT = 1e-4  # of what a straight line promises (Armijo 1966)


@dataclass(frozen=True)
class _Loss:
    """Mean log loss of `matrix` [n_columns + 1, n_scores], whose last row is the intercept, and its derivatives."""

    x: Any  # csr_matrix, or an array, [n_rows, n_columns]
    turned: Any  # the same [n_columns, n_rows], a csr_matrix of its own, which is multiplied in two thirds of the time of a view
    y: np.ndarray  # float32 [n_rows, n_scores], 1 where the answer is so
    weight: np.ndarray  # float32 [n_rows, 1], they sum to one
    ridge: float
    is_exclusive: bool  # whether one answer excludes the others, of more than one score

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        return self.x @ matrix[:-1] + matrix[-1]

    def value(self, matrix: np.ndarray, raw: np.ndarray) -> float:
        losses = _log_sum(raw) if self.is_exclusive else np.logaddexp(0, raw).sum(axis=1, keepdims=True)
        told = losses - (raw * self.y).sum(axis=1, keepdims=True)
        return float((self.weight * told).sum() + self.ridge / 2 * (matrix[:-1] ** 2).sum())

    def shares(self, raw: np.ndarray) -> np.ndarray:
        if self.is_exclusive:
            return np.exp(raw - _log_sum(raw))
        return 1 / (1 + np.exp(-np.clip(raw, -80, 80)))

    def gradient(self, matrix: np.ndarray, shares: np.ndarray) -> np.ndarray:
        return self._back(self.weight * (shares - self.y), matrix)

    def curvature(self, direction: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """The Hessian times a direction."""
        moved = self.scores(direction)
        inner = (shares * moved).sum(axis=1, keepdims=True) if self.is_exclusive else shares * moved
        return self._back(self.weight * shares * (moved - inner), direction)

    def _back(self, of_rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return np.vstack([self.turned @ of_rows + self.ridge * matrix[:-1], of_rows.sum(axis=0)])


def _log_sum(raw: np.ndarray) -> np.ndarray:
    most = raw.max(axis=1, keepdims=True)
    return most + np.log(np.exp(raw - most).sum(axis=1, keepdims=True))


def fit_odds(x: Any, rows: Rows, strength: float, context: FitContext) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [n_columns, n_scores] and intercept [n_scores]: one score for two classes, one a class for more.

    `strength` is C, the inverse of the penalty, as in scikit-learn.
    """
    y, is_exclusive = score_targets(rows, context)
    weight = np.ones(len(y)) if rows.weight is None else rows.weight
    shares_of_weight = (weight / weight.sum()).astype(np.float32)[:, None]
    is_dense, ridge = isinstance(x, np.ndarray), float(1 / (strength * weight.sum()))
    loss = _Loss(x, x.T if is_dense else x.T.tocsr(), y, shares_of_weight, ridge, is_exclusive)
    begin = np.zeros((x.shape[1] + 1, y.shape[1]), np.float32)
    matrix = _minimum(loss, begin, context.deadline, GOOD if is_dense else GOOD_OF_TERMS)
    return matrix[:-1], matrix[-1].astype(np.float64)


def _minimum(loss: _Loss, matrix: np.ndarray, deadline: float, good: float) -> np.ndarray:
    raw, first = loss.scores(matrix), 0.0
    for step in range(MOST_STEPS):
        shares = loss.shares(raw)
        gradient = loss.gradient(matrix, shares)
        size = float(np.linalg.norm(gradient))
        first = first or size
        if size <= good * first or (step and time.monotonic() >= deadline):
            break
        direction = _direction(loss, shares, gradient, min(0.3, (size / first) ** 0.5), deadline)
        matrix, raw, is_better = _stepped(loss, matrix, raw, direction, float((gradient * direction).sum()))
        if not is_better:
            break
    return matrix


def _direction(loss: _Loss, shares: np.ndarray, gradient: np.ndarray, good: float, deadline: float) -> np.ndarray:
    """Where Newton's method would go, by conjugate gradients."""
    found, residual = np.zeros_like(gradient), -gradient
    way, size = residual, float((residual**2).sum())
    enough = good**2 * size
    for number in range(MOST_DIRECTIONS):
        curved = loss.curvature(way, shares)
        bend = float((way * curved).sum())
        if bend <= 0:
            return found if number else residual
        length = size / bend
        found, residual = found + length * way, residual - length * curved
        size, before = float((residual**2).sum()), size
        if size <= enough or time.monotonic() >= deadline:
            break
        way = residual + size / before * way
    return found


def _stepped(
    loss: _Loss, matrix: np.ndarray, raw: np.ndarray, direction: np.ndarray, slope: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """As far along a direction as the loss falls enough, halving; and whether it fell."""
    value, moved, length = loss.value(matrix, raw), loss.scores(direction), np.float32(1)
    for _ in range(MOST_HALVINGS):
        if loss.value(matrix + length * direction, raw + length * moved) <= value + LEAST_DESCENT * length * slope:
            return matrix + length * direction, raw + length * moved, True
        length /= 2
    return matrix, raw, False


def score_targets(rows: Rows, context: FitContext) -> tuple[np.ndarray, bool]:
    """What each score says of each row, float32 [n_rows, n_scores], and whether one excludes the others."""
    if rows.y.ndim == 2:
        return rows.y.astype(np.float32), False
    n_classes = context.problem.n_classes
    if n_classes == 2:
        return rows.y[:, None].astype(np.float32), False
    return np.eye(n_classes, dtype=np.float32)[rows.y], True
