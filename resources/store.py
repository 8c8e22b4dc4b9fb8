"""Keeps the records that assets return: one folder per version, and a pointer that is moved when a version is complete.

`<root>/<experiment>/<asset>/<version>/…`, `…/current` and `…/runs/<run>`. A killed run leaves an unused folder and no
half-written asset; a run and its re-executions read what they made themselves, whatever other runs do meanwhile.
"""

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import dagster as dg
from upath import UPath

from automl_assets.errors import ArtifactError
from automl_assets.resources import codec
from automl_assets.resources.home import home, installation_key

KEPT_VERSIONS = 3
ROOT = "artifacts"
POINTERS = "runs", "current"
ENDED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in ENDED]


class RecordStore(dg.ConfigurableIOManager):
    """Dagster's IO manager for records, on any file system fsspec knows."""

    root: str = ""  # folder or URL; empty: `artifacts` in the home

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if obj is None:
            return
        version = f"{time.time_ns()}-{context.run_id[:8]}-{secrets.token_hex(4)}"  # in the order of time by name
        asset = self._asset(context.asset_key)
        write_version(obj, asset / version)
        _point(asset / "runs" / _first_run(context), version)
        _point(asset / "current", version)
        _prune(asset, _under_way(context.step_context.instance))
        context.add_output_metadata({"path": dg.MetadataValue.path(str(asset / version))})

    def load_input(self, context: dg.InputContext) -> Any:
        asset = self._asset(context.asset_key)
        return read_version(asset / self._version(asset, _first_run(context)))

    def load(self, experiment: str, asset: str) -> Any:
        """The newest complete record of an asset, outside any run."""
        path = self._asset(dg.AssetKey([experiment, asset]))
        return read_version(path / self._version(path, None))

    def folder(self, experiment: str, asset: str) -> UPath | None:
        """Where the newest version of an asset lies, if there is one."""
        path = self._asset(dg.AssetKey([experiment, asset]))
        current = path / "current"
        return path / current.read_text() if current.exists() else None

    def _asset(self, key: dg.AssetKey) -> UPath:
        return UPath(self.root or home() / ROOT).joinpath(*key.path)

    def _version(self, asset: UPath, run: str | None) -> str:
        for pointer in ([asset / "runs" / run] if run else []) + [asset / "current"]:
            if pointer.exists():
                return pointer.read_text()
        raise ArtifactError(f"{'/'.join(asset.parts[-2:])} has not been made yet; materialise it first")


def write_version(record: Any, folder: UPath) -> None:
    """Writes a record into a new folder."""
    folder.mkdir(parents=True)
    codec.write_record(record, lambda name, content: (folder / name).write_bytes(content), installation_key())


def read_version(folder: UPath) -> Any:
    """Reads a record back."""

    def read(name: str) -> bytes:
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            raise ArtifactError(f"{folder / name} is missing; materialise the asset again") from None

    return codec.read_record(read, installation_key())


def _first_run(context: dg.OutputContext | dg.InputContext) -> str:
    """The run, or the one that it re-executes: they share what they made."""
    run = context.step_context.dagster_run
    return run.root_run_id or run.run_id


def _point(pointer: UPath, version: str) -> None:
    """Moves a pointer in one step: on a disk by renaming, on an object store because a put is atomic."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    if pointer.protocol not in ("", "file", "local"):
        pointer.write_text(version)
        return
    temporary = Path(f"{pointer}.{secrets.token_hex(4)}")
    temporary.write_text(version)
    os.replace(temporary, str(pointer))


def _under_way(instance: dg.DagsterInstance) -> set[str]:
    """The runs that still need what they made; of a re-execution, the first run."""
    return {run.root_run_id or run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))}


def _prune(asset: UPath, runs: set[str]) -> None:
    """Removes all but the newest versions and those that `runs` need, and pointers to what is gone."""
    versions = sorted((f for f in asset.iterdir() if f.name not in POINTERS and f.is_dir()), key=lambda f: f.name)
    pointers = {pointer: pointer.read_text() for pointer in (asset / "runs").iterdir()}
    kept = {version.name for version in versions[-KEPT_VERSIONS:]}
    kept |= {version for pointer, version in pointers.items() if pointer.name in runs}
    for old in versions:
        if old.name not in kept:
            shutil.rmtree(old, ignore_errors=True) if isinstance(old, Path) else old.rmdir(recursive=True)
    for pointer, version in pointers.items():
        if version not in kept:
            pointer.unlink(missing_ok=True)
