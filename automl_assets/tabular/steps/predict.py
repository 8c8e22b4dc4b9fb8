"""predict: what the ensemble says about rows, in Python."""

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.learning.preparation import mean_raw
from automl_assets.parts import link_scores
from automl_assets.records import (
    Ensemble,
    Member,
    Predictions,
    Problem,
)
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.combine import algorithm_of, check_columns, combine, set_texts
from automl_assets.steps.conformalize import class_sets, intervals
from automl_assets.tabular.features.featurizer import densify, encode


def predict(ensemble: Ensemble, table: pl.DataFrame) -> Predictions:
    """The rows with their predictions beside them: the answer, a probability per class where there are classes, and
    what holds the truth as often as the experiment asks."""
    check_columns(ensemble.featurizer.raw_columns, table)
    return Predictions(beside(table, answer(ensemble, table), ensemble))


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
    codes = encode(ensemble.featurizer, table)
    return answer_codes(ensemble, codes)


def answer_codes(ensemble: Ensemble, codes: np.ndarray) -> np.ndarray:
    """The same from rows that are featurized already."""
    dense = densify(ensemble.featurizer, codes)
    parts = [member_answer(member, codes, dense, ensemble.problem) for member in ensemble.members]
    combined = combine(parts, [member.weight for member in ensemble.members], ensemble.stack, ensemble.problem)
    return calibrated(combined, ensemble.calibration)


def beside(table: pl.DataFrame, answers: np.ndarray, ensemble: Ensemble) -> pl.DataFrame:
    """The table with columns `prediction`, for classes `probability_<class>` and `prediction_set_<percent>`, else
    `prediction_<percent>_low` and `_high`."""
    problem, conformal = ensemble.problem, ensemble.conformal
    if not problem.classes:
        ends = intervals(conformal, answers[:, 0]) if conformal else {}
        return table.with_columns(prediction=pl.Series(answers[:, 0]), **{n: pl.Series(v) for n, v in ends.items()})
    labels = [problem.classes[code] for code in metrics.decided(answers, problem.threshold)]
    probabilities = [pl.Series(f"probability_{label}", answers[:, code]) for code, label in enumerate(problem.classes)]
    sets = class_sets(conformal, answers, problem.threshold) if conformal else {}
    texts = [pl.Series(name, set_texts(inside, problem.classes)) for name, inside in sets.items()]
    return table.with_columns(pl.Series("prediction", labels), *probabilities, *texts)


def member_answer(member: Member, codes: np.ndarray, dense: np.ndarray, problem: Problem) -> np.ndarray:
    """What one member says about new rows, float64 [n_rows, n_outputs]."""
    algorithm = algorithm_of(member, problem)
    raw = mean_raw(algorithm, member.fitted.models, dense if algorithm.view == "dense" else codes)
    return link_scores(raw, algorithm.link if problem.classes else "value")
