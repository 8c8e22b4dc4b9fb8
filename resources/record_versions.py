"""How a record lies on a file system: a folder per version, and pointers that are moved once a version is complete.

`<place>/<version>/…`, `<place>/current` and `<place>/runs/<run>`. A killed run leaves an unused folder and no half-written
record; a run and its re-executions read what they made themselves, whatever other runs do meanwhile. Steps that outlive
their run leave alone what a run after it has made.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import dagster as dg
from upath import UPath

from automl_assets.errors import ArtifactError
from automl_assets.resources import record_codec
from automl_assets.resources.home import command, installation_key

KEPT_VERSIONS = 3
POINTERS = "runs", "current"
ENDED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in ENDED]
ASSET_RESUME_TAG = "dagster/is_asset_resume_retry"  # of Dagster's own retries


@dataclass(frozen=True)
class RunIdentity:
    """A run as records know it: it shares what it made with the run that it re-executes."""

    run: str
    first: str  # the run that it re-executes, or itself
    is_resumed: bool = False  # it goes on where that one ended, instead of making everything anew

    @classmethod
    def of(cls, run: dg.DagsterRun) -> Self:
        is_resumed = run.is_resume_retry or run.tags.get(ASSET_RESUME_TAG) == "true"
        return cls(run.run_id, run.root_run_id or run.run_id, is_resumed)


@dataclass(frozen=True)
class Others:
    """The runs beside one's own, as far as versions are concerned."""

    needed: Collection[str] = ()  # whose versions stay
    began: float = float("inf")  # one's own run, in seconds since 1970
    later: Callable[[], Collection[str]] = tuple  # which were asked for after one's own, by now

    @classmethod
    def of(cls, run: dg.DagsterRun, instance: dg.DagsterInstance) -> Self:
        record = instance.get_run_record_by_id(run.run_id)
        began = (record.start_time if record else None) or float("inf")
        return cls(under_way(instance), began, partial(_asked_later, instance, run.run_id))

    def overtook(self, version: str) -> bool:
        """Whether a version was made while one's own run was under way, by one that was asked for after it."""
        nanoseconds, maker, *_ = version.split("-")
        return int(nanoseconds) / 1e9 > self.began and maker in {run[:8] for run in self.later()}


def _asked_later(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [run.run_id for run in instance.get_runs(cursor=run_id, ascending=True)]


def new_version(turn: RunIdentity, origin: str = "") -> str:
    """A name, in the order of time; `origin` tells what the record is made from."""
    return "-".join(filter(None, (str(time.time_ns()), turn.run[:8], secrets.token_hex(4), origin)))


def origin_of(version: str) -> str:
    """What the record of a version was made from.

    >>> origin_of("1700000000000000000-0a1b2c3d-01234567-fedcba"), origin_of("1700000000000000000-0a1b2c3d-01234567")
    ('fedcba', '')
    """
    parts = version.split("-", maxsplit=3)
    return parts[3] if len(parts) > 3 else ""


def is_by(version: str, turn: RunIdentity) -> bool:
    """Whether the run itself made a version."""
    return version.split("-")[1] == turn.run[:8]


def write_version(record: Any, folder: UPath) -> UPath:
    """Writes a record into a new folder. Returns what a person wants to open: its file where there is but one.

    Raises ArtifactError when it cannot be written; nothing of it is left then.
    """
    names: list[str] = []

    def write(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        names.append(name)

    try:
        folder.mkdir(parents=True)
        record_codec.write_record(record, write, installation_key())
    except OSError as error:
        remove(folder)
        raise ArtifactError(f"{folder} cannot be written: {error.strerror or error}; {_go_on()}") from error
    files = [name for name in names if name != record_codec.RECORD]
    return folder / files[0] if len(files) == 1 else folder


def _go_on() -> str:
    return f"mend that, then make what is missing by `{command('automl run NAME --resume')}`"


def read_version(folder: UPath) -> Any:
    """Reads a record back."""

    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            raise ArtifactError(f"{folder / name} is missing; materialise the asset again") from None

    return record_codec.read_record(read, installation_key())


def fingerprint(record: Any, *more: str) -> str:
    """Changes when and only when a record does, or the texts beside it; 12 hexadecimal digits. Not for fitted models."""
    found = hashlib.sha256("|".join(more).encode())
    record_codec.write_record(record, lambda name, content: found.update(name.encode() + content), b"")
    return found.hexdigest()[:12]


def settle(place: UPath, version: str, turn: RunIdentity, others: Others) -> None:
    """Makes a complete version the newest one, and what its run reads.

    Not in the place of what a later run has made meanwhile: then this process is an orphan of a run that died and was
    begun again, or its run has been overtaken.
    """
    for pointer in (place / "runs" / turn.first, place / "current"):
        found = pointed(pointer)
        if found is None or not others.overtook(found):
            point(pointer, version)
    prune(place, others.needed)


def point(pointer: UPath, version: str) -> None:
    """Moves a pointer in one step: on a disk by renaming, on an object store because a put is atomic."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    if pointer.protocol not in ("", "file", "local"):
        pointer.write_text(version)
        return
    temporary = Path(f"{pointer.path}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(version)
        os.replace(temporary, pointer.path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ArtifactError(f"{pointer} cannot be moved: {error.strerror or error}; {_go_on()}") from error


def pointed(pointer: UPath) -> str | None:
    """The version that a pointer leads to."""
    try:
        return pointer.read_text()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise ArtifactError(f"{pointer.parent} is no folder, or lies in a file; move that file away") from None


def version_at(place: UPath, turn: RunIdentity | None) -> str | None:
    """What a run reads: its own version, else the newest."""
    own = pointed(place / "runs" / turn.first) if turn else None
    return own or pointed(place / "current")


def version_of(place: UPath, run: str, latest: str) -> str | None:
    """What counted when a run had made the version `latest` of another record: what it made itself here, or else the
    newest that there was. None where there was none, or where it is kept no longer."""
    versions = {folder.name for folder in place.iterdir() if folder.name not in POINTERS and folder.is_dir()}
    own = pointed(place / "runs" / run)
    earlier = (version for version in versions if nanoseconds(version) <= nanoseconds(latest))
    return own if own in versions else max(earlier, key=nanoseconds, default=None)


def nanoseconds(version: str) -> int:
    """When a version was made, since 1970."""
    return int(version.split("-", maxsplit=1)[0])


def under_way(instance: dg.DagsterInstance) -> frozenset[str]:
    """The runs that still need what they made; of a re-execution, the first run."""
    return frozenset(run.root_run_id or run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)))


def prune(place: UPath, needed: Collection[str]) -> None:
    """Removes all but the newest versions, the one that counts and those that `needed` runs read, and pointers to what is
    gone."""
    versions = sorted((f for f in place.iterdir() if f.name not in POINTERS and f.is_dir()), key=lambda f: f.name)
    if len(versions) <= KEPT_VERSIONS:
        return
    pointers = {pointer: pointer.read_text() for pointer in (place / "runs").iterdir()}
    kept = {version.name for version in versions[-KEPT_VERSIONS:]} | {pointed(place / "current")}
    kept |= {version for pointer, version in pointers.items() if pointer.name in needed}
    for old in versions:
        if old.name not in kept:
            remove(old)
    for pointer, version in pointers.items():
        if version not in kept:
            pointer.unlink(missing_ok=True)


def remove(folder: UPath) -> None:
    """Removes a version, or what there is of it."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.rmdir(recursive=True)
