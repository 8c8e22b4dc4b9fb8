"""One fit of one configuration on one fold, of data laid out in a folder that every process maps.

Where folds rotate, their models answer together and each row was learnt from by all but one of them. Where they don't,
the last fold shows how long to learn, and the model is fitted again on all rows: always in time order, whose newest rows
matter most, and with a hold-out where there is time left.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_assets import registry
from automl_assets.families import family as family_named
from automl_assets.learning import preparation
from automl_assets.learning.fitting import sampled
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Split, Truth

REFIT = -1  # in place of a fold's number: learn from all training rows
WATCHED_SHARE = 0.45  # of a fit's time, in time order: the rest is for learning from the newest rows as well


@dataclass(frozen=True)
class FoldFit:
    """What comes back from a fit: the model, unless another one will answer, and its raw scores on validation rows."""

    model: Any
    raw: np.ndarray | None = None  # [n_valid, n_scores]
    seconds: float = 0.0


def lay_out(folder: Path, x: np.ndarray, truth: Truth) -> None:
    """Writes what fits read, so that every process maps the same memory; `x` is [n_rows, n_features]."""
    np.save(folder / "x.npy", x)
    lay_out_truth(folder, truth)


def lay_out_truth(folder: Path, truth: Truth) -> None:
    """The same without the rows themselves, for families that write these in their own way, and `read_inputs`."""
    np.save(folder / "y.npy", truth.y)
    np.save(folder / "assignment.npy", truth.split.assignment)
    np.save(folder / "is_ordered.npy", truth.split.is_ordered)
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
        inputs = family_named(family).steps.read_inputs(Path(folder))
        fit = _Fit.of(Path(folder), inputs, algorithm, config, context)
        made = FoldFit(fit.on_all_rows(config)) if fold == REFIT else fit.on_fold(fold)
    return replace(made, seconds=time.monotonic() - started)


@dataclass(frozen=True)
class _Fit:
    """One configuration, and the rows in a folder."""

    folder: Path
    inputs: Any  # all rows, as the family reads them
    split: Split
    algorithm: Algorithm
    config: Config
    context: FitContext

    @classmethod
    def of(cls, folder: Path, inputs: Any, algorithm: Algorithm, config: Config, context: FitContext) -> "_Fit":
        assignment, is_ordered = np.load(folder / "assignment.npy", mmap_mode="r"), np.load(folder / "is_ordered.npy")
        split = Split(np.zeros(len(assignment), bool), assignment, "", bool(is_ordered))
        return cls(folder, inputs, split, algorithm, config, context)

    def on_fold(self, fold: int) -> FoldFit:
        """What the rows of a fold teach; the last fold's model answers alone where the folds leave rows out."""
        is_watched = self.split.leaves_out and not self.algorithm.is_refitted
        is_leader = is_watched and fold == self.split.n_folds - 1
        started, (train, valid) = time.monotonic(), self.split.fold(fold)
        learning, judged = self._rows(self._sampled(train)), self._rows(valid)
        share = WATCHED_SHARE if is_leader and self.split.is_ordered else 1.0
        watched = replace(self.context, deadline=_part_of_time(share, self.context.deadline))
        model = preparation.fit(self.algorithm, self.config, learning, judged, watched)
        raw = preparation.predict_raw(self.algorithm, model, judged.x)
        expected = (time.monotonic() - started) * self.split.is_training.sum() / len(train)
        if is_leader and time.monotonic() + expected <= self.context.deadline:
            config = preparation.with_rounds_of(self.algorithm, self.config, model)
            return FoldFit(self.on_all_rows(config), raw)
        is_needed = is_leader or not (is_watched or self.algorithm.is_refitted)
        return FoldFit(model if is_needed else None, raw)

    def on_all_rows(self, config: Config) -> Any:
        """The model of all rows that any fold learns from or validates on."""
        rows = self._rows(self._sampled(np.flatnonzero(self.split.is_training)))
        return preparation.fit(self.algorithm, config, rows, None, self.context)

    def _sampled(self, rows: np.ndarray) -> np.ndarray:
        return sampled(rows, self.algorithm.max_rows, self.context.seed)

    def _rows(self, rows: np.ndarray) -> Rows:
        x, y = self.inputs[rows], np.load(self.folder / "y.npy", mmap_mode="r")[rows]
        weight = self.folder / "weight.npy"
        return Rows(x, y, np.load(weight, mmap_mode="r")[rows] if weight.exists() else None)


def _part_of_time(share: float, deadline: float) -> float:
    """The moment when so much of the time up to `deadline` will have passed."""
    now = time.monotonic()
    return now + share * (deadline - now)
