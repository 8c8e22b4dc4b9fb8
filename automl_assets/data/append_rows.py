"""Rows added to where others lie: a file of their own beside the others, or the one file written anew.

Whatever is cut off, each file is there as it was or as it should be. Not here: formats (`sources`), which rows (`steps`).
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import polars as pl

from automl_assets.data import files, tables
from automl_assets.errors import SourceError
from automl_assets.masking import without_secrets

Dump = Callable[[pl.DataFrame], bytes]  # rows as a file of their own
Join = Callable[[bytes, pl.DataFrame], bytes]  # the content of a file, and that with the rows below


@contextmanager
def alone(location: str, extensions: tuple[str, ...]) -> Iterator[None]:
    """One process of this machine at a time looks at what the files of a location hold, and adds to them.

    It holds a lock on the first file. Another may stand in its place by the time the lock is had: then that one's counts.
    Object stores know no locks.
    """
    while True:
        first = files.files(location, extensions)[0]
        if not files.is_local(first.filesystem):
            yield
            return
        with open(first.path, "r+b" if os.access(first.path, os.W_OK) else "rb") as file:  # NFS locks no other
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            now = files.files(location, extensions)[0]
            if os.path.samestat(os.fstat(file.fileno()), os.stat(now.path)):
                yield
                return


@contextmanager
def alone_at(path: str) -> Iterator[None]:
    """One process of this machine at a time. An empty file of that name is there as long as one needs it."""
    while True:
        with open(path, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            if _is_there(file.fileno(), path):
                try:
                    yield
                finally:
                    os.unlink(path)
                return


def _is_there(descriptor: int, path: str) -> bool:
    """Whether an open file has its name still."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def add_rows(location: str, extensions: tuple[str, ...], rows: pl.DataFrame, dump: Dump, join: Join) -> str:
    """Adds rows to the files of a location, and says to which.

    Into a folder, or beside the files of a glob, goes a new file; a single local file is written anew in one move.
    Raises SourceError where neither can be done.
    """
    first, *others = files.files(location, extensions)
    filesystem, path = fsspec.core.url_to_fs(location)
    if not others and filesystem.isfile(path):
        return _into(first, rows, join)
    folder = path if filesystem.isdir(path) else first.path.rpartition("/")[0]
    ending = Path(first.path.removesuffix(".gz")).suffix
    target = f"{folder}/labels_{tables.fingerprint_table(rows)}{ending}"
    write_whole(filesystem, target, dump(rows))
    if target not in {file.path for file in files.files(location, extensions)}:
        filesystem.rm_file(target)
        raise SourceError(
            f"{without_secrets(location)}: a new file called {target.rpartition('/')[2]} would not be one of it; "
            "widen the pattern, or add the rows yourself"
        )
    return target


def _into(file: files.File, rows: pl.DataFrame, join: Join) -> str:
    if not files.is_local(file.filesystem):
        raise SourceError(
            f"{file.name} is a single file of an object store, which others may be writing to; keep the rows in a folder, "
            "so that a file can be added"
        )
    before = os.stat(file.path)
    made = join(file.filesystem.cat_file(file.path), rows)
    if is_changed(before, os.stat(file.path)):
        raise SourceError(f"{file.name} was written to meanwhile; nothing was added, try again")
    write_whole(file.filesystem, file.path, made)
    return file.path


def is_changed(before: os.stat_result, now: os.stat_result) -> bool:
    """Whether a file was written to between two looks."""
    return (before.st_ino, before.st_size, before.st_mtime_ns) != (now.st_ino, now.st_size, now.st_mtime_ns)


def write_whole(filesystem: fsspec.AbstractFileSystem, path: str, content: bytes) -> None:
    """In one move: an object store shows no object before it is whole, a local file gets its name last."""
    if not files.is_local(filesystem):
        filesystem.pipe_file(path, content)
        return
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            temporary.chmod(target.stat().st_mode)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
