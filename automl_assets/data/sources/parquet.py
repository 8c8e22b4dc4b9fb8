"""Rows from Parquet files, which know their own types. Knowledge of the format alone belongs here."""

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from automl_assets.data import bounds, files, tables
from automl_assets.data.correct_cells import Cells
from automl_assets.data.file_source import FileFormat

EXTENSIONS = (".parquet", ".pq")


class ParquetOptions(BaseModel):
    """Where the files lie. The text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="A file, a folder or a glob; local, or any URL that fsspec knows.")


def read(options: ParquetOptions) -> pl.DataFrame:
    """All rows. Raises SourceError for a file that is missing or is not Parquet."""
    return tables.read_files(files.expanded(options).path, EXTENSIONS, _parse)


def batches(options: ParquetOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """Rows a batch at a time. Raises SourceError as `read` does."""
    parse = partial(_parse_batches, most_rows=most_rows)
    return tables.read_batches(files.expanded(options).path, EXTENSIONS, parse)


def code(options: ParquetOptions) -> str:
    """One call of polars a file."""
    return f"""\
files = {files.files_code(options.path, EXTENSIONS)}
return pl.concat([pl.read_parquet(file) for file in files], how="diagonal_relaxed")
"""


def _dump(rows: pl.DataFrame, options: ParquetOptions) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()


def _join(content: bytes, rows: pl.DataFrame, options: ParquetOptions) -> bytes:
    """Types stay those of the file."""
    known = pl.read_parquet(io.BytesIO(content))
    return _dump(known.vstack(rows.select(known.columns).cast(known.schema)), options)


def _correct(content: bytes, column: str, cells: Cells, options: ParquetOptions) -> bytes:
    known = pl.read_parquet(io.BytesIO(content))
    found = [cells.get(number, cell) for number, cell in enumerate(known[column].to_list())]
    return _dump(known.with_columns(pl.Series(column, found, known.schema[column], strict=False)), options)


def _parse(content: bytes, name: str) -> pl.DataFrame:
    with files.explained(name):
        bounds.check_parquet(io.BytesIO(content), name)
        return tables.plain(pl.read_parquet(io.BytesIO(content)))


def _parse_batches(stream: Any, name: str, most_rows: int) -> Iterator[pl.DataFrame]:
    from pyarrow.parquet import ParquetFile

    for batch in ParquetFile(stream).iter_batches(most_rows):
        yield tables.plain(pl.DataFrame(pl.from_arrow(batch)))


PART = FileFormat(
    name="parquet",
    title="Parquet",
    options=ParquetOptions,
    extensions=EXTENSIONS,
    read=read,
    batches=batches,
    code=code,
    dump=_dump,
    join=_join,
    parse=lambda content, name, options: _parse(content, name),
    correct=_correct,
).source()
