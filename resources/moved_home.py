"""Lets a home be copied and moved: MLflow's database in it holds absolute addresses of files, which are put right when it is
opened. Whatever else lies in a home is found by its place in it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from upath import UPath

ARTIFACTS = "mlflow_artifacts"
ADDRESSES = {  # columns of MLflow's tables
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}


def follow_moved_home(database: Path, artifacts: UPath) -> None:
    """Addresses of files that lie below `artifacts` today, whichever folder they were in when they were noted.

    What lies elsewhere stays noted as it is: in an object store, say, or where AUTOML_ARTIFACTS was when it was made.
    """
    if artifacts.protocol not in ("", "file"):
        return
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        columns = list(_columns(connection))
        for before, now in _moves(connection, artifacts):
            for table, column in columns:
                connection.execute(
                    f"update {table} set {column} = ? || substr({column}, ?) "
                    f"where {column} = ? or substr({column}, 1, ?) = ?",
                    (now, len(before) + 1, before, len(before) + 1, f"{before}/"),
                )


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Those that this version of MLflow has."""
    for table, names in ADDRESSES.items():
        present = {row[1] for row in connection.execute(f"pragma table_info({table})")}
        yield from ((table, name) for name in names if name in present)


def _moves(connection: sqlite3.Connection, artifacts: UPath) -> list[tuple[str, str]]:
    """Addresses of experiments then and now; of those alone whose folder is here."""
    noted = connection.execute("select artifact_location from experiments").fetchall()
    moves = []
    for (before,) in noted:
        _, found, name = (before or "").rpartition(f"/{ARTIFACTS}/")
        now = f"{artifacts.as_uri()}/{name}"
        if found and before.startswith(("file:", "/")) and before != now and (artifacts / unquote(name)).is_dir():
            moves.append((before, now))
    return moves
