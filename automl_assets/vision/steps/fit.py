"""fit: what fits of images are told and given, and what of a trial is worth varying."""

from pathlib import Path

import numpy as np

from automl_assets.errors import SettingError
from automl_assets.learning import fit_fold
from automl_assets.learning.laid_out_texts import read_texts, write_texts
from automl_assets.learning.preparation import choices, is_imbalanced
from automl_assets.parts import Algorithm, FitContext
from automl_assets.records import Features

ROWS, LACKING = "x.npy", "lacking.txt"
NO_NETWORK = "skipped: no pretrained network was here when the features were made; materialise `features` again"


def lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Writes the view that the algorithm asks for, and the truth, where fits map them; without the view, what is said of
    it to who asks."""
    rows = features.inputs.view(algorithm.view)
    if algorithm.view == "images":
        write_texts(folder, features.inputs.images)
    elif rows is not None:
        np.save(folder / ROWS, rows)
    else:
        (folder / LACKING).write_text(features.featurizer.left_out or NO_NETWORK, "utf-8")
    fit_fold.lay_out_truth(folder, features.truth)


def read_inputs(folder: Path) -> np.ndarray:
    """What was laid out. Raises SettingError where the view is none of the features."""
    if (lacking := folder / LACKING).exists():
        raise SettingError(lacking.read_text("utf-8"))
    if (cells := read_texts(folder)) is not None:
        return cells
    found: np.ndarray = np.load(folder / ROWS, mmap_mode="r")
    return found


def fit_context(features: Features, seed: int) -> FitContext:
    """What every fit is told about the question; threads and deadline are the caller's."""
    return FitContext(features.truth.problem, seed=seed, backbones=features.featurizer.backbones)


def choices_for(algorithm: Algorithm, features: Features) -> dict[str, tuple[str, ...]]:
    """Ways to prepare rows inside a fold that are worth a trial of the algorithm."""
    truth = features.truth
    is_rare = is_imbalanced(truth.y[truth.split.is_training], truth.problem)
    return choices(algorithm, truth.problem, is_rare)


def cells_a_row(features: Features, algorithm: Algorithm) -> int:
    """Numbers of an image that the algorithm looks at."""
    rows = features.inputs.view(algorithm.view)
    return 0 if rows is None else int(np.size(rows[0]))
