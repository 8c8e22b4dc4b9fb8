"""What answers has learnt from every row there is: in time order the newest tell most of what comes next."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from automl_assets.learning.fit_fold import REFIT, fit_fold, lay_out
from automl_assets.parts import FitContext
from automl_assets.records import TRAIN, VALID, Problem, Split, Truth

N_ROWS = 100
REGRESSION = Problem("regression", "root_mean_squared_error")
X = np.linspace(0, 1, N_ROWS, dtype=np.float32)[:, None]
Y = np.where(np.arange(N_ROWS) >= 90, 1_000.0, 0.0)  # the newest rows are unlike all others
CONFIG = {"relative_rate": 6.0, "rounds": 50, "num_leaves": 4, "min_data_in_leaf": 5}


def _blocks(*ends: int) -> np.ndarray:
    """Folds in time order: each validates on the rows up to the next end."""
    folds = [[TRAIN] * start + [VALID] * (end - start) + [0] * (N_ROWS - end) for start, end in pairwise(ends)]
    return np.array(folds, np.int8).T


ORDERED = Split(np.zeros(N_ROWS, bool), _blocks(60, 80, 100), "in time order", is_ordered=True)
HOLD_OUT = Split(np.zeros(N_ROWS, bool), _blocks(80, 100), "hold-out")
ROTATING = Split(np.zeros(N_ROWS, bool), np.where(np.arange(N_ROWS)[:, None] % 2 == [0, 1], TRAIN, VALID), "folds")


def _fit(folder: Path, split: Split, fold: int, algorithm: str = "lightgbm", deadline: float = float("inf")):
    lay_out(folder, X, Truth(Y, None, REGRESSION, split))
    return fit_fold(str(folder), "tabular", algorithm, CONFIG, fold, FitContext(REGRESSION, deadline=deadline))


def _answer_for_the_newest(model) -> float:
    from automl_assets.learning.preparation import predict_raw
    from automl_assets.registry import algorithms

    return float(predict_raw(algorithms("tabular")["lightgbm"], model, X[-1:])[0, 0])


@pytest.mark.parametrize("split", [ORDERED, HOLD_OUT])
def test_the_last_fold_is_learnt_again_with_all_rows(tmp_path: Path, split: Split) -> None:
    fit = _fit(tmp_path, split, split.n_folds - 1)
    assert fit.raw.shape == (20, 1)
    assert np.abs(fit.raw).max() < 1.0  # by a model that had not met the newest
    assert _answer_for_the_newest(fit.model) > 100.0


def test_earlier_folds_only_judge(tmp_path: Path) -> None:
    assert _fit(tmp_path, ORDERED, 0).model is None


def test_without_time_left_the_last_fold_answers(tmp_path: Path) -> None:
    fit = _fit(tmp_path, HOLD_OUT, 0, deadline=0.0)
    assert _answer_for_the_newest(fit.model) < 1.0


def test_folds_that_rotate_answer_together(tmp_path: Path) -> None:
    assert all(_fit(tmp_path, ROTATING, fold).model is not None for fold in (0, 1))


def test_refitted_algorithms_answer_by_their_own_refit(tmp_path: Path) -> None:
    context = FitContext(REGRESSION)
    lay_out(tmp_path, X, Truth(Y, None, REGRESSION, ORDERED))
    config = {"n_neighbors": 3, "weights": "uniform", "p": 2}
    fits = [fit_fold(str(tmp_path), "tabular", "knn", config, fold, context) for fold in (0, 1, REFIT)]
    assert [fit.model is None for fit in fits] == [True, True, False]
