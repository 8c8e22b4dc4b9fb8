"""What a run reads is what it made, whole, whatever other runs do or however they end."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import fsspec
import polars as pl
import pytest

from automl_assets.errors import ArtifactError
from automl_assets.model_records import Predictions, Report, TrainingCode
from automl_assets.records import Fitted, Member
from automl_assets.resources import record_versions
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.record_versions import Others, RunIdentity
from automl_assets.resources.store import KEPT_VERSIONS, RecordStore


def frame(value: object) -> Predictions:
    return Predictions(pl.DataFrame({"value": [value]}))


def value_of(record: Predictions) -> object:
    return record.table["value"][0]


def made(store: RecordStore, value: object, instance: dg.DagsterInstance | None = None) -> bool:
    """Materialises the asset `exp/rows` in a run of its own."""

    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Predictions:
        return frame(value)

    return dg.materialize([rows], resources={"records": store}, instance=instance).success


@pytest.fixture
def objects() -> Iterator[str]:
    """A root in an object store in memory."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield "memory://bucket/artifacts"
    filesystem.store.clear()


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, home: Path, objects: str, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    if request.param == "s3":
        monkeypatch.setenv("AUTOML_ARTIFACTS", request.getfixturevalue("bucket") + "/models")
    return RecordStore(root=objects if request.param == "memory" else "")


@pytest.fixture
def disk(home: Path) -> RecordStore:
    return RecordStore()


def versions(store: RecordStore) -> list[str]:
    asset = store._asset(dg.AssetKey(["exp", "rows"]))
    return sorted(path.name for path in asset.iterdir() if path.name not in ("runs", "current"))


def test_the_newest_version_is_read(store: RecordStore) -> None:
    made(store, 1)
    made(store, 2)
    assert value_of(store.load("exp", "rows")) == 2
    assert store.folder("exp", "rows").name == versions(store)[-1]


def test_the_last_versions_are_kept(store: RecordStore) -> None:
    for value in range(KEPT_VERSIONS + 2):
        made(store, value)
    assert len(versions(store)) == KEPT_VERSIONS
    assert value_of(store.load("exp", "rows")) == KEPT_VERSIONS + 1
    runs = store._asset(dg.AssetKey(["exp", "rows"])) / "runs"
    assert len(list(runs.iterdir())) == KEPT_VERSIONS


def test_a_record_that_is_one_file_is_shown_as_that_file(disk: RecordStore) -> None:
    @dg.asset(io_manager_key="records")
    def page() -> Report:
        return Report(b"<!DOCTYPE html><title>tiny</title>")

    @dg.asset(io_manager_key="records")
    def code() -> TrainingCode:
        return TrainingCode(b"#!/usr/bin/env python", b'{\n "cells": []}', ())

    done = dg.materialize([page, code], resources={"records": disk})
    shown = {
        name: Path(done.asset_materializations_for_node(name)[0].metadata["path"].value) for name in ("page", "code")
    }
    assert shown["page"].name == "page.html" and shown["page"].read_text().endswith("<title>tiny</title>")
    assert shown["code"].is_dir()


def test_what_was_never_made_is_told(store: RecordStore) -> None:
    with pytest.raises(ArtifactError, match="exp/rows has not been made yet; materialise it first"):
        store.load("exp", "rows")
    assert store.folder("exp", "rows") is None


def test_a_file_in_the_place_of_a_folder_is_told(disk: RecordStore, home: Path) -> None:
    place = home / "artifacts" / "exp" / "rows"
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    with pytest.raises(ArtifactError, match="rows is no folder, or lies in a file; move that file away"):
        disk.load("exp", "rows")


def test_a_missing_file_is_told(disk: RecordStore) -> None:
    made(disk, 1)
    (disk.folder("exp", "rows") / "table.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"table\.parquet is missing; materialise the asset again"):
        disk.load("exp", "rows")


def test_models_come_back_from_any_root(store: RecordStore) -> None:
    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Member:
        return Member("knn_1", "knn", 1.0, Fitted(("model",)))

    dg.materialize([rows], resources={"records": store})
    assert store.load("exp", "rows").fitted.models == ("model",)


def test_a_version_half_written_is_never_read(disk: RecordStore) -> None:
    class Unwritable:
        pass

    made(disk, 1)
    assert not made_broken(disk, Unwritable())
    assert len(versions(disk)) == 2, "the second version should have been begun"
    assert value_of(disk.load("exp", "rows")) == 1


def made_broken(store: RecordStore, value: object) -> bool:
    """A run that ends in the middle of writing: the table is there, what follows is not."""
    from automl_assets.records import Trial

    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Trial:
        return Trial("t", "a", {"first": pl.DataFrame({"a": [1]}), "second": value}, "failed")

    return dg.materialize([rows], resources={"records": store}, raise_on_error=False).success


def test_what_killed_runs_left_does_not_push_out_good_versions(disk: RecordStore) -> None:
    made(disk, "good")
    for _ in range(KEPT_VERSIONS):
        made_broken(disk, object())
    asset = Path(disk._asset(dg.AssetKey(["exp", "rows"])))
    (asset / "current.0a1b2c3d").write_text("a pointer that was never moved")
    assert value_of(disk.load("exp", "rows")) == "good"
    made(disk, "better")
    assert value_of(disk.load("exp", "rows")) == "better"


@contextmanager
def room_for(n_bytes: int) -> Iterator[None]:
    """While the body runs, the system lets no file grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("n_bytes", [0, 20, 200], ids=["nothing", "a pointer", "the beginning"])
def test_a_record_that_finds_no_room_leaves_nothing(disk: RecordStore, n_bytes: int) -> None:
    """Where there is room for a pointer alone, the table comes first."""
    made(disk, "good")
    before, message = versions(disk), r"cannot be (written|moved): File too large; mend that, then .*--resume"

    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Predictions:
        return frame("better")

    with room_for(n_bytes), pytest.raises(dg.Failure, match=message):
        dg.materialize([rows], resources={"records": disk})
    assert versions(disk) == before
    assert value_of(disk.load("exp", "rows")) == "good"
    made(disk, "better")
    assert value_of(disk.load("exp", "rows")) == "better"


def test_a_run_reads_its_own_version_while_others_write_newer_ones(store: RecordStore) -> None:
    read = []
    instance = dg.DagsterInstance.ephemeral()

    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Predictions:
        return frame("mine")

    @dg.asset(deps=[rows])
    def meanwhile() -> None:
        for value in range(2 * KEPT_VERSIONS):
            assert made(store, value, instance)

    @dg.asset(ins={"rows": dg.AssetIn(key=["exp", "rows"])}, deps=[meanwhile])
    def reader(rows: Predictions) -> None:
        read.append(value_of(rows))

    dg.materialize([rows, meanwhile, reader], resources={"records": store}, instance=instance)
    assert read == ["mine"]
    assert value_of(store.load("exp", "rows")) == 2 * KEPT_VERSIONS - 1
    made(store, "last", instance)
    assert len(versions(store)) == KEPT_VERSIONS, "once the run has ended, its version goes like any other"


def test_what_a_run_made_is_found_by_the_run_also_once_a_newer_one_has_ended(store: RecordStore) -> None:
    """Two runs at once each tell where their own model lies."""
    instance = dg.DagsterInstance.ephemeral()
    first, second = (made(store, value, instance) for value in ("first", "second"))
    runs = {run.run_id for run in instance.get_runs()}
    found = {value_of(store.load("exp", "rows", run)): store.folder("exp", "rows", run) for run in runs}
    assert first and second and set(found) == {"first", "second"} and found["first"] != found["second"]
    assert store.folder("exp", "rows") == found["second"] == store.folder("exp", "rows", "of nobody")


def test_a_run_that_did_not_make_the_asset_reads_the_newest(store: RecordStore) -> None:
    made(store, "newest")
    read = []

    @dg.asset(ins={"rows": dg.AssetIn(key=["exp", "rows"])})
    def reader(rows: Predictions) -> None:
        read.append(value_of(rows))

    source = dg.AssetSpec(["exp", "rows"]).with_io_manager_key("records")
    dg.materialize([source, reader], resources={"records": store}, selection=[reader])
    assert read == ["newest"]


def test_an_orphan_leaves_alone_what_a_newer_run_has_made(disk: RecordStore) -> None:
    read = []
    instance = dg.DagsterInstance.ephemeral()

    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Predictions:
        assert made(disk, "newer", instance)
        return frame("orphan")

    @dg.asset(ins={"rows": dg.AssetIn(key=["exp", "rows"])})
    def reader(rows: Predictions) -> None:
        read.append(value_of(rows))

    dg.materialize([rows, reader], resources={"records": disk}, instance=instance)
    assert (read, value_of(disk.load("exp", "rows"))) == (["orphan"], "newer")


def two_step_job(folder: str) -> dg.JobDefinition:
    """Makes `exp/rows`, then reads it into the file `read`, which fails until the file `ready` is there."""

    @dg.asset(name="rows", key_prefix="exp", io_manager_key="records")
    def rows() -> Predictions:
        with (Path(folder) / "made").open("a") as file:
            file.write("x")
        return frame("first run")

    @dg.asset(ins={"rows": dg.AssetIn(key=["exp", "rows"])})
    def reader(rows: Predictions) -> None:
        if not (Path(folder) / "ready").exists():
            raise RuntimeError("not ready")
        (Path(folder) / "read").write_text(str(value_of(rows)))

    job = dg.define_asset_job("two_steps", executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=[rows, reader], jobs=[job], resources={"records": RecordStore()})
    return definitions.resolve_job_def("two_steps")


def test_a_reexecution_reads_what_the_first_run_made(disk: RecordStore, tmp_path: Path) -> None:
    job = dg.build_reconstructable_job(__name__, "two_step_job", (str(tmp_path),))
    with dg.DagsterInstance.get() as instance:
        first = dg.execute_job(job, instance)
        assert not first.success
        made(disk, "another run", instance)
        (tmp_path / "ready").touch()
        options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        assert dg.execute_job(job, instance, reexecution_options=options).success
    assert (tmp_path / "read").read_text() == "first run"
    assert (tmp_path / "made").read_text() == "x", "the asset that was finished has been made again"


def keep(store: RecordStore, asset: str, run: str, value: object) -> None:
    """A record of a run, as a step keeps it."""
    place, turn = store._asset(dg.AssetKey(["exp", asset])), RunIdentity(run, run)
    version = record_versions.new_version(turn)
    record_versions.write_version(frame(value), place / version)
    record_versions.settle(place, version, turn, Others())


def group(store: RecordStore, run: str, key: str, value: object) -> None:
    with Shelf(store.shelf("exp", "features").asset, RunIdentity(run, run)).written(key, frame(value), ""):
        pass


def learn(store: RecordStore, run: str, value: object, groups: str = "") -> None:
    """What a run that registers a model leaves; of `groups` alone it makes the features anew."""
    for key in groups:
        group(store, run, key, value)
    for asset in ("ensemble", "registered_model", "report"):
        keep(store, asset, run, value)


def test_going_back_reads_what_the_run_made_and_what_it_went_by(store: RecordStore) -> None:
    learn(store, "first", 1, "ab")
    learn(store, "second", 2, "a")
    keep(store, "predictions", "later", 2)
    learn(store, "third", 3, "abc")

    def read() -> list[object]:
        features = store.shelf("exp", "features")
        whole = [value_of(store.load("exp", asset)) for asset in ("ensemble", "registered_model", "report")]
        return whole + [value_of(features.read(key)) if features.has(key) else None for key in "abc"]

    assert read() == [3, 3, 3, 3, 3, 3]
    assert store.go_back("exp", "second")
    assert read() == [2, 2, 2, 2, 1, None], "b is of the run before, and c came later"
    assert store.folder("exp", "predictions") is None, "the model gone back to has predicted nothing yet"
    assert store.go_back("exp", "third") and read() == [3, 3, 3, 3, 3, 3]
    learn(store, "fourth", 4, "a")
    assert read() == [4, 4, 4, 4, 3, 3]


def test_what_is_kept_no_longer_is_told_and_nothing_changes(disk: RecordStore) -> None:
    for number in range(KEPT_VERSIONS + 1):
        learn(disk, f"run-{number}", number, "a")
    assert not disk.go_back("exp", "run-0") and not disk.go_back("exp", "of another home")
    keep(disk, "ensemble", "alone", 9)
    assert not disk.go_back("exp", "run-1"), "its ensemble is gone, though its registration is not"
    assert (
        value_of(disk.load("exp", "ensemble")) == 9 and value_of(disk.load("exp", "registered_model")) == KEPT_VERSIONS
    )
