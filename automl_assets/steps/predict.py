"""predict: the ensemble's answers to rows, in Python, and how they stand beside the rows."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import polars as pl

from automl_assets import registry
from automl_assets.answer_kinds import answers_of
from automl_assets.data.label_sets import set_texts
from automl_assets.errors import DataError
from automl_assets.model_records import Predictions
from automl_assets.records import Ensemble, Label, Problem
from automl_assets.steps.combine import check_columns
from automl_assets.steps.conformalize import class_sets, intervals
from automl_assets.steps.read_rows import Notes, marked, read_rows

Answer = Callable[[pl.DataFrame], pl.DataFrame]

TAKEN = "automl_"  # stands before the names of answers where the rows have columns called so themselves


def predict(ensemble: Ensemble, rows: pl.DataFrame, is_strict: bool = True, notes: Notes | None = None) -> Predictions:
    """The rows with their predictions beside them: the answer, a probability per class where there are classes, and
    what holds the truth as often as the experiment asks. Raises DataError as `read_rows` does."""
    return Predictions(predict_by(partial(answers, ensemble), ensemble, rows, is_strict, notes))


def predict_by(
    answer: Answer, ensemble: Ensemble, rows: pl.DataFrame, is_strict: bool, notes: Notes | None = None
) -> pl.DataFrame:
    """The same by another way to answer, such as the ensemble's ONNX file. The rows stay as they come; where not strict,
    a column names what could not be read of each, and rows of which too little can be read have no answer."""
    read = read_rows(rows, ensemble.schema, ensemble.featurizer.raw_columns, is_strict)
    if notes:
        notes.add(read)
    if is_strict:
        return beside(rows, answer(read.table))
    reasons = _unanswerable(ensemble, read.table)
    return beside(rows, marked(_answered_where_possible(answer, read.table, reasons), read, reasons))


def _unanswerable(ensemble: Ensemble, table: pl.DataFrame) -> Sequence[str]:
    """Why each row has no answer; "" where it has one."""
    find = registry.family_of(ensemble.problem.task).steps.unanswerable
    return [""] * table.height if find is None else find(ensemble, table)


def _answered_where_possible(answer: Answer, table: pl.DataFrame, reasons: Sequence[str]) -> pl.DataFrame:
    """Nothing stands in the other rows. Raises DataError where no row can be answered."""
    is_able = np.array([not reason for reason in reasons], bool)
    if is_able.all():
        return answer(table)
    if not is_able.any():
        raise DataError(f"none of {table.height} rows can be answered; the first: {reasons[0]}")
    places = pl.Series(np.maximum(np.cumsum(is_able) - 1, 0))
    found = answer(table.filter(is_able)).select(pl.all().gather(places))
    return found.select(pl.when(pl.Series(is_able)).then(pl.all()))


def answers(ensemble: Ensemble, table: pl.DataFrame) -> pl.DataFrame:
    """Columns `prediction`, for classes and labels `probability_<class>` and `prediction_set_<percent>`, else
    `prediction_<percent>_low` and `_high`, of rows read by the ensemble's schema. Sets are JSON lists."""
    check_columns(ensemble.featurizer.raw_columns, table)
    steps = registry.family_of(ensemble.problem.task).steps
    if steps.answer_columns:
        return steps.answer_columns(ensemble, table)
    return pl.DataFrame(_columns(steps.answer(ensemble, table), ensemble))


def _columns(found: np.ndarray, ensemble: Ensemble) -> list[pl.Series]:
    problem, conformal = ensemble.problem, ensemble.conformal
    if not problem.classes:
        ends = intervals(conformal, found[:, 0]) if conformal else {}
        return [pl.Series("prediction", found[:, 0]), *(pl.Series(name, values) for name, values in ends.items())]
    probabilities = [pl.Series(f"probability_{label}", found[:, code]) for code, label in enumerate(problem.classes)]
    sets = class_sets(conformal, found, problem) if conformal else {}
    texts = [pl.Series(name, set_texts(inside, problem.classes)) for name, inside in sets.items()]
    return [pl.Series("prediction", _labels(found, problem)), *probabilities, *texts]


def _labels(found: np.ndarray, problem: Problem) -> list[Label] | list[str]:
    """Of each row the class, or the set of labels."""
    answered = answers_of(problem).answered(found, problem)
    if problem.is_multilabel:
        return set_texts(answered, problem.classes)
    return [problem.classes[code] for code in answered.argmax(axis=1)]


def beside(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Rows with the answers to their right. Where the rows have a column called like one of the answers, these are called
    automl_prediction and so on, so that nothing is overwritten.

    >>> beside(pl.DataFrame({"prediction": [1]}), pl.DataFrame({"prediction": [2]})).columns
    ['prediction', 'automl_prediction']
    """
    names = found.columns
    while set(names) & set(rows.columns):
        names = [TAKEN + name for name in names]
    return pl.concat([rows, found.rename(dict(zip(found.columns, names, strict=True)))], how="horizontal")
