"""The experiments there are, as files: those shipped here, of the folders that the environment names, and of the home.

Not here: what Dagster makes of them (`component`). Who only wants to know what there is does not wait for Dagster to load.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.home import home

SHIPPED = Path(__file__).parent
FOLDERS = "AUTOML_EXPERIMENTS"  # environment variable: more folders, separated as in PATH
STRICT = "AUTOML_STRICT"  # environment variable: "1" makes a broken experiment an error


def files(folders: list[Path]) -> Iterator[Path]:
    """Every YAML of the shipped folder, of `folders`, of AUTOML_EXPERIMENTS and of the home, each once."""
    named = [Path(path) for path in os.environ.get(FOLDERS, "").split(os.pathsep) if path]
    seen: set[Path] = set()
    for folder in [SHIPPED, *folders, *named, home() / "experiments"]:
        for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield real


def attempt(read: Callable[[], Experiment]) -> Experiment | Exception:
    """An experiment, or the error that kept it from being one (raised when strict).

    Every kind of error: whatever is wrong with one experiment, the others must load.
    """
    try:
        return read()
    except Exception as error:
        if is_strict():
            raise
        return error


def is_strict() -> bool:
    """Whether a broken experiment is an error instead of an asset that shows it."""
    return os.environ.get(STRICT) == "1"
