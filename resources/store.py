"""Keeps the records that assets return, a place per asset: `<root>/<experiment>/<asset>`; a partitioned one has a shelf."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from upath import UPath

from automl_assets.errors import ArtifactError
from automl_assets.resources import record_versions
from automl_assets.resources.asset_keys import asset_name
from automl_assets.resources.home import place
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.record_versions import KEPT_VERSIONS, Others, RunIdentity

ROOT = "artifacts"
REGISTERED = "registered_model"
ANSWERING = {"dataset", "features", "ensemble", "onnx_model", REGISTERED}  # assets that a model answers by


class RecordStore(dg.ConfigurableIOManager):
    """Dagster's IO manager for records, on any file system fsspec knows."""

    root: str = ""  # folder or URL; empty: `artifacts` in the home, or where AUTOML_ARTIFACTS says

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        if obj is None:
            return
        run, asset = context.step_context.dagster_run, self._asset(context.asset_key)
        turn = RunIdentity.of(run)
        version = record_versions.new_version(turn)
        with _told():
            shown = record_versions.write_version(obj, asset / version)
            record_versions.settle(asset, version, turn, Others.of(run, context.step_context.instance))
        context.add_output_metadata({"path": dg.MetadataValue.path(str(shown))})

    def load_input(self, context: dg.InputContext) -> Any:
        with _told():
            return _read_again(self._asset(context.asset_key), RunIdentity.of(context.step_context.dagster_run))

    def load(self, experiment: str, asset: str, run: str = "") -> Any:
        """The newest complete record of an asset, outside any run; that of a `run` where it is kept."""
        return _read(self._asset(dg.AssetKey([experiment, asset])), _turn(run))

    def folder(self, experiment: str, asset: str, run: str = "") -> UPath | None:
        """Where the newest version of an asset lies, or that of a `run`, if there is one."""
        path = self._asset(dg.AssetKey([experiment, asset]))
        version = record_versions.version_at(path, _turn(run))
        return path / version if version else None

    def assets(self, experiment: str) -> dict[str, UPath]:
        """Asset -> the folder of all its versions, for each that has been made."""
        return {path.name: path for path in self._root().joinpath(experiment).iterdir()}

    def go_back(self, experiment: str, run: str) -> bool:
        """Makes the records of a run, and those that it went by, the newest of every asset again: who reads them outside a
        run has the model that it registered. False, and nothing is changed, where they are not kept here any longer."""
        root = self._root() / experiment
        latest = record_versions.pointed(root / REGISTERED / "runs" / run)
        if latest is None:
            return False
        found = {folder: record_versions.version_of(folder, run, latest) for folder in self._places(experiment)}
        needed = {asset for folder in found if (asset := folder.relative_to(root).parts[0]) in ANSWERING}
        if needed - {folder.relative_to(root).parts[0] for folder, version in found.items() if version}:
            return False
        for folder, version in found.items():
            if version:
                record_versions.point(folder / "current", version)
            else:  # made for the first time since
                (folder / "current").unlink(missing_ok=True)
        return True

    def _places(self, experiment: str) -> Iterator[UPath]:
        """Where versions lie: of each asset, or of each partition of one."""
        for asset in self.assets(experiment).values():
            yield from [asset] if (asset / "runs").is_dir() else asset.iterdir()

    def shelf(self, experiment: str, asset: str, run: str = "") -> Shelf:
        """The records of a partitioned asset, outside any run; those of a `run` where they are kept."""
        return Shelf(self._asset(dg.AssetKey([experiment, asset])), _turn(run))

    def shelves(self, experiment: str, context: dg.AssetExecutionContext) -> Callable[[str], Shelf]:
        """The shelf of each asset as the context's run sees it. Asks once which runs are under way."""
        turn, others = RunIdentity.of(context.run), Others.of(context.run, context.instance)
        return lambda asset: Shelf(self._asset(dg.AssetKey([experiment, asset])), turn, others)

    def _asset(self, key: dg.AssetKey) -> UPath:
        return self._root() / key.path[0] / asset_name(key)

    def _root(self) -> UPath:
        return UPath(self.root) if self.root else place(ROOT)


@contextmanager
def _told() -> Iterator[None]:
    """Fails the step in words a person can act on, instead of Dagster's about its own inputs and outputs."""
    try:
        yield
    except ArtifactError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None


def _turn(run: str) -> RunIdentity | None:
    """A run as records know it, by the first of those that go on with each other."""
    return RunIdentity(run, run) if run else None


def _read(asset: UPath, turn: RunIdentity | None) -> Any:
    version = record_versions.version_at(asset, turn)
    if version is None:
        raise ArtifactError(f"{'/'.join(asset.parts[-2:])} has not been made yet; materialise it first")
    return record_versions.read_version(asset / version)


def _read_again(asset: UPath, turn: RunIdentity) -> Any:
    """The same, without reading what the step before has read: all candidates of a run learn from one record, and versions
    never change."""
    version = record_versions.version_at(asset, turn)
    if version is None:
        return _read(asset, turn)  # which says so
    place = str(asset / version)
    record = _last.get(place)
    if record is None:
        _last.clear()  # before the next is read, so that there is room for it
        record = _last[place] = record_versions.read_version(asset / version)
    return record


_last: dict[str, Any] = {}  # place of a version -> its record: the last one that a step read, alone


__all__ = ["KEPT_VERSIONS", "RecordStore"]
