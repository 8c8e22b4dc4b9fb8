"""`automl` in the process of the tests: a process of its own takes ten seconds to load what is loaded here already.

Where the process is the point, because it is killed or because of what it inherits, `processes.command` starts one.
"""

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from automl_assets.cli.app import main


@dataclass(frozen=True)
class Answer:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def automl(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Answer:
    """What the command answers in a folder, with such an environment; afterwards both are as before."""
    out, err = io.StringIO(), io.StringIO()
    with _surroundings(cwd, env), redirect_stdout(out), redirect_stderr(err):
        code = _exit_code(["automl", *map(str, arguments)])
    return Answer(code, out.getvalue(), err.getvalue())


def _exit_code(command: list[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        patch.setattr(os, "execve", _become)
        try:
            main()
        except SystemExit as ending:
            return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0


def _become(program: str, *_: object) -> None:
    raise AssertionError(f"the process of the tests would have become {program}")


@contextmanager
def _surroundings(folder: Path | None, environment: Mapping[str, str] | None) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment or {})
    try:
        with chdir(folder or Path.cwd()):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
