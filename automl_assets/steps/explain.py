"""explain: how much worse the ensemble gets when a raw column is shuffled (permutation importance, Breiman 2001).

Asks the ONNX graph, which answers many rows much faster than the libraries its members come from.
"""

import time
from typing import Any

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.pictures import importance_picture
from automl_assets.records import Ensemble, Explanation, Importance, Problem
from automl_assets.steps.blend import sample
from automl_assets.steps.export import onnx_answer, onnx_bytes, onnx_feeds, open_session

N_ROWS = 1_000
N_REPEATS = 3


def explain(ensemble: Ensemble, table: pl.DataFrame, y: np.ndarray, seed: int, seconds: float) -> Explanation:
    """Importances on up to 1,000 rows of `table` with truth `y`; later repeats are left out when `seconds` are over."""
    random, deadline = np.random.default_rng(seed), time.monotonic() + seconds
    rows = sample(y, N_ROWS, ensemble.problem, random)
    model = _Model(ensemble.problem, open_session(onnx_bytes(ensemble)), y[rows])
    feeds = onnx_feeds(ensemble, table[rows])
    base = model.goodness(feeds)
    if base is None:
        return Explanation(ensemble.problem.metric, (), ())
    losses: dict[str, list[float]] = {name: [] for name in feeds}
    for repeat in range(N_REPEATS):
        for name, lost in losses.items():
            if repeat > 0 and time.monotonic() > deadline:
                break
            shuffled = {**feeds, name: feeds[name][random.permutation(len(rows))]}
            lost.append(base - (model.goodness(shuffled) or 0.0))
    importances = tuple(sorted((_importance(n, v) for n, v in losses.items()), key=lambda i: -i.mean))
    metric = ensemble.problem.metric
    return Explanation(metric, importances, (importance_picture(importances, metric),))


class _Model:
    """The model in ONNX Runtime, and the truth about the rows it is asked for."""

    def __init__(self, problem: Problem, session: Any, truth: np.ndarray):
        self.problem, self.session, self.truth = problem, session, truth

    def goodness(self, feeds: dict[str, np.ndarray]) -> float | None:
        """The metric, greater is better; None where these rows give it no value (one class only, say)."""
        metric = self.problem.metric
        scores = metrics.scores_of([metric], self.truth, onnx_answer(self.session, feeds), None, self.problem)
        return metrics.oriented(metric, scores[metric]) if metric in scores else None


def _importance(name: str, losses: list[float]) -> Importance:
    return Importance(name, float(np.mean(losses)), float(np.std(losses)))
