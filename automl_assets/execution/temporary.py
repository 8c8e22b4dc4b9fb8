"""One folder for all that a command and its child processes put aside for a while, so that nothing of it stays behind.

Libraries clean up when Python ends in good order; children that are killed at a deadline, and commands that are killed,
never come to that. Whoever comes next removes what the dead have left.
"""

import os
import platform
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

VARIABLE = "TMPDIR"  # environment variable, by which all libraries and child processes go
NAME = re.compile(r"automl_(?P<host>.+)_(?P<process>\d+)_[a-z0-9_]{8}")


def use_own_folder() -> Path:
    """A folder for this process and those that it starts, unless the one that started it has one."""
    if found := own_folder():
        return found
    given = Path(tempfile.gettempdir())
    _sweep(given)
    folder = Path(tempfile.mkdtemp(prefix=f"automl_{platform.node()}_{os.getpid()}_", dir=given))
    folder.chmod(0o711)  # a server that runs as somebody else reaches what is put into it for that
    os.environ[VARIABLE] = tempfile.tempdir = str(folder)
    return folder


def own_folder() -> Path | None:
    """The folder of this process or of the one that started it; None where there is none, as in a notebook."""
    given = Path(tempfile.gettempdir())
    return given if NAME.fullmatch(given.name) else None


def remove_own_folder() -> None:
    """Removes the folder of this process, if it has one."""
    folder = Path(tempfile.gettempdir())
    if _process_of(folder) == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
        tempfile.tempdir = None
        os.environ[VARIABLE] = str(folder.parent)


def _sweep(place: Path) -> None:
    for folder in place.glob("automl_*"):
        process = _process_of(folder)
        if process is not None and not _is_alive(process):
            shutil.rmtree(folder, ignore_errors=True)


def _process_of(folder: Path) -> int | None:
    """The process of this machine that a folder is of."""
    match = NAME.fullmatch(folder.name)
    return int(match["process"]) if match and match["host"] == platform.node() else None


def _is_alive(process: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True
