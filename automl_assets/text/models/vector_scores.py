"""Vectors of texts and the columns beside them as one matrix: what a frozen encoder answers by, and what fine-tuning begins
with."""

import numpy as np

from automl_assets.text.records import TextInputs


def joined(vectors: np.ndarray, inputs: TextInputs) -> np.ndarray:
    """Vectors and the other columns side by side, float64 [n_rows, n_columns]."""
    return np.hstack([vectors, inputs.others]).astype(np.float64)
