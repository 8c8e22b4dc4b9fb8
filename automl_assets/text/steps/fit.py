"""fit: what fits of texts are told and given, and what of a trial is worth varying."""

from pathlib import Path
from typing import Any

import numpy as np

from automl_assets.learning import fit_fold
from automl_assets.learning.laid_out_texts import read_texts, write_texts
from automl_assets.learning.preparation import choices, is_imbalanced
from automl_assets.parts import Algorithm, FitContext
from automl_assets.records import Features
from automl_assets.text.records import PARTS, TextInputs

SPARSE = ("data", "indices", "indptr")
SPARSE_PARTS = tuple(part for part in PARTS if part != "texts")


def lay_out(folder: Path, features: Features, algorithm: Algorithm) -> None:
    """Writes the view that the algorithm asks for, and the truth, where fits map them."""
    inputs = features.inputs.view(algorithm.view)
    np.save(folder / "others.npy", inputs.others)
    for part in SPARSE_PARTS:
        if (matrix := getattr(inputs, part)) is not None:
            np.save(folder / f"{part}_shape.npy", matrix.shape)
            for name in SPARSE:
                np.save(folder / f"{part}_{name}.npy", getattr(matrix, name))
    if inputs.texts is not None:
        write_texts(folder, inputs.texts)
    fit_fold.lay_out_truth(folder, features.truth)


def read_inputs(folder: Path) -> TextInputs:
    """What was laid out; matrices stay in their files until rows of them are taken."""
    sparse = {part: _read_sparse(folder, part) for part in SPARSE_PARTS if (folder / f"{part}_shape.npy").exists()}
    return TextInputs(np.load(folder / "others.npy", mmap_mode="r"), read_texts(folder), **sparse)


def _read_sparse(folder: Path, part: str) -> Any:
    from scipy.sparse import csr_matrix

    arrays = tuple(np.load(folder / f"{part}_{name}.npy", mmap_mode="r") for name in SPARSE)
    return csr_matrix(arrays, shape=tuple(np.load(folder / f"{part}_shape.npy")))


def fit_context(features: Features, seed: int) -> FitContext:
    """What every fit is told about the question; threads and deadline are the caller's."""
    recipe = features.featurizer
    return FitContext(features.truth.problem, seed=seed, encoder=recipe.encoder, is_exported=recipe.is_exported)


def choices_for(algorithm: Algorithm, features: Features) -> dict[str, tuple[str, ...]]:
    """Ways to prepare rows inside a fold that are worth a trial of the algorithm."""
    truth = features.truth
    is_rare = is_imbalanced(truth.y[truth.split.is_training], truth.problem)
    return choices(algorithm, truth.problem, is_rare)


def cells_a_row(features: Features, algorithm: Algorithm) -> int:
    """Terms that a row has on the mean, and the columns beside them."""
    inputs = features.inputs.view(algorithm.view)
    n_terms = sum(matrix.nnz for part in SPARSE_PARTS if (matrix := getattr(inputs, part)) is not None)
    return n_terms // max(1, len(inputs)) + inputs.others.shape[1]
