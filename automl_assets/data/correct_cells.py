"""Cells of files changed where they stand: all else stays as it was written, or nothing is changed.

Not here: formats (`sources`), which cells (`steps`), rows that are added (`append_rows`).
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from automl_assets.data import files, tables
from automl_assets.data.append_rows import is_changed, write_whole
from automl_assets.errors import SourceError
from automl_assets.masking import without_secrets

Parse = Callable[[bytes, str], pl.DataFrame]  # the content of a file and its name -> rows
Cells = Mapping[int, Any]  # the number of a row -> what its cell is to hold
Correct = Callable[[bytes, str, Cells], bytes]  # the content of a file, a column, cells -> the content with these cells


def correct_files(
    location: str, extensions: tuple[str, ...], column: str, cells: Cells, parse: Parse, correct: Correct
) -> str:
    """Writes each file anew that holds a row of `cells`, which are numbered through all files, and says which.

    Raises SourceError where a file would not read as it should afterwards; it stays as it was.
    """
    first, changed = 0, list[str]()
    for file in files.files(location, extensions):
        before = os.stat(file.path) if files.is_local(file.filesystem) else None
        content = tables.content_of(file)
        rows = parse(content, file.name)
        own = {number - first: cell for number, cell in cells.items() if first <= number < first + rows.height}
        first += rows.height
        if own:
            if before is None:
                raise SourceError(
                    f"{file.name} lies in an object store, where others may be writing to it; correct the cells in a copy, "
                    "and put that in its place"
                )
            made = correct(content, column, own)
            _check(parse(made, file.name), rows, column, own, file.name)
            if is_changed(before, os.stat(file.path)):
                raise SourceError(f"{file.name} was written to meanwhile; it was not changed, try again")
            write_whole(file.filesystem, file.path, made)
            changed.append(file.path)
    return ", ".join(changed) or without_secrets(location)


def _check(made: pl.DataFrame, rows: pl.DataFrame, column: str, cells: Cells, name: str) -> None:
    wanted = rows[column].to_list()
    for number, cell in cells.items():
        wanted[number] = cell
    is_right = made.columns == rows.columns and made.drop(column).equals(rows.drop(column))
    if not is_right or made[column].to_list() != pl.Series(column, wanted, rows.schema[column], strict=False).to_list():
        raise SourceError(
            f"{name}: its cells cannot be changed without changing others; nothing was, correct it yourself"
        )
