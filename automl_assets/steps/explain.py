"""explain: how much worse the ensemble gets when a raw column is shuffled (permutation importance, Breiman 2001)."""

import time

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.featurizer import encode
from automl_assets.pictures import importance_picture
from automl_assets.records import Ensemble, Explanation, Importance
from automl_assets.steps.blend import sample
from automl_assets.steps.predict import answer_codes

N_ROWS = 1_000
N_REPEATS = 3


def explain(ensemble: Ensemble, table: pl.DataFrame, y: np.ndarray, seed: int, seconds: float) -> Explanation:
    """Importances on up to 1,000 rows of `table` with truth `y`; later repeats are left out when `seconds` are over."""
    metric, random = ensemble.problem.metric, np.random.default_rng(seed)
    rows = sample(y, N_ROWS, ensemble.problem, random)
    codes, y, deadline = encode(ensemble.featurizer, table[rows]), y[rows], time.monotonic() + seconds
    if metric not in metrics.scores_of([metric], y, answer_codes(ensemble, codes), None, ensemble.problem):
        return Explanation(metric, (), ())  # these rows give the metric no value: one class only, say
    base = _goodness(ensemble, codes, y)
    losses: dict[str, list[float]] = {name: [] for name in ensemble.featurizer.raw_columns}
    for repeat in range(N_REPEATS):
        for name, lost in losses.items():
            if repeat > 0 and time.monotonic() > deadline:
                break
            lost.append(base - _goodness(ensemble, _shuffled(ensemble, codes, name, random), y))
    importances = tuple(sorted((_importance(n, v) for n, v in losses.items()), key=lambda i: -i.mean))
    return Explanation(metric, importances, (importance_picture(importances, metric),))


def _goodness(ensemble: Ensemble, codes: np.ndarray, y: np.ndarray) -> float:
    metric = ensemble.problem.metric
    return metrics.oriented(metric, metrics.score(metric, y, answer_codes(ensemble, codes), None, ensemble.problem))


def _shuffled(ensemble: Ensemble, codes: np.ndarray, name: str, random: np.random.Generator) -> np.ndarray:
    """`codes` with everything that comes from one raw column moved to other rows together."""
    columns = [i for i, column in enumerate(ensemble.featurizer.columns) if column.source == name]
    shuffled = codes.copy()
    shuffled[:, columns] = codes[random.permutation(len(codes))][:, columns]
    return shuffled


def _importance(name: str, losses: list[float]) -> Importance:
    return Importance(name, float(np.mean(losses)), float(np.std(losses)))
