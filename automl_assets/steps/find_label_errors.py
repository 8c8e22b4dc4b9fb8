"""find_label_errors: rows whose label is likely wrong, for a person to look at. Confident learning (Northcutt et al. 2021): models
that never saw a row are surer of another class than they are of that class's own rows in the mean."""

import csv
import io
import json

import numpy as np
import polars as pl

from automl_assets.records import Dataset, Problem

MOST = 100  # that are listed, the likeliest first
SCHEMA = {
    **{"row": pl.Int64, "label": pl.String, "likely": pl.String},
    **{"probability": pl.Float64, "likely_probability": pl.Float64},
}


def find_label_errors(truth: np.ndarray, predictions: np.ndarray, problem: Problem) -> pl.DataFrame:
    """The row, its label, the likely one, and the probabilities of both, as in SCHEMA. `predictions` are out-of-fold; a row
    without one (NaN), or without a label, is not judged.

    >>> problem = Problem("classification", "accuracy", classes=("cat", "dog"))
    >>> shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]])
    >>> find_label_errors(np.array([0, 0, 1, 1]), shares, problem).rows()
    [(3, 'dog', 'cat', 0.05, 0.95)]
    """
    rows, own, likely = _suspects(truth, predictions) if truth.ndim == 1 and problem.classes else (_NONE, _NONE, _NONE)
    given, other = predictions[rows, own], predictions[rows, likely]
    order = np.argsort(given - other, kind="stable")[:MOST]
    names = [str(one) for one in problem.classes]
    lines = [(int(rows[i]), names[own[i]], names[likely[i]], float(given[i]), float(other[i])) for i in order]
    return pl.DataFrame(lines, schema=SCHEMA, orient="row")


_NONE = np.zeros(0, np.int64)


def _suspects(truth: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def with_columns_of(found: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Beside what was found the columns of the rows themselves, as they stand in the data."""
    own = dataset.table.select(dataset.roles.features)[found["row"].to_numpy()]
    return found.hstack(own.rename({name: f"{name}_" for name in own.columns if name in found.columns}))


def review_csv(found: pl.DataFrame) -> bytes:
    """For a spreadsheet; a cell that a spreadsheet would run as a formula is told as text."""
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(found.columns)
    writer.writerows([_harmless(cell) for cell in line] for line in found.rows())
    return sheet.getvalue().encode()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def review_tasks(found: pl.DataFrame, target: str) -> bytes:
    """For Label Studio: a task for each row, with the likely label as its prediction. What people choose there comes back by
    `automl labels`."""
    shown = [name for name in found.columns if name not in ("likely", "probability", "likely_probability", "label")]
    tasks = [
        {
            "data": {name: _plain(line[name]) for name in shown} | {"given": line["label"]},
            "predictions": [
                {
                    "model_version": "automl_assets",
                    "score": line["likely_probability"],
                    "result": [_choice(target, shown, line["likely"])],
                }
            ],
        }
        for line in found.iter_rows(named=True)
    ]
    return json.dumps(tasks, ensure_ascii=False, indent=1).encode()


def _choice(target: str, shown: list[str], likely: str) -> dict:
    to_name = next((name for name in shown if name != "row"), "row")
    return {"from_name": target, "to_name": to_name, "type": "choices", "value": {"choices": [likely]}}


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
