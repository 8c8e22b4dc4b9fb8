"""A home that was copied or moved answers with its own files, and nobody else's."""

import os
import platform
import shutil
from pathlib import Path

import pytest

from automl_assets.errors import ArtifactError
from automl_assets.resources.tracker import Tracker


@pytest.fixture
def copy(scripted: Path, tmp_path: Path) -> Path:
    """As `cp -a` makes it."""
    return Path(shutil.copytree(scripted / "home", tmp_path / "a copy", symlinks=True))


def use(home: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return Tracker()


def folder_of(tracker: Tracker) -> str:
    champions = tracker.champions("flowers")
    version = champions.client.get_model_version("flowers", champions.champion())
    run = champions.client.get_run(version.run_id)
    assert version.source.startswith(run.info.artifact_uri)
    return version.source.removeprefix("file://").replace("%20", " ")


def test_a_copied_home_answers_with_its_own_files(scripted: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(use(copy, monkeypatch))
    assert folder.startswith(f"{copy}/mlflow_artifacts/")
    with open(f"{folder}/artifacts/model.onnx", "ab") as file:
        file.write(b"changed")
    with pytest.raises(ArtifactError, match="are not those that were registered"):
        Tracker().champion_address("flowers")
    first = use(scripted / "home", monkeypatch)
    assert folder_of(first).startswith(f"{scripted}/home/mlflow_artifacts/")
    first.champion_address("flowers")


def test_a_moved_home_answers(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(use(copy, monkeypatch))
    moved = copy.rename(copy.with_name("moved"))
    tracker = use(moved, monkeypatch)
    assert folder_of(tracker).startswith(f"{moved}/mlflow_artifacts/")
    kept, surroundings = tracker.served_copy("flowers")
    assert kept == moved / "served" / f"flowers@{platform.node()}-{os.getpid()}" and (kept / "MLmodel").exists()
    assert surroundings["MLFLOW_TRACKING_URI"] == f"sqlite:///{moved}/mlflow.db"


def test_bytecode_beside_a_model_is_not_served(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has checked it, and Python would run it in place of the source."""
    tracker = use(copy, monkeypatch)
    bytecode = Path(folder_of(tracker)) / "__pycache__"
    bytecode.mkdir(exist_ok=True)
    (bytecode / "serving.cpython-311.pyc").write_bytes(b"evil")
    kept, surroundings = tracker.served_copy("flowers")
    assert (kept / "serving.py").exists() and not list(kept.rglob("__pycache__"))
    assert surroundings["PYTHONDONTWRITEBYTECODE"] == "1"
    (kept.with_name(f"flowers@{platform.node()}-1")).mkdir()
    os.utime(kept.with_name(f"flowers@{platform.node()}-1"), (0, 0))
    tracker.served_copy("flowers")
    assert [one.name for one in kept.parent.iterdir()] == [kept.name], "copies of servers that have ended are removed"
