"""How much a source may bring: a small file can unpack to more than any memory holds.

Not here: reading (`files`, `sources`).
"""

import os
from collections.abc import Iterator
from typing import Any

from automl_assets.errors import SettingError, SourceError

MOST_BYTES = "AUTOML_MOST_BYTES"  # environment variable: of one file, unpacked; as much as there is memory, else
MOST_ROWS = "AUTOML_MOST_ROWS"  # environment variable: of one file
DEFAULT_ROWS = 1_000_000_000
CHUNK_BYTES = 1 << 20
SMALLEST_CELL_BYTES = 8


def most_bytes() -> int:
    """Of one file, unpacked."""
    return _number(MOST_BYTES) or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def most_rows() -> int:
    """Of one file."""
    return _number(MOST_ROWS) or DEFAULT_ROWS


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    if text and not (text.isdecimal() and int(text)):
        raise SettingError(f"{variable}: got {text!r}; it is a whole number from 1, such as {DEFAULT_ROWS}")
    return int(text or 0)


def check_bytes(n_bytes: int, name: str, is_more: bool = False) -> None:
    """Raises SourceError for too many."""
    if n_bytes > most_bytes():
        more = "more than " if is_more else ""
        raise SourceError(
            f"{name}: it has {more}{n_bytes:,} bytes once it is unpacked; allowed are {most_bytes():,}; leave out rows or columns, "
            f"or set the environment variable {MOST_BYTES} to as many as this machine can hold"
        )


def check_rows(n_rows: int, name: str) -> None:
    """Raises SourceError for too many."""
    if n_rows > most_rows():
        raise SourceError(
            f"{name}: it has {n_rows:,} rows; allowed are {most_rows():,}; leave out rows, or set the environment variable "
            f"{MOST_ROWS}"
        )


def check_parquet(stream: Any, name: str) -> None:
    """By what the file tells of itself, before any of it is unpacked: a column of one value repeated takes a few bytes
    there, and in memory as many as its rows. Raises SourceError for too many rows or bytes."""
    from pyarrow.parquet import ParquetFile

    found = ParquetFile(stream).metadata
    check_rows(found.num_rows, name)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    unpacked = sum(max(one.total_uncompressed_size, one.num_values * SMALLEST_CELL_BYTES) for one in columns)
    check_bytes(unpacked, name)
    stream.seek(0)


def read_all(stream: Any, name: str) -> bytes:
    """What a stream gives, as long as it is not too much."""
    most, pieces, n_bytes = most_bytes(), [], 0
    while piece := stream.read(CHUNK_BYTES):
        n_bytes += len(piece)
        if n_bytes > most:
            check_bytes(n_bytes, name, is_more=True)
        pieces.append(piece)
    return b"".join(pieces)


def lines(stream: Any, name: str) -> Iterator[bytes]:
    """The lines of a stream, none of them too long."""
    most = most_bytes()
    while line := stream.readline(most + 1):
        if len(line) > most:
            check_bytes(len(line), name, is_more=True)
        yield line
