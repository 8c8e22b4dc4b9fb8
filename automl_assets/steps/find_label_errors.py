"""find_label_errors: rows whose label is likely wrong, for a person to look at. Confident learning (Northcutt et al. 2021): models
that never saw a row are surer of another class than they are of that class's own rows in the mean. Of a set of labels each is
looked at by itself: whether it should be there (Thyagarajan et al. 2023)."""

import csv
import io
import json
import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from automl_assets.data.label_sets import set_texts
from automl_assets.errors import DataError
from automl_assets.records import Dataset, Problem

MOST = 100  # that are listed, the likeliest first
SCHEMA = {
    **{"row": pl.Int64, "label": pl.String, "likely": pl.String},
    **{"probability": pl.Float64, "likely_probability": pl.Float64},
}
CHOICES = "choices"
FORMULAS = "=+-@\t\r"  # how a cell begins that a spreadsheet would run
AS_TEXT = rf"^'([{re.escape(FORMULAS)}])"  # how it begins where it does not
GIVEN = "given"  # what a task calls the label that a row has


def find_label_errors(truth: np.ndarray, predictions: np.ndarray, problem: Problem) -> pl.DataFrame:
    """The row, its label, the likely one, and the probabilities of both, as in SCHEMA. Sets are written as JSON, and their
    probabilities are those of the label that is most likely wrong. `predictions` are out-of-fold; a row without one (NaN),
    or without a label, is not judged.

    >>> problem = Problem("classification", "accuracy", classes=("cat", "dog"))
    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]])
    >>> find_label_errors(np.array([0, 0, 1, 1]), shares, problem).rows()
    [(3, 'dog', 'cat', 0.05, 0.95)]
    """
    if problem.answers == "boxes":
        raise DataError(f"likely errors of labels are told of classes; the answers of a {problem.task} are boxes")
    if problem.is_multilabel:
        return _of_sets(truth, predictions, problem)
    rows, own, likely = suspects(truth, predictions) if problem.classes else (_NONE, _NONE, _NONE)
    given, other = predictions[rows, own], predictions[rows, likely]
    order = np.argsort(given - other, kind="stable")[:MOST]
    names = [str(one) for one in problem.classes]
    lines = [(int(rows[i]), names[own[i]], names[likely[i]], float(given[i]), float(other[i])) for i in order]
    return pl.DataFrame(lines, schema=SCHEMA, orient="row")


_NONE = np.zeros(0, np.int64)


def suspects(truth: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers, the classes they are said to be of, and those they rather are of."""
    rows = np.flatnonzero((truth >= 0) & ~np.isnan(predictions).any(axis=1))
    own, shares = truth[rows], predictions[rows]
    counts = np.bincount(own, minlength=shares.shape[1])
    sums = np.bincount(own, weights=shares[np.arange(len(rows)), own], minlength=shares.shape[1])
    least = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)  # of a class no row has, nothing is known
    confident = np.where(shares >= least, shares, -1.0)
    likely = confident.argmax(axis=1)
    is_suspect = (
        (confident.max(axis=1) >= 0)
        & (likely != own)
        & (shares[np.arange(len(rows)), likely] > shares[np.arange(len(rows)), own])
    )
    return rows[is_suspect], own[is_suspect], likely[is_suspect]


def _of_sets(truth: np.ndarray, predictions: np.ndarray, problem: Problem) -> pl.DataFrame:
    """Each label is a question of two classes of its own; those that are likely wrong in a row are turned over together."""
    known = np.flatnonzero((truth[:, 0] >= 0) & ~np.isnan(predictions).any(axis=1))
    has, shares = truth[known] > 0, predictions[known]
    of_own = np.where(has, shares, 1.0 - shares)  # of what is said of each label
    is_wrong = np.zeros(has.shape, bool)
    for code in range(problem.n_classes):
        column = np.column_stack([1.0 - shares[:, code], shares[:, code]])
        is_wrong[suspects(has[:, code].astype(np.int64), column)[0], code] = True
    least = np.where(is_wrong, of_own, np.inf).min(axis=1, initial=np.inf)
    rows = np.argsort(least, kind="stable")[: min(MOST, int(is_wrong.any(axis=1).sum()))]
    given, likely = (set_texts(some[rows], problem.classes) for some in (has, has ^ is_wrong))
    lines = zip(known[rows].tolist(), given, likely, least[rows].tolist(), (1.0 - least[rows]).tolist(), strict=True)
    return pl.DataFrame([*lines], schema=SCHEMA, orient="row")


def with_columns_of(found: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Beside what was found the columns of the rows themselves, as they stand in the data."""
    own = dataset.table.select(dataset.roles.features)[found["row"].to_numpy()]
    return found.hstack(own.rename({name: f"{name}_" for name in own.columns if name in found.columns}))


def review_csv(found: pl.DataFrame, target: str) -> bytes:
    """For a spreadsheet, with a column of the target, in which people correct what `automl correct` takes back; a cell that a spreadsheet would run as a formula is told as text."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    if target not in found.columns and "word" not in found.columns:  # words are no rows of the data
        found = found.rename({"label": GIVEN}).with_columns(found["label"].alias(target))
    writer.writerow(found.columns)
    writer.writerows([_harmless(cell) for cell in line] for line in found.rows())
    return sheet.getvalue().encode()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple(FORMULAS) else cell


def review_tasks(found: pl.DataFrame, target: str, are_sets: bool = False) -> bytes:
    """For Label Studio: a task for each row, with the likely label, or labels, as its prediction. What people choose there
    comes back by `automl correct`."""
    shown = [name for name in found.columns if name not in ("likely", "probability", "likely_probability", "label")]
    tasks = []
    for line in found.iter_rows(named=True):
        likely = json.loads(line["likely"]) if are_sets else [line["likely"]]
        data = {name: _plain(line[name]) for name in shown} | {GIVEN: line["label"]}
        tasks.append(task(data, line["likely_probability"], [_choice(target, shown, likely)] if likely else []))
    return as_tasks(tasks)


def task(data: dict, score: float, result: Sequence[dict]) -> dict:
    """What a person sees, and what is proposed."""
    return {
        "data": data,
        "predictions": [{"model_version": "automl_assets", "score": score, "result": [*result]}],
    }


def as_tasks(tasks: Sequence[dict]) -> bytes:
    """As Label Studio imports them."""
    return json.dumps([*tasks], ensure_ascii=False, indent=1).encode()


def _choice(target: str, shown: list[str], likely: list[str]) -> dict:
    to_name = next((name for name in shown if name != "row"), "row")
    return {"from_name": target, "to_name": to_name, "type": CHOICES, "value": {CHOICES: likely}}


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
