"""fit: what fits of objects in images are told and given."""

from pathlib import Path

from automl_assets.learning import fit_fold
from automl_assets.objects.features.squares import squares_of
from automl_assets.parts import Algorithm, FitContext
from automl_assets.records import Features


def lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Reads all images, and writes them as squares where fits map them."""
    fit_fold.lay_out(folder, squares_of(features.featurizer, features.inputs), features.truth)


def fit_context(features: Features, seed: int) -> FitContext:
    """What every fit is told about the question; threads and deadline are the caller's."""
    return FitContext(features.truth.problem, seed=seed, backbones=features.featurizer.backbones)


def cells_a_row(features: Features, algorithm: Algorithm) -> int:
    """Numbers of an image that the algorithm looks at."""
    return 0 if algorithm.is_fallback else 3 * int(features.featurizer.side) ** 2
