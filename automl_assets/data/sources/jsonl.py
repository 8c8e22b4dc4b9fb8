"""Rows from JSON lines: one object per line, also packed with gzip. Knowledge of the format alone belongs here."""

import gzip
import json
from collections.abc import Iterator
from functools import partial
from itertools import count, islice

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from automl_assets.data import bounds, files, tables
from automl_assets.data.correct_cells import Cells
from automl_assets.data.file_source import FileFormat
from automl_assets.errors import SourceError

EXTENSIONS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
ADVICE = 'write one JSON object per line, such as {"age": 31, "city": "Oslo"}'


class JsonlOptions(BaseModel):
    """Where the files lie. The text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="A file, a folder or a glob; local, or any URL that fsspec knows.")


def read(options: JsonlOptions) -> pl.DataFrame:
    """All rows; a key that a line leaves out is missing there.

    Raises SourceError that names the first line that is not a JSON object.
    """
    return tables.read_files(files.expanded(options).path, EXTENSIONS, _parse)


def batches(options: JsonlOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """Rows a batch at a time. Raises SourceError as `read` does."""
    return tables.steady(partial(_batches, options, most_rows))


def _batches(options: JsonlOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """Each with the keys of its own lines."""
    for file in files.files(files.expanded(options).path, EXTENSIONS):
        with files.opened(file) as stream:
            lines = bounds.lines(stream, file.name)
            for number in count(1, most_rows):
                some = b"".join(islice(lines, most_rows))
                if not some:
                    break
                if some.strip():
                    yield _parse(some, file.name, number)


def code(options: JsonlOptions) -> str:
    """One call of polars a file, unpacked where it is packed."""
    return f"""\
import gzip

files = {files.files_code(options.path, EXTENSIONS)}
opened = [gzip.open(file) if file.endswith(".gz") else file for file in files]
return pl.concat([pl.read_ndjson(file, infer_schema_length=None) for file in opened], how="diagonal_relaxed")
"""


def _dump(rows: pl.DataFrame, options: JsonlOptions) -> bytes:
    return rows.write_ndjson().encode()


def _join(content: bytes, rows: pl.DataFrame, options: JsonlOptions) -> bytes:
    is_packed = content.startswith(b"\x1f\x8b")
    joined = files.unpacked(content, "the file").rstrip() + b"\n" + _dump(rows, options)
    return gzip.compress(joined) if is_packed else joined


def _correct(content: bytes, column: str, cells: Cells, options: JsonlOptions) -> bytes:
    is_packed, lines, row = content.startswith(b"\x1f\x8b"), files.unpacked(content, "the file").split(b"\n"), 0
    for place, line in enumerate(lines):
        if line.strip():
            if row in cells:
                changed = json.loads(line) | {column: cells[row]}
                lines[place] = json.dumps(changed, ensure_ascii=False).encode() + line[len(line.rstrip()) :]
            row += 1
    joined = b"\n".join(lines)
    return gzip.compress(joined) if is_packed else joined


def _parse(content: bytes, name: str, first_line: int = 1) -> pl.DataFrame:
    utf8 = tables.as_utf8(files.unpacked(content, name), None, name)
    if not utf8.strip():
        raise SourceError(f"{name}: the file holds nothing but blank lines; {ADVICE}")
    try:
        return pl.read_ndjson(utf8, infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise SourceError(_wrong_line(utf8, name, first_line) or f"{name}: {error}; {ADVICE}") from error


def _wrong_line(utf8: bytes, name: str, first_line: int) -> str | None:
    for number, line in enumerate(utf8.split(b"\n"), start=first_line):
        problem = _problem(line)
        if problem:
            return f"{name}: line {number} {problem}; {ADVICE}"
    return None


def _problem(line: bytes) -> str | None:
    """What is wrong with a line; None when nothing is."""
    if not line.strip():
        return None
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
        return f"is not JSON ({error})"
    return None if isinstance(value, dict) else f"is not an object but a {type(value).__name__}"


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number, write null")


PART = FileFormat(
    name="jsonl",
    title="JSON lines",
    options=JsonlOptions,
    extensions=EXTENSIONS,
    read=read,
    batches=batches,
    code=code,
    dump=_dump,
    join=_join,
    parse=lambda content, name, options: _parse(content, name),
    correct=_correct,
).source()
