"""Log-odds linear in the columns of a dense matrix, each of which counts by its own spread."""

from dataclasses import replace

import numpy as np

from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear
from automl_assets.learning.odds_fit import fit_odds
from automl_assets.parts import FitContext, Rows

TINY = 1e-6


def learn_scores(x: np.ndarray, rows: Rows, strength: float, context: FitContext) -> Linear:
    """Logistic regression on standardised columns, as scores of the columns as they are; of several labels each by itself."""
    even = rows if rows.y.ndim == 2 else prepared(replace(rows, x=x), context.problem)[0]
    x = x if rows.y.ndim == 2 else even.x
    shift, scale = x.mean(axis=0), 1.0 / np.maximum(x.std(axis=0), TINY)
    coefficients, intercept = fit_odds((x - shift) * scale, even, strength, context)
    coefficients = coefficients * scale[:, None]
    return Linear(coefficients, intercept - shift @ coefficients)
