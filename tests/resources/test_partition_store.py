"""A partitioned asset keeps a record per key: whole, whatever a run's end, and never mistaken for another run's."""

import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import polars as pl
import pytest
from upath import UPath

from automl_assets.errors import ArtifactError
from automl_assets.model_records import Predictions
from automl_assets.resources.home import place
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.record_versions import KEPT_VERSIONS, Others, RunIdentity, fingerprint

ODD_KEYS = ["../x", "a/b", "😀", "", "x" * 300, "current", "runs", ".", "con\x00trol", "\ud800", "[...]", "a|b"]


@pytest.fixture(params=["folder", "memory", "s3"])
def asset(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UPath]:
    """Where an asset's records lie: on the disk, in an object store in memory, or in one behind a real server."""
    if request.param != "folder":
        root = request.getfixturevalue("bucket") if request.param == "s3" else "memory://bucket"
        monkeypatch.setenv("AUTOML_ARTIFACTS", root)
    filesystem = fsspec.filesystem("memory")
    yield place("artifacts") / "exp" / "rows"
    filesystem.store.clear()
    filesystem.pseudo_dirs.clear()


def record(value: object) -> Predictions:
    return Predictions(pl.DataFrame({"value": [value]}))


def write(shelf: Shelf, key: str, value: object, origin: str = "") -> None:
    with shelf.written(key, record(value), origin):
        pass


def value_of(shelf: Shelf, key: str) -> object:
    return shelf.read(key).table["value"][0]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_has_a_place_of_its_own_inside_the_asset(asset: UPath, key: str) -> None:
    shelf = Shelf(asset, RunIdentity("run", "run"))
    write(shelf, "plain", 1)
    write(shelf, key, 2)
    assert (value_of(shelf, "plain"), value_of(shelf, key)) == (1, 2)
    assert len(list(asset.iterdir())) == 2
    assert [path.name for path in asset.parent.iterdir()] == [asset.name]


def test_a_run_reads_what_it_made_and_others_the_newest(asset: UPath) -> None:
    first, second = Shelf(asset, RunIdentity("one", "one")), Shelf(asset, RunIdentity("two", "two"))
    write(first, "a", 1)
    write(second, "a", 2)
    assert (value_of(first, "a"), value_of(second, "a"), value_of(Shelf(asset), "a")) == (1, 2, 2)


def test_a_record_whose_step_was_killed_before_it_was_told_of_does_not_count(asset: UPath) -> None:
    shelf = Shelf(asset, RunIdentity("one", "one"))
    with pytest.raises(KeyboardInterrupt), shelf.written("a", record(1), ""):
        raise KeyboardInterrupt
    assert not shelf.has("a") and not shelf.is_done("a")
    with pytest.raises(
        ArtifactError, match=r"exp/rows has not been made yet for 'a'; materialise that partition first"
    ):
        shelf.read("a")


def test_a_run_that_goes_on_keeps_what_is_done_and_one_that_begins_anew_does_not(asset: UPath) -> None:
    write(Shelf(asset, RunIdentity("one", "one")), "a", 1)
    assert Shelf(asset, RunIdentity("one", "one")).is_done("a")
    assert Shelf(asset, RunIdentity("two", "one", is_resumed=True)).is_done("a")
    assert not Shelf(asset, RunIdentity("two", "one")).is_done("a")
    assert not Shelf(asset, RunIdentity("two", "two")).is_done("a")


def test_a_record_tells_what_it_was_made_from(asset: UPath) -> None:
    shelf = Shelf(asset, RunIdentity("one", "one"))
    write(shelf, "a", 1, "0123456789ab")
    assert (shelf.origin("a"), shelf.origin("b")) == ("0123456789ab", "")


def test_the_last_versions_of_each_key_are_kept_and_those_of_runs_under_way(asset: UPath) -> None:
    for number in range(KEPT_VERSIONS + 3):
        write(Shelf(asset, RunIdentity(f"run{number}", f"run{number}"), Others(needed={"run0"})), "a", number)
    kept = [path.name for path in (asset / "a").iterdir() if path.name not in ("runs", "current")]
    assert len(kept) == KEPT_VERSIONS + 1
    assert value_of(Shelf(asset, RunIdentity("run0", "run0")), "a") == 0
    assert value_of(Shelf(asset), "a") == KEPT_VERSIONS + 2


def test_what_a_later_run_has_made_stays_whatever_orphans_of_one_before_bring(asset: UPath) -> None:
    """Of a run that was begun again, and of another one; however many orphans there are."""
    orphan = Shelf(asset, RunIdentity("dead", "dead"), Others({"dead"}, time.time(), lambda: ["again", "another"]))
    write(Shelf(asset, RunIdentity("again", "dead", is_resumed=True)), "a", "again")
    write(Shelf(asset, RunIdentity("another", "another")), "a", "another")
    for _ in range(KEPT_VERSIONS + 1):
        write(orphan, "a", "orphan")
    assert value_of(Shelf(asset), "a") == "another"
    assert value_of(Shelf(asset, RunIdentity("third", "dead")), "a") == "again"


def test_a_run_that_was_queued_for_long_takes_the_place_of_what_ended_before_it(asset: UPath) -> None:
    write(Shelf(asset, RunIdentity("quick", "quick")), "a", "quick")
    write(
        Shelf(asset, RunIdentity("queued", "queued"), Others(began=time.time(), later=lambda: ["quick"])), "a", "queued"
    )
    assert value_of(Shelf(asset), "a") == "queued"


def test_only_runs_write(asset: UPath) -> None:
    with pytest.raises(ArtifactError, match="is written by runs alone"), Shelf(asset).written("a", record(1), ""):
        pass


def test_a_fingerprint_follows_the_content(home: Path) -> None:
    assert fingerprint(record(1)) == fingerprint(record(1)) != fingerprint(record(2))
    assert fingerprint(record(1), "settings") != fingerprint(record(1))
