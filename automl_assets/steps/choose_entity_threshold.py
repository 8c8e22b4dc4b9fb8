"""choose_entity_threshold: how probable an entity must be, against none, to be answered.

Entities are rare, and what models have hardly seen is less probable than it is true: F1 gains where more is answered.
Chosen on out-of-fold texts, and kept only where it is better on texts that had no say in it.
"""

from dataclasses import replace

import numpy as np

from automl_assets.records import Ensemble
from automl_assets.steps.calibrate import Judged
from automl_assets.tagging import decoded_tags

THRESHOLDS = (
    0.5,
    0.45,
    0.4,
    0.35,
    0.3,
    0.25,
    0.2,
    0.15,
    0.1,
    0.07,
    0.05,
    0.6,
    0.7,
)  # the first is that without a choice
N_REPEATS = 3


def choose_entity_threshold(ensemble: Ensemble, rows: Judged, seed: int) -> Ensemble:
    """The ensemble with the threshold that suits its metric best."""
    if not (rows.y > 0).any():
        return ensemble
    answers = np.array([decoded_tags(rows.predictions, threshold) for threshold in THRESHOLDS])
    chosen, gains = zip(*(_repeat(rows, answers, seed + i) for i in range(N_REPEATS)), strict=True)
    if min(gains) <= 0:
        return ensemble
    problem = replace(ensemble.problem, threshold=float(np.median(np.concatenate(chosen))))
    return replace(ensemble, problem=problem, score=ensemble.score + float(np.mean(gains)))


def _repeat(rows: Judged, answers: np.ndarray, seed: int) -> tuple[list[float], float]:
    """The threshold of each fold, and what they add to the metric on the texts that did not choose them; `answers` are
    the tags under each threshold, [n_thresholds, n_tokens]."""
    chosen, tags = list[float](), answers[0].copy()
    for learn, judge in rows.folds(seed):
        scores = [_score(rows.take(learn), some[learn]) for some in answers]
        best = int(np.argmax(scores))
        chosen.append(THRESHOLDS[best])
        tags[judge] = answers[best][judge]
    return chosen, _score(rows, tags) - _score(rows, answers[0])


def _score(rows: Judged, tags: np.ndarray) -> float:
    return rows.score(rows.problem.metric, np.eye(rows.problem.n_classes)[tags])
