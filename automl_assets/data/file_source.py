"""What every source of files shares: a location with variables, a hash, a lock, rows added.

Not here: what one format alone knows (`sources`).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
from pydantic import BaseModel

from automl_assets.data import append_rows, files
from automl_assets.data.correct_cells import Cells, correct_files
from automl_assets.masking import without_secrets
from automl_assets.parts import Source


@dataclass(frozen=True)
class FileFormat:
    """A format of files. `options` has a `path`: a file, a folder or a glob, which may hold ${NAME}.

    `read`, `batches`, `code` and `dialect` are those of `parts.Source`. `dump(rows, options)` is the content of a new file,
    and `join(content, rows, options)` that of an old one with rows below; `parse(content, name, options)` gives the rows of
    one, and `correct(content, column, cells, options)` its content with other cells there, by the numbers of its rows. All get
    options whose variables are filled in.
    """

    name: str
    title: str
    options: type[BaseModel]
    extensions: tuple[str, ...]
    read: Callable[[Any], pl.DataFrame]
    batches: Callable[[Any, int], Iterator[pl.DataFrame]]
    code: Callable[[Any], str]
    dump: Callable[[pl.DataFrame, Any], bytes]
    join: Callable[[bytes, pl.DataFrame, Any], bytes]
    parse: Callable[[bytes, str, Any], pl.DataFrame]
    correct: Callable[[bytes, str, Cells, Any], bytes]
    dialect: Callable[[Any], dict[str, Any]] = lambda options: {}
    like: Callable[[Any, dict[str, Any]], Any] = lambda options, dialect: options.model_copy(update=dialect)

    def source(self) -> Source:
        """The format as a part of the system."""
        return Source(
            name=self.name,
            title=self.title,
            options=self.options,
            read=self.read,
            fingerprint=self.fingerprint,
            stamp=self.stamp,
            add=self.add,
            correct=self.correct_cells,
            alone=self.alone,
            describe=self.describe,
            code=self.code,
            claims=partial(files.has_extension, extensions=self.extensions),
            batches=self.batches,
            dialect=self.dialect,
            like=self.like,
        )

    def fingerprint(self, options: Any) -> str:
        """Changes when and only when the bytes of a file do."""
        return files.fingerprint_files(files.expanded(options).path, self.extensions)

    def stamp(self, options: Any) -> str:
        """Changes with every write to a file."""
        return files.stamp_files(files.expanded(options).path, self.extensions)

    def add(self, options: Any, rows: pl.DataFrame) -> str:
        """Adds rows, written as those that are there. Raises SourceError where a file is not to be written."""
        given = files.expanded(options)

        def dump(rows: pl.DataFrame) -> bytes:
            return self.dump(rows, given)

        def join(content: bytes, rows: pl.DataFrame) -> bytes:
            return self.join(content, rows, given)

        return append_rows.add_rows(given.path, self.extensions, rows, dump, join)

    def correct_cells(self, options: Any, rows: pl.DataFrame, column: str, cells: Cells) -> str:
        """Other cells in a column, by the numbers of all rows. Raises SourceError where a file is not to be written."""
        given = files.expanded(options)

        def parse(content: bytes, name: str) -> pl.DataFrame:
            return self.parse(content, name, given)

        def correct(content: bytes, column: str, cells: Cells) -> bytes:
            return self.correct(content, column, cells, given)

        return correct_files(given.path, self.extensions, column, cells, parse, correct)

    def alone(self, options: Any) -> AbstractContextManager[None]:
        """One process of this machine at a time adds rows."""
        return append_rows.alone(files.expanded(options).path, self.extensions)

    def describe(self, options: Any) -> str:
        """Where the files lie, variables not filled in."""
        return without_secrets(options.path)
