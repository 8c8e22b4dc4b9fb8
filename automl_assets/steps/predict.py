"""predict: what the ensemble says about rows, in Python."""

import numpy as np
import polars as pl

from automl_assets.errors import DataError, listed, nearest
from automl_assets.featurizer import densify, encode
from automl_assets.records import Ensemble, Predictions, Problem
from automl_assets.steps.blend import combine, member_answer


def predict(ensemble: Ensemble, table: pl.DataFrame) -> Predictions:
    """The rows with their predictions beside them: the answer, and a probability per class where there are classes."""
    check_columns(ensemble, table)
    return Predictions(beside(table, answer(ensemble, table), ensemble.problem))


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
    codes = encode(ensemble.featurizer, table)
    return answer_codes(ensemble, codes)


def answer_codes(ensemble: Ensemble, codes: np.ndarray) -> np.ndarray:
    """The same from rows that are featurized already."""
    dense = densify(ensemble.featurizer, codes)
    parts = [member_answer(member, codes, dense, ensemble.problem) for member in ensemble.members]
    return combine(parts, [member.weight for member in ensemble.members], ensemble.stack, ensemble.problem)


def check_columns(ensemble: Ensemble, table: pl.DataFrame) -> None:
    """Raises DataError when a column the model looks at is not there."""
    for name in ensemble.featurizer.raw_columns:
        if name not in table.columns:
            hint = nearest(name, table.columns)
            raise DataError(f'the rows to predict have no column "{name}"; they have {listed(table.columns)}.{hint}')


def beside(table: pl.DataFrame, answers: np.ndarray, problem: Problem) -> pl.DataFrame:
    """The table with columns `prediction` and, for classes, `probability_<class>`."""
    if not problem.classes:
        return table.with_columns(prediction=pl.Series(answers[:, 0]))
    best = answers.argmax(axis=1)
    labels = pl.Series("prediction", [problem.classes[code] for code in best])
    probabilities = [pl.Series(f"probability_{label}", answers[:, code]) for code, label in enumerate(problem.classes)]
    return table.with_columns(labels, *probabilities)
