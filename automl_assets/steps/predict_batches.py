"""predict_batches: rows that need not fit into memory, answered batch by batch and written as they come.

Answers come from the ONNX file, whatever outputs it has; the file written takes its place when it is complete.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from automl_assets import registry
from automl_assets.boxes import told_objects
from automl_assets.data.label_sets import set_texts
from automl_assets.errors import SettingError, listed
from automl_assets.model_records import OnnxModel
from automl_assets.onnx.images import run
from automl_assets.onnx.session import feeds_of, open_session, packed
from automl_assets.records import Label, Problem
from automl_assets.steps.combine import check_columns
from automl_assets.tagging import told_entities, without_lists

BATCH_ROWS = 10_000

Answer = Callable[[pl.DataFrame], pl.DataFrame]
Write = Callable[[pl.DataFrame], None]


def answerer(model: OnnxModel, problem: Problem) -> Answer:
    """What asks the ONNX file about rows read by the model's schema; its answers are called as in `predict`."""
    session = open_session(model.matrix_onnx or model.onnx)
    properties = session.get_modelmeta().custom_metadata_map

    def answer(rows: pl.DataFrame) -> pl.DataFrame:
        check_columns(tuple(model.inputs), rows)
        feeds = without_lists(feeds_of(rows, model.inputs), properties)
        found = run(session, packed(feeds, model.matrices))
        if problem.answers == "boxes":
            return pl.DataFrame({"prediction": told_objects(found, problem.threshold)})
        if registry.tasks()[problem.task].parts:
            texts = next(iter(feeds.values())).reshape(-1).tolist()
            return pl.DataFrame({"prediction": told_entities(found, texts)})
        return pl.DataFrame(list(_columns(found, problem)))

    return answer


def write(batches: Iterable[pl.DataFrame], output: Path, told: Callable[[int], None] = lambda n_rows: None) -> int:
    """Writes the batches one below the other into a .csv, .parquet or .jsonl file and returns the number of rows.

    `told` hears how many are written so far. A run that is cut off leaves what stood there before.
    Raises SettingError for another ending, or a folder that is not there.
    """
    check_output(output)
    n_rows = 0
    with _replacing(output) as file, FORMATS[output.suffix](file) as write_rows:
        for batch in batches:
            write_rows(batch)
            n_rows += batch.height
            told(n_rows)
    return n_rows


def check_output(output: Path) -> None:
    """Raises SettingError for a file that could not be written, before the work is done."""
    if output.suffix not in FORMATS:
        raise SettingError(f"-o: got {output.name!r}; possible endings: {listed(FORMATS)}")
    if not output.absolute().parent.is_dir():
        raise SettingError(f"-o: there is no folder {output.absolute().parent}; make it first")


def _columns(answers: dict[str, np.ndarray], problem: Problem) -> Iterator[pl.Series]:
    """The first output is the answer, the second of a classification its probabilities; others keep their names."""
    first, *others = answers.items()
    if not problem.classes:
        yield pl.Series("prediction", _plain(first[1]))
    else:
        yield pl.Series("prediction", _labels(first[1], problem))
        (_, probabilities), *others = others
        for label, share in zip(problem.classes, probabilities.T, strict=True):
            yield pl.Series(f"probability_{label}", _plain(share))
    for name, values in others:
        yield pl.Series(name, set_texts(values, problem.classes) if values.dtype == bool else _plain(values))


def _labels(answered: np.ndarray, problem: Problem) -> list[Label] | list[str]:
    """Of each row the class, or the set of labels."""
    if problem.is_multilabel:
        return set_texts(answered, problem.classes)
    by_text: dict[str, Label] = {str(label): label for label in problem.classes}
    return [by_text[str(label)] for label in answered.tolist()]


def _plain(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1).astype(np.float64)


@contextmanager
def _csv(file: IO[bytes]) -> Iterator[Write]:
    def write_rows(rows: pl.DataFrame) -> None:
        rows.write_csv(file, include_header=file.tell() == 0)

    yield write_rows


@contextmanager
def _jsonl(file: IO[bytes]) -> Iterator[Write]:
    yield lambda rows: rows.write_ndjson(file)


@contextmanager
def _parquet(file: IO[bytes]) -> Iterator[Write]:
    from pyarrow.parquet import ParquetWriter

    writer: Any = None

    def write_rows(rows: pl.DataFrame) -> None:
        nonlocal writer
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or ParquetWriter(file, table.schema)
        writer.write_table(table)

    try:
        yield write_rows
    finally:
        if writer:
            writer.close()


FORMATS: dict[str, Callable[[IO[bytes]], Any]] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}


@contextmanager
def _replacing(output: Path) -> Iterator[IO[bytes]]:
    """A new file beside the old one, which takes its place when all is well and is removed otherwise."""
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
