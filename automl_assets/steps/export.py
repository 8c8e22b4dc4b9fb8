"""export: the whole pipeline as one ONNX file over raw columns, with the proof that it answers as Python does.

What the graph computes of raw columns is each family's own.
"""

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from automl_assets import registry
from automl_assets.boxes import farthest_apart, packed_answers
from automl_assets.data.image_cells import small_copy
from automl_assets.model_records import OnnxModel
from automl_assets.onnx.images import ask, onnx_answer, run
from automl_assets.onnx.session import feeds_of, open_session, packed
from automl_assets.records import AnswerName, Ensemble, Problem

N_CHECKED = 1_000  # rows on which ONNX and Python are compared
N_TIMED = 200  # single rows that are timed
N_FIRST = 10  # that are asked before, and don't count
FEWEST = 20  # rows that are compared and timed however long one takes
SECONDS = 5.0  # that either may take where a row takes long, as an encoder's does


def export(ensemble: Ensemble, table: pl.DataFrame) -> OnnxModel:
    """The model file, compared with Python on rows of `table` and timed on single rows."""
    steps, rows = registry.family_of(ensemble.problem.task).steps, table.head(N_CHECKED)
    content, inputs = steps.onnx_bytes(ensemble), steps.input_types(ensemble.featurizer)
    matrix, matrices = steps.matrix_onnx(ensemble) or (None, {})
    columns = feeds_of(rows, inputs)
    files = [(open_session(content), columns)]
    if matrix is not None:
        files.append((open_session(matrix), packed(columns, matrices)))
    latency = _latency(*files[-1])
    checked = rows.head(max(FEWEST, int(SECONDS / latency)))
    expected = steps.answer(ensemble, checked)
    answered = ANSWERED[ensemble.problem.answers]
    firsts = [(session, {name: some[: checked.height] for name, some in feeds.items()}) for session, feeds in files]
    apart = farthest_apart if ensemble.problem.answers == "boxes" else _most_apart
    difference = max(apart(answered(*file, ensemble.problem), expected) for file in firsts)
    low, high = ensemble.problem.target_range
    scale = 1.0 if ensemble.problem.classes else max(high - low, 1e-12)
    return OnnxModel(
        onnx=content,
        inputs=inputs,
        n_checked=checked.height,
        max_difference=float(difference / scale),
        latency_milliseconds=1_000 * latency,
        example=_example(rows.select(*inputs), inputs),
        schema=ensemble.schema.only(inputs),
        matrix_onnx=matrix,
        matrices=matrices,
    )


def _example(rows: pl.DataFrame, inputs: dict[str, str]) -> dict[str, Any]:
    """The row with the fewest gaps, as JSON takes it; an image as a small copy."""
    fullest = int(rows.select(pl.sum_horizontal(pl.all().is_null())).to_series().arg_min() or 0)
    row = rows.row(fullest, named=True)
    return {name: _as_json(value, inputs[name]) for name, value in row.items()}


def _as_json(value: Any, kind: str) -> Any:
    if kind == "image":
        return small_copy(value)
    return value.isoformat() if isinstance(value, date) else value


def _most_apart(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max())


def _of_rows(session: Any, feeds: dict[str, np.ndarray], problem: Problem) -> np.ndarray:
    return onnx_answer(session, feeds)


def _of_objects(session: Any, feeds: dict[str, np.ndarray], problem: Problem) -> np.ndarray:
    return packed_answers(run(session, feeds), problem.classes, problem.most_objects)


ANSWERED: dict[AnswerName, Callable[[Any, dict[str, np.ndarray], Problem], np.ndarray]] = {
    "classes": _of_rows,
    "label_sets": _of_rows,
    "boxes": _of_objects,
    "values": _of_rows,
}


def _latency(session: Any, feeds: dict[str, np.ndarray]) -> float:
    """Median seconds of one row, after the first ones, which do not count."""
    n_rows = len(next(iter(feeds.values())))
    singles = [{name: values[i : i + 1] for name, values in feeds.items()} for i in range(min(N_TIMED, n_rows))]
    seconds = list[float]()
    for single in [*singles[:N_FIRST], *singles]:
        started = time.perf_counter()
        ask(session, None, single)
        seconds.append(time.perf_counter() - started)
        if len(seconds) >= N_FIRST + FEWEST and sum(seconds) > SECONDS:
            break
    return float(np.median(seconds[min(N_FIRST, n_rows) :]))
