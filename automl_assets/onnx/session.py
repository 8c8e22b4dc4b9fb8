"""Asking an ONNX model: sessions that answer one row fast, and columns as tensors."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from automl_assets.data.typing import as_floats, seconds_since_1970

MOST_ROWS, MOST_CHARACTERS = 10_000, 1_000_000  # that a model is asked together: rows, and rows times the longest text
MATRICES = "matrices"  # key of a model's metadata: JSON of its inputs that take many columns -> these, in their order


def open_session(content: bytes) -> Any:
    """An ONNX Runtime session that answers one row fast: one thread, no waiting for others."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feeds_of(table: pl.DataFrame, inputs: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Raw columns as an ONNX model takes them, each [n_rows, 1]; `inputs` says of which element type each is."""
    return {name: feed(table[name], kind) for name, kind in inputs.items()}


def packed(feeds: Mapping[str, np.ndarray], matrices: Mapping[str, tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Columns [n_rows, 1] as a model takes them that has one input for many: `matrices` says for which, in their order.

    >>> columns = {name: np.array([[value]]) for name, value in (("a", 1.0), ("b", 2.0), ("c", 3.0))}
    >>> packed(columns, {"numbers": ("b", "a")})
    {'numbers': array([[2., 1.]]), 'c': array([[3.]])}
    """
    whole = {name: np.concatenate([feeds[column] for column in columns], axis=1) for name, columns in matrices.items()}
    inside = {column for columns in matrices.values() for column in columns}
    return whole | {name: values for name, values in feeds.items() if name not in inside}


def feed(column: pl.Series, kind: str) -> np.ndarray:
    """One raw column as a tensor [n_rows, 1] of the element type `kind`; missing values are NaN or ""."""
    if kind == "string":
        values = column.cast(pl.String).fill_null("").to_numpy().astype(object)
    elif kind == "double":
        values = as_floats(column) if column.dtype.is_numeric() else seconds_since_1970(column)
    else:
        with np.errstate(over="ignore"):
            values = as_floats(column).astype(np.float32)
    return values.reshape(-1, 1)


def onnx_answer(session: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]; long texts a few rows at a time."""
    names = [output.name for output in session.get_outputs()]
    asked = [names[1] if names[0].startswith("label") else names[0]]
    parts = [session.run(asked, {name: values[rows] for name, values in feeds.items()})[0] for rows in _parts(feeds)]
    return np.concatenate(parts).astype(np.float64)


def _parts(feeds: Mapping[str, np.ndarray]) -> Iterator[slice]:
    """Rows that are asked together: inside of a model a row takes as much memory as the longest text beside it."""
    longest = max((len(text) for values in feeds.values() if values.dtype == object for text in values.flat), default=0)
    n_rows = len(next(iter(feeds.values())))
    step = max(1, min(MOST_ROWS, MOST_CHARACTERS // max(1, longest)))
    for start in range(0, max(1, n_rows), step):
        yield slice(start, start + step)
