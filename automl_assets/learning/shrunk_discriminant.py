"""Linear discriminant analysis where columns may be many more than rows: one covariance within all classes, shrunk towards
a round one (Fisher 1936; Ledoit and Wolf 2004).
"""

import numpy as np

from automl_assets.learning.linear_scores import Linear, between_classes

TINY = 1e-6


def fit_discriminant(
    x: np.ndarray, y: np.ndarray, n_classes: int, shrinkage: float | None, weight: np.ndarray | None = None
) -> Linear:
    """Scores of `x` [n_rows, n_columns] as it is, learnt on standardised columns; `y` int [n_rows] holds every class.
    `shrinkage` from 0 to 1; None: as much as Ledoit and Wolf find best."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    shift, scale = x.mean(axis=0, dtype=np.float64), 1.0 / np.maximum(x.std(axis=0, dtype=np.float64), TINY)
    standard = ((x - shift) * scale).astype(np.float32)
    weight = np.ones(len(y)) if weight is None else weight * (len(y) / weight.sum())
    belongs = np.eye(n_classes, dtype=np.float32)[y] * weight[:, None].astype(np.float32)
    sizes = belongs.sum(axis=0)
    means = belongs.T @ standard / sizes[:, None]
    apart = (standard - means[y]) * np.sqrt(weight)[:, None].astype(np.float32)
    shrinkage = float(ledoit_wolf_shrinkage(apart, assume_centered=True)) if shrinkage is None else shrinkage
    coefficients = _solved(apart, shrinkage, means.T).astype(np.float64)
    intercept = np.log(sizes / sizes.sum()) - 0.5 * (means.T * coefficients).sum(axis=0)
    linear = between_classes(Linear(coefficients * scale[:, None], intercept))
    return Linear(linear.coefficients, linear.intercept - shift @ linear.coefficients)


def _solved(apart: np.ndarray, shrinkage: float, means: np.ndarray) -> np.ndarray:
    """The shrunk covariance of rows that are centred, inverted, times `means` [n_columns, n_classes]. Of fewer rows than
    columns by the identity of Woodbury, which solves for as many unknowns as there are rows."""
    from scipy.linalg import solve

    n_rows, n_columns = apart.shape
    round_part = max(TINY, shrinkage * float((apart**2).mean()))
    own_part = (1 - shrinkage) / n_rows
    if n_rows >= n_columns:
        covariance = own_part * (apart.T @ apart)
        covariance[np.diag_indices(n_columns)] += round_part
        found: np.ndarray = solve(covariance, means, assume_a="pos")
        return found
    ratio = own_part / round_part
    inner = ratio * (apart @ apart.T)
    inner[np.diag_indices(n_rows)] += 1
    found = (means - ratio * apart.T @ solve(inner, apart @ means, assume_a="pos")) / round_part
    return found
