"""Homes that earlier versions wrote are opened: records are read, and models answer as they did then."""

import hashlib
import hmac
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from upath import UPath

from automl_assets import registry
from automl_assets.errors import ArtifactError
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


GONE = {"RawInput"}
ALIKE = 1e-6  # relative difference of answers: another processor adds up in another order, and networks are float32


def read(folder: Path) -> Any:
    return read_record(lambda name: (folder / name).read_bytes(), installation_key(folder))


def installation_key(folder: Path) -> bytes:
    artifacts = next(parent for parent in folder.parents if parent.name == "artifacts")
    return bytes.fromhex((artifacts.parent / "installation.key").read_text())


def folders(root: Path) -> list[Path]:
    """Of all records below, but for parts of records that there are no more: in homes these never stand alone."""
    found = sorted(file.parent for file in root.rglob(RECORD))
    return [folder for folder in found if json.loads((folder / RECORD).read_text())["$record"] not in GONE]


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
            answers = predict_raw(part, trial.fitted.models[0], x)
            np.testing.assert_allclose(answers, trial.predictions, rtol=ALIKE, atol=1e-12, err_msg=trial.name)
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
            np.testing.assert_allclose(forecast, trial.predictions, rtol=ALIKE, err_msg=f"{part.name} {trial.name}")


def test_every_class_of_then_is_asked_for_and_known(old_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()
    known = model_codec.former_model_kind
    monkeypatch.setattr(model_codec, "former_model_kind", lambda path: asked.add(path) or known(path))
    for folder in [*folders(old_home / "artifacts" / "models"), *folders(old_home / "artifacts" / "flowers")]:
        for trial in getattr(read(folder), "trials", ()):
            _ = trial.fitted and trial.fitted.models
    assert {path.removeprefix("automl_assets.") for path in asked} == set(MODELS)


# What cannot be opened says so in one sentence


@pytest.fixture
def copied(old_home: Path, tmp_path: Path) -> Path:
    """A home to be tampered with."""
    return Path(shutil.copytree(old_home, tmp_path / "home"))


ELSEWHERE = "it may come from another version. Make it again.$"


def test_a_class_that_is_gone_is_told(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(MODELS, "algorithms.tabular.knn.Neighbours")
    gone = "automl_assets.algorithms.tabular.knn.Neighbours"
    with pytest.raises(
        ArtifactError, match=f"^a stored model holds a {gone}, which this version does not have; {ELSEWHERE}"
    ):
        _ = read(copied / "artifacts" / "models" / "tabular" / "knn").trials[0].fitted.models


def test_a_module_of_a_library_that_is_gone_is_told(copied: Path) -> None:
    folder = copied / "artifacts" / "models" / "tabular" / "extra_trees"
    forge(
        folder,
        "trials_0_fitted.models",
        lambda content: content.replace(b"sklearn.ensemble._forest", b"sklearn.ensemble._wooods"),
    )
    gone = "sklearn.ensemble._wooods.ExtraTreesClassifier"
    with pytest.raises(
        ArtifactError, match=f"^a stored model needs {gone}, which no installed package has; {ELSEWHERE}"
    ):
        _ = read(folder).trials[0].fitted.models


def test_a_record_of_unknown_kind_is_told(copied: Path) -> None:
    change(copied / "artifacts" / "models" / "tabular" / "knn", '"$record": "Candidate"', '"$record": "Contender"')
    with pytest.raises(ArtifactError, match=f"^a stored record is of unknown kind 'Contender'; {ELSEWHERE}"):
        read(copied / "artifacts" / "models" / "tabular" / "knn")


def test_a_record_with_other_fields_is_told(copied: Path) -> None:
    change(copied / "artifacts" / "models" / "tabular" / "knn", '"seconds"', '"hours"')
    with pytest.raises(
        ArtifactError,
        match=rf"^a stored Candidate cannot be read \(it lacks seconds and has hours besides\); {ELSEWHERE}",
    ):
        read(copied / "artifacts" / "models" / "tabular" / "knn")


def change(folder: Path, before: str, after: str) -> None:
    text = (folder / RECORD).read_text()
    assert before in text
    (folder / RECORD).write_text(text.replace(before, after))


def forge(folder: Path, file: str, edit: Callable[[bytes], bytes]) -> None:
    """Changes models and signs them anew."""
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(edit(content))
    change(folder, signature(folder, content), signature(folder, edit(content)))


def signature(folder: Path, content: bytes) -> str:
    return hmac.new(installation_key(folder), content, hashlib.sha256).hexdigest()


def test_tables_of_former_names_lead_to_what_there_is() -> None:
    assert [name for name in MODELS.values() if not isinstance(stored_kind(name), type)] == []
    assert [name for name in RECORDS.values() if name in RECORDS] == [], (
        "a name of then must lead to one of now at once"
    )
