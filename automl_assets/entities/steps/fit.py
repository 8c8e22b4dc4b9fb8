"""fit: what fits of tokens are told and given."""

from pathlib import Path

import numpy as np

from automl_assets.entities.records import TokenInputs
from automl_assets.learning.fit_fold import lay_out_truth
from automl_assets.learning.laid_out_texts import read_texts, write_texts
from automl_assets.parts import Algorithm, FitContext
from automl_assets.records import Features

NUMBERS = "text_numbers.npy"


def lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Writes the tokens, and the truth, where fits read them."""
    write_texts(folder, features.inputs.tokens)
    np.save(folder / NUMBERS, features.inputs.text)
    lay_out_truth(folder, features.truth)


def read_inputs(folder: Path) -> TokenInputs:
    """What `lay_out` wrote."""
    tokens = read_texts(folder)
    assert tokens is not None
    return TokenInputs(tokens, np.load(folder / NUMBERS, mmap_mode="r"))


def fit_context(features: Features, seed: int) -> FitContext:
    """What every fit is told about the question; threads and deadline are the caller's."""
    recipe = features.featurizer
    return FitContext(features.truth.problem, seed=seed, encoder=recipe.encoder, is_exported=recipe.is_exported)
