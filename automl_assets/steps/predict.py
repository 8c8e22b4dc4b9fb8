"""predict: what the ensemble says about rows, in Python."""

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.errors import DataError, listed, nearest
from automl_assets.featurizer import densify, encode
from automl_assets.records import Ensemble, Label, Predictions
from automl_assets.steps.blend import combine, member_answer
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.conform import class_sets, intervals


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


def check_columns(needed: tuple[str, ...], table: pl.DataFrame) -> None:
    """Raises DataError when a column the model looks at is not there."""
    for name in needed:
        if name not in table.columns:
            hint = nearest(name, table.columns)
            raise DataError(f'the rows to predict have no column "{name}"; they have {listed(table.columns)}.{hint}')


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


def set_texts(inside: np.ndarray, classes: Sequence[Label]) -> list[str]:
    """The classes of each row's set as JSON, which every table format can hold."""
    found, which = np.unique(inside, axis=0, return_inverse=True)
    texts = [json.dumps([label for label, is_in in zip(classes, row, strict=True) if is_in]) for row in found]
    return [texts[i] for i in which.reshape(-1)]
