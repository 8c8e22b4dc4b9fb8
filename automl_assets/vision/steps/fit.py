"""fit: what fits of images are told and given, and what of a trial is worth varying."""

from pathlib import Path

from automl_assets.learning import fit_fold
from automl_assets.learning.preparation import choices, is_imbalanced
from automl_assets.parts import Algorithm, FitContext
from automl_assets.records import Features


def lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Writes the view that the algorithm asks for, and the truth, where fits map them."""
    fit_fold.lay_out(folder, features.inputs.view(algorithm.view), features.truth)


def fit_context(features: Features, seed: int) -> FitContext:
    """What every fit is told about the question; threads and deadline are the caller's."""
    return FitContext(features.truth.problem, seed=seed)


def choices_for(algorithm: Algorithm, features: Features) -> dict[str, tuple[str, ...]]:
    """Ways to prepare rows inside a fold that are worth a trial of the algorithm."""
    truth = features.truth
    is_rare = is_imbalanced(truth.y[truth.split.is_training], truth.problem)
    return choices(algorithm, truth.problem, is_rare)


def cells_a_row(features: Features, algorithm: Algorithm) -> int:
    """Numbers of an image that the algorithm looks at."""
    return int(features.inputs.view(algorithm.view)[0].size)
