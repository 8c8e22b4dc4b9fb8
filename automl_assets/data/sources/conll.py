"""Rows from CoNLL: a sentence each, its tokens in `text` and their tags in `tags`. Knowledge of files alone belongs here."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from automl_assets.data import files, tables
from automl_assets.data.correct_cells import Cells
from automl_assets.data.file_source import FileFormat
from automl_assets.data.tagged_tokens import EXTENSIONS, read_conll, retagged_conll, write_conll
from automl_assets.errors import SourceError

TARGET = "tags"
CLAIMED = tuple(
    ending for ending in EXTENSIONS if ending != ".txt"
)  # many things end so: `kind: conll` says what it is
PACKED = (*EXTENSIONS, *(f"{ending}.gz" for ending in EXTENSIONS))


class ConllOptions(BaseModel):
    """Where the files lie. The text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="A file, a folder or a glob; local, or any URL that fsspec knows.")


def read(options: ConllOptions) -> pl.DataFrame:
    """All sentences. Raises SourceError that names the first line that is no token with its tag."""
    return tables.read_files(files.expanded(options).path, PACKED, _parse)


def batches(options: ConllOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """Sentences a batch at a time. Raises SourceError as `read` does."""
    return read(options).iter_slices(most_rows)


def code(options: ConllOptions) -> str:
    """Lines of a sentence joined, a row each."""
    return f"""\
import gzip

rows = []
for file in {files.files_code(options.path, PACKED)}:
    with (gzip.open if file.endswith(".gz") else open)(file, "rt", encoding="utf-8-sig") as stream:
        sentences = stream.read().replace("\\r\\n", "\\n").split("\\n\\n")
    for lines in (sentence.strip("\\n").split("\\n") for sentence in sentences if sentence.strip()):
        words = [line.split() for line in lines if not line.startswith("-DOCSTART-")]
        rows.append({{"text": " ".join(word[0] for word in words), "{TARGET}": " ".join(word[-1] for word in words)}})
return pl.DataFrame(rows)
"""


def _parse(content: bytes, name: str) -> pl.DataFrame:
    return read_conll(files.unpacked(content, name), name, TARGET)


def _dump(rows: pl.DataFrame, options: ConllOptions) -> bytes:
    return write_conll(rows, TARGET)


def _join(content: bytes, rows: pl.DataFrame, options: ConllOptions) -> bytes:
    return content.rstrip(b"\r\n") + b"\n\n" + _dump(rows, options)


def _correct(content: bytes, column: str, cells: Cells, options: ConllOptions) -> bytes:
    if column != TARGET:
        raise SourceError(f"{column!r} cannot be changed in CoNLL, where the tags alone are labels")
    made = retagged_conll(files.unpacked(content, "the file"), "the file", cells)
    return gzip.compress(made) if content.startswith(b"\x1f\x8b") else made


PART = replace(
    FileFormat(
        name="conll",
        title="CoNLL (tokens and tags)",
        options=ConllOptions,
        extensions=PACKED,
        read=read,
        batches=batches,
        code=code,
        dump=_dump,
        join=_join,
        parse=lambda content, name, options: _parse(content, name),
        correct=_correct,
    ).source(),
    claims=partial(files.has_extension, extensions=(*CLAIMED, *(f"{ending}.gz" for ending in CLAIMED))),
)
