"""fit: what fits of tokens are told and given."""

import pickle
from pathlib import Path

from automl_assets.entities.records import TokenInputs
from automl_assets.learning.fit_fold import lay_out_truth
from automl_assets.parts import Algorithm, FitContext
from automl_assets.records import Features

TOKENS = "tokens.pickle"


def lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Writes the tokens, and the truth, where fits read them."""
    (folder / TOKENS).write_bytes(pickle.dumps(features.inputs))
    lay_out_truth(folder, features.truth)


def read_inputs(folder: Path) -> TokenInputs:
    """What `lay_out` wrote, in a folder that only this run sees."""
    return pickle.loads((folder / TOKENS).read_bytes())


def fit_context(features: Features, seed: int) -> FitContext:
    """What every fit is told about the question; threads and deadline are the caller's."""
    return FitContext(problem=features.truth.problem, seed=seed)
