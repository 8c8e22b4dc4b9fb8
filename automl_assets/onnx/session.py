"""Asking an ONNX model: sessions that answer one row fast, and columns as tensors."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from automl_assets.data.typing import as_floats, seconds_since_1970
from automl_assets.errors import ArtifactError

Ask = Callable[[Any, Sequence[str], Mapping[str, np.ndarray]], list[Any]]
EXTENSIONS = b"ai.onnx.contrib"  # the domain of the operators of onnxruntime-extensions, as a model names it
LIBRARIES = (".so", ".pyd", ".dylib")
MOST_ROWS, MOST_CHARACTERS = 10_000, 1_000_000  # that a model is asked together: rows, and rows times the longest text
ROWS_TOGETHER = "rows_together"  # key of a model's metadata: how many rows at most, where that is fewer
ROW = "row"  # output of a model that answers for parts of rows: the number of each one's row
MATRICES = "matrices"  # key of a model's metadata: JSON of its inputs that take many columns -> these, in their order


def open_session(content: bytes, n_threads: int = 1) -> Any:
    """An ONNX Runtime session that answers one row fast: one thread, no waiting for others. Raises ArtifactError for a
    model that cuts texts into tokens where the package for that is missing."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    options.log_severity_level = 3
    if EXTENSIONS in content:
        options.register_custom_ops_library(extensions_library())
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def threads_for(n_rows: int) -> int:
    """How many threads may compute in this process: as many as linear algebra may, which fits and batches limit. A row
    alone is answered on one, where threads would wait for one another."""
    from threadpoolctl import threadpool_info

    if n_rows < 2:
        return 1
    granted = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return min(granted, default=1)


def extensions_library() -> str:
    """The library of onnxruntime-extensions. Found without its package, whose import loads transformers, which takes
    seconds. Raises ArtifactError where it is missing."""
    found = importlib.util.find_spec("onnxruntime_extensions")
    folders = found.submodule_search_locations if found else None
    files = [file for folder in folders or () for file in Path(folder).glob("_extensions_pydll*")]
    libraries = [str(file) for file in files if file.suffix in LIBRARIES]
    if not libraries:
        raise ArtifactError(
            "this ONNX model cuts texts into tokens by operators of onnxruntime-extensions, which is not installed; "
            "pip install onnxruntime-extensions"
        )
    return libraries[0]


def has_extensions() -> bool:
    """Whether that package is installed."""
    return importlib.util.find_spec("onnxruntime_extensions") is not None


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
    """One raw column as a tensor [n_rows, 1] of the element type `kind`; missing values are NaN or "". Cells of the kind
    `image` say where an image lies: `images.ask` reads it."""
    if kind in ("string", "image"):
        values = column.cast(pl.String).fill_null("").to_numpy().astype(object)
    elif kind == "double":
        values = as_floats(column) if column.dtype.is_numeric() else seconds_since_1970(column)
    else:
        with np.errstate(over="ignore"):
            values = as_floats(column).astype(np.float32)
    return values.reshape(-1, 1)


def ask(session: Any, names: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """The outputs of these names."""
    answers: list[Any] = session.run(names, feeds)
    return answers


def run_in_parts(
    session: Any, feeds: Mapping[str, np.ndarray], asked: Sequence[str] = (), ask: Ask = ask
) -> dict[str, np.ndarray]:
    """The outputs that are asked for, or all, by name; a few rows at a time, so that memory stays bounded. What is told
    with the number of its row counts from the first of all rows. `ask` asks for some rows, whose cells it may read."""
    names = [*asked] or [output.name for output in session.get_outputs()]
    most = int(session.get_modelmeta().custom_metadata_map.get(ROWS_TOGETHER, MOST_ROWS))
    parts = []
    for rows in _parts(feeds, most):
        answers = ask(session, names, {name: values[rows] for name, values in feeds.items()})
        moved = (values + rows.start if name == ROW else values for name, values in zip(names, answers, strict=True))
        parts.append(dict(zip(names, moved, strict=True)))
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _parts(feeds: Mapping[str, np.ndarray], most: int) -> Iterator[slice]:
    """Rows that are asked together: inside of a model a row takes as much memory as the longest text beside it."""
    longest = max((len(text) for values in feeds.values() if values.dtype == object for text in values.flat), default=0)
    n_rows = len(next(iter(feeds.values())))
    step = max(1, min(most, MOST_CHARACTERS // max(1, longest)))
    for start in range(0, max(1, n_rows), step):
        yield slice(start, start + step)
