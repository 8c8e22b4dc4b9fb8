"""One fit of one configuration on one fold, of data laid out in a folder that every process maps."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets import registry
from automl_assets.learning import preparation
from automl_assets.learning.fitting import sampled
from automl_assets.parts import Config, FitContext, Rows
from automl_assets.records import TRAIN, VALID, Truth

REFIT = -1  # in place of a fold's number: learn from all training rows


@dataclass(frozen=True)
class FoldFit:
    """What comes back from a fit: the model, unless another one will answer, and its raw scores on validation rows."""

    model: Any
    raw: np.ndarray | None  # [n_valid, n_scores]
    seconds: float


def lay_out(folder: Path, x: np.ndarray, truth: Truth) -> None:
    """Writes what fits read, so that every process maps the same memory; `x` is [n_rows, n_features]."""
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", truth.y)
    np.save(folder / "assignment.npy", truth.split.assignment)
    if truth.weight is not None:
        np.save(folder / "weight.npy", truth.weight)


def fit_fold(
    folder: str, family: str, name: str, config: Config, fold: int, context: FitContext
) -> FoldFit:  # runs in a child process
    """Fits one configuration on one fold (or on all training rows) of the data laid out in `folder`."""
    from threadpoolctl import threadpool_limits

    algorithm = registry.algorithms(family)[name]
    started = time.monotonic()
    with threadpool_limits(context.n_threads):
        train, valid = _rows_of(Path(folder), fold, algorithm.max_rows, context.seed)
        model = preparation.fit(algorithm, config, train, valid, context)
        raw = preparation.predict_raw(algorithm, model, valid.x) if valid is not None else None
    is_needed = fold == REFIT or not algorithm.is_refitted
    return FoldFit(model if is_needed else None, raw, time.monotonic() - started)


def _rows_of(folder: Path, fold: int, max_rows: int | None, seed: int) -> tuple[Rows, Rows | None]:
    assignment = np.load(folder / "assignment.npy", mmap_mode="r")
    if fold == REFIT:
        return _read_rows(folder, sampled(np.flatnonzero((assignment > 0).any(axis=1)), max_rows, seed)), None
    train = sampled(np.flatnonzero(assignment[:, fold] == TRAIN), max_rows, seed)
    return _read_rows(folder, train), _read_rows(folder, np.flatnonzero(assignment[:, fold] == VALID))


def _read_rows(folder: Path, rows: np.ndarray) -> Rows:
    x, y = np.load(folder / "x.npy", mmap_mode="r")[rows], np.load(folder / "y.npy", mmap_mode="r")[rows]
    weight = folder / "weight.npy"
    return Rows(x, y, np.load(weight, mmap_mode="r")[rows] if weight.exists() else None)
