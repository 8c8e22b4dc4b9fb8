"""Scores that are linear in the vectors of texts and the columns beside them: what a frozen encoder answers by, and what
fine-tuning begins with."""

from dataclasses import replace

import numpy as np

from automl_assets.learning.fitting import prepared
from automl_assets.learning.linear_scores import Linear
from automl_assets.parts import FitContext, Rows
from automl_assets.text.models.odds_fit import fit_odds
from automl_assets.text.records import TextInputs

TINY = 1e-6


def joined(vectors: np.ndarray, inputs: TextInputs) -> np.ndarray:
    """Vectors and the other columns side by side, float64 [n_rows, n_columns]."""
    return np.hstack([vectors, inputs.others]).astype(np.float64)


def learn_scores(x: np.ndarray, rows: Rows, strength: float, context: FitContext) -> Linear:
    """Logistic regression on standardised columns, as scores of the columns as they are; of several labels each by itself."""
    even = rows if rows.y.ndim == 2 else prepared(replace(rows, x=x), context.problem)[0]
    x = x if rows.y.ndim == 2 else even.x
    shift, scale = x.mean(axis=0), 1.0 / np.maximum(x.std(axis=0), TINY)
    coefficients, intercept = fit_odds((x - shift) * scale, even, strength, context)
    coefficients = coefficients * scale[:, None]
    return Linear(coefficients, intercept - shift @ coefficients)
