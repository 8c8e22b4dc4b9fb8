"""Homes that earlier versions wrote are opened: records are read, and models answer as they did then."""

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from upath import UPath

from automl_assets import registry
from automl_assets.former_names import MODELS, RECORDS
from automl_assets.learning.preparation import predict_raw
from automl_assets.resources import model_codec
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.record_codec import RECORD, read_record
from automl_assets.resources.store import RecordStore
from automl_assets.stored import stored_kind

HOMES = Path(__file__).parent / "homes"


@pytest.fixture(scope="module", params=sorted(HOMES.glob("*.tar.xz")), ids=lambda file: file.name.partition(".")[0])
def old_home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "home"
    with tarfile.open(request.param) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def opened(old_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home in use."""
    monkeypatch.setenv("DAGSTER_HOME", str(old_home))
    return old_home


def read(folder: Path) -> Any:
    key = bytes.fromhex(
        (next(up for up in folder.parents if up.name == "artifacts").parent / "installation.key").read_text()
    )
    return read_record(lambda name: (folder / name).read_bytes(), key)


def folders(root: Path) -> list[Path]:
    """Of all records below."""
    return sorted(file.parent for file in root.rglob(RECORD))


def test_every_record_is_read(old_home: Path) -> None:
    assert len([read(folder) for folder in folders(old_home)]) > 100


def test_the_newest_records_are_found_where_they_were(opened: Path) -> None:
    leaderboard = RecordStore().load("flowers", "leaderboard")
    assert leaderboard.metric == "log_loss"
    assert round(RecordStore().load("flowers", "ensemble").score, 5) == 0.48648
    forecast = Shelf(UPath(opened) / "artifacts" / "sales" / "forecast").read("north")
    assert forecast.point.shape == (1, 4)


def test_tabular_models_answer_as_they_did(old_home: Path) -> None:
    folder = old_home / "artifacts" / "models" / "tabular"
    views = {file.stem: np.load(file) for file in folder.glob("*.npy")}
    answered = []
    for made in map(read, folders(folder)):
        part = registry.algorithms("tabular")[made.algorithm]
        x = views[part.view]
        for trial in made.trials:
            np.testing.assert_array_equal(predict_raw(part, trial.fitted.models[0], x), trial.predictions, trial.name)
            answered.append(part.name)
    assert set(answered) == set(registry.algorithms("tabular"))


def test_forecasters_answer_as_they_did(old_home: Path) -> None:
    folder = old_home / "artifacts" / "models"
    groups = {group.key: group for group in map(read, folders(folder / "groups"))}
    for made in map(read, folders(folder / "forecasting")):
        part = registry.algorithms("forecasting")[made.algorithm]
        for trial in made.trials:
            group = groups[trial.name]
            forecast = part.forecast(trial.fitted.models[0], group.panel, group.test.hidden(group.problem))
            np.testing.assert_allclose(forecast, trial.predictions, rtol=1e-9, err_msg=f"{part.name} {trial.name}")


def test_every_class_of_then_is_asked_for_and_known(old_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()
    known = model_codec.former_model_kind
    monkeypatch.setattr(model_codec, "former_model_kind", lambda path: asked.add(path) or known(path))
    for folder in [*folders(old_home / "artifacts" / "models"), *folders(old_home / "artifacts" / "flowers")]:
        for trial in getattr(read(folder), "trials", ()):
            _ = trial.fitted and trial.fitted.models
    assert {path.removeprefix("automl_assets.") for path in asked} == set(MODELS)


def test_tables_of_former_names_lead_to_what_there_is() -> None:
    assert [name for name in MODELS.values() if not isinstance(stored_kind(name), type)] == []
    assert [name for name in RECORDS.values() if name in RECORDS] == [], (
        "a name of then must lead to one of now at once"
    )
