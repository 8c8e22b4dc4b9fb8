"""Log-odds linear in sparse columns, fitted by L-BFGS (Liu and Nocedal 1989) until they are good or the time is up."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.parts import FitContext, Rows

MOST_STEPS = 200
TOLERANCE = 1e-5  # of the gradient of the mean loss


class _OutOfTime(Exception):
    pass


@dataclass(frozen=True)
class _Loss:
    """Mean log loss with a ridge penalty of the coefficients, and its gradient."""

    x: Any  # csr_matrix [n_rows, n_columns]
    y: np.ndarray  # float [n_rows, n_scores], 1 where the answer is so
    weight: np.ndarray  # [n_rows], they sum to one
    ridge: float
    is_exclusive: bool  # whether the answers of a row sum to one, over more than one score

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        matrix = flat.reshape(-1, self.y.shape[1])  # the last row is the intercept
        raw = self.x @ matrix[:-1] + matrix[-1]
        loss, error = self._exclusive(raw) if self.is_exclusive else self._independent(raw)
        error *= self.weight[:, None]
        gradient = np.vstack([self.x.T @ error + self.ridge * matrix[:-1], error.sum(axis=0)])
        return float(self.weight @ loss + self.ridge / 2 * (matrix[:-1] ** 2).sum()), gradient.ravel()

    def _exclusive(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raw = raw - raw.max(axis=1, keepdims=True)
        powers = np.exp(raw)
        total = powers.sum(axis=1, keepdims=True)
        return np.log(total[:, 0]) - (raw * self.y).sum(axis=1), powers / total - self.y

    def _independent(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss = (np.logaddexp(0, raw) - raw * self.y).sum(axis=1)
        return loss, 1 / (1 + np.exp(-np.clip(raw, -500, 500))) - self.y


def fit_odds(x: Any, rows: Rows, strength: float, context: FitContext) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [n_columns, n_scores] and intercept [n_scores]: one score for two classes, one a class for more.

    `strength` is C, the inverse of the penalty, as in scikit-learn.
    """
    from scipy.optimize import minimize

    y, is_exclusive = answers_of(rows, context)
    weight = np.ones(len(y)) if rows.weight is None else rows.weight
    total = weight.sum()
    loss = _Loss(x, y, weight / total, 1 / (strength * total), is_exclusive)
    best = np.zeros((x.shape[1] + 1) * y.shape[1])

    def keep(flat: np.ndarray) -> None:
        best[:] = flat
        if time.monotonic() >= context.deadline:
            raise _OutOfTime

    try:
        options = {"maxiter": MOST_STEPS, "gtol": TOLERANCE, "maxcor": 10}
        best = minimize(loss, best.copy(), jac=True, method="L-BFGS-B", callback=keep, options=options).x
    except _OutOfTime:
        pass
    matrix = best.reshape(-1, y.shape[1])
    return matrix[:-1].astype(np.float32), matrix[-1]


def answers_of(rows: Rows, context: FitContext) -> tuple[np.ndarray, bool]:
    """What each score says of each row, float64 [n_rows, n_scores], and whether one score excludes the others."""
    if rows.y.ndim == 2:
        return rows.y.astype(np.float64), False
    n_classes = context.problem.n_classes
    if n_classes == 2:
        return rows.y[:, None].astype(np.float64), False
    return np.eye(n_classes)[rows.y], True
