"""MLflow as it is, on SQLite: what a run leaves there, and that the model answers from there."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from automl_assets.api.table_result import Result
from automl_assets.data.row_ids import identities, sample
from automl_assets.errors import ArtifactError, SettingError
from automl_assets.experiment.experiment import load
from automl_assets.model_records import Comparison, Figures, OnnxModel, Registration, TrainingData
from automl_assets.records import Leaderboard, LeaderboardRow, Problem
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.model_registry import REIGN, Champions
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from tests.breaks import MOMENTS, each_statement_broken_once

GOOD = LeaderboardRow(1, "knn_1", "knn", 0.9, {"accuracy": 0.9, "log_loss": 0.3}, 1.5, {"k": 5, "text": "x" * 600})
FAILED = LeaderboardRow(None, "knn_2", "knn", None, {}, 0.5, {"k": 9}, "out of memory: killed by the operating system")
LEADERBOARD = Leaderboard("accuracy", True, (GOOD, FAILED))


@pytest.fixture(scope="module")
def scripted_home(scripted: Path) -> Iterator[Path]:
    """The home of a run that has ended, with its registered model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(scripted / "home"))
        yield scripted


@pytest.fixture(scope="module")
def tracker(scripted_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    """A database of its own, made once: that takes MLflow seconds."""
    return Tracker(uri=f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}")


@pytest.fixture(scope="module")
def onnx(scripted_home: Path) -> OnnxModel:
    return RecordStore().load("flowers", "onnx_model")


def runs(tracker: Tracker, experiment: str, condition: str = "") -> list[Any]:
    client = tracker._client()
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id], condition)


def test_a_run_has_one_parent_and_a_child_for_each_trial(tracker: Tracker) -> None:
    parent = tracker.log_trials("trials", "run-1", LEADERBOARD)
    assert tracker._parent_run(tracker._client(), "trials", "run-1") == parent
    children = {run.info.run_name: run for run in runs(tracker, "trials", f"tags.mlflow.parentRunId = '{parent}'")}
    assert set(children) == {"knn_1", "knn_2"}
    assert len(runs(tracker, "trials")) == 3
    good, failed = children["knn_1"], children["knn_2"]
    assert (good.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert failed.data.tags["reason"] == FAILED.reason
    assert good.data.metrics == {"accuracy": 0.9, "log_loss": 0.3, "fit_seconds": 1.5}
    assert good.data.params["k"] == "5" and len(good.data.params["text"]) == 500


def test_what_was_cut_off_is_logged_once(tracker: Tracker) -> None:
    """A resumed run finds one trial logged to its end, one begun and one missing."""
    third = replace(GOOD, trial="knn_3")
    parent = tracker.log_trials("cut_off", "run-1", replace(LEADERBOARD, standings=(GOOD,)))
    client = tracker._client()
    experiment = client.get_experiment_by_name("cut_off").experiment_id
    client.create_run(experiment, tags={"mlflow.parentRunId": parent}, run_name="knn_3")
    tracker.log_trials("cut_off", "run-1", replace(LEADERBOARD, standings=(GOOD, FAILED, third)))
    children = runs(tracker, "cut_off", f"tags.mlflow.parentRunId = '{parent}'")
    assert sorted(run.info.run_name for run in children) == ["knn_1", "knn_2", "knn_3"]
    assert all(run.info.status != "RUNNING" and run.data.metrics for run in children)


def test_another_run_has_a_parent_of_its_own(tracker: Tracker) -> None:
    first = tracker.log_trials("runs", "run-1", replace(LEADERBOARD, standings=()))
    assert tracker.log_trials("runs", "run-2", replace(LEADERBOARD, standings=())) != first
    assert len(runs(tracker, "runs")) == 2


def register(tracker: Tracker, onnx: OnnxModel, run: str, accuracy: float = 0.8) -> str:
    """Registers a model as the asset does, and gives its version."""
    problem = Problem("classification", "accuracy", ("no", "yes"), positive=1)
    learnt = TrainingData(problem, "answer", {"size": "number"}, np.array([7, 9], np.uint64))
    figures = Figures({"accuracy": accuracy, "log_loss": 0.3}, "test", accuracy, "test")
    return tracker.register("model", run, table_model(onnx), learnt, figures)


def decide(champions: Champions, version: str, is_champion: bool = True) -> None:
    champions.decide(Registration("model", version, is_champion, f"because of {version}"))


@pytest.fixture(scope="module")
def versions(tracker: Tracker, onnx: OnnxModel) -> list[str]:
    """Four versions: the first and the third were promoted in their turn, the second was not, the last is not decided."""
    made = [register(tracker, onnx, f"run-{number}", 0.5 + number / 10) for number in range(4)]
    for version, is_champion in zip(made[:3], (True, False, True), strict=True):
        decide(tracker.champions("model"), version, is_champion)
    return made


@pytest.fixture
def champions(tracker: Tracker, versions: list[str]) -> Champions:
    found = tracker.champions("model")
    if found.current() != versions[2]:
        found.crown(versions[2], "for the next test")
    return found


def test_a_model_without_a_value_on_the_test_rows_has_the_score_of_validation(
    tracker: Tracker, onnx: OnnxModel
) -> None:
    problem = Problem("classification", "AUC_weighted", ("no", "yes"), positive=1)
    learnt = TrainingData(problem, "answer", {"size": "number"}, np.array([7, 9], np.uint64))
    figures = Figures({"accuracy": 1.0}, "test", 0.93, "out_of_fold")
    version = tracker.register("one_class", "run-1", table_model(onnx), learnt, figures)
    (known,) = tracker.champions("one_class").versions()
    assert (str(known.version), known.tags["score"], known.tags["score_rows"]) == (version, "0.93", "out_of_fold")
    assert tracker.champions("one_class").client.get_run(known.run_id).data.metrics == {"test_accuracy": 1.0}


def test_only_a_promotion_moves_the_alias(champions: Champions, versions: list[str]) -> None:
    assert champions.current() == versions[2]
    known = {str(one.version): one.tags for one in champions.versions()}
    assert known[versions[1]]["reason"] == f"because of {versions[1]}" and known[versions[1]]["is_promoted"] == "false"
    first, third, *_ = champions.reigns()
    assert (first.version, first.before, third.version, third.before) == (versions[0], None, versions[2], versions[0])


def test_a_comparison_is_kept_as_tags(champions: Champions, versions: list[str]) -> None:
    found = Comparison("1", "test rows", 90, 0.7, 0.6, -0.1, (-0.2, 0.1), 0.04)
    champions.decide(Registration("model", versions[3], False, "worse", found))
    tags = champions.client.get_model_version("model", versions[3]).tags
    told = {"compared_with": "1", "champion_score": "0.7", "challenger_score": "0.6", "difference": "-0.1",
            "difference_low": "-0.2", "difference_high": "0.1", "share": "0.04", "reason": "worse"}  # fmt: skip
    assert tags.items() >= told.items()
    assert champions.current() == versions[2]


def test_judgements_on_most_of_the_same_rows_are_counted(champions: Champions, versions: list[str]) -> None:
    rows = identities(pl.DataFrame({"x": range(4_000)}))
    found = Comparison("1", "test rows", 90, 0.7, 0.6, -0.1, (-0.2, 0.1), 0.04, sample=sample(rows[:1_000]))
    assert champions.n_judged(found.sample) == 0
    champions.decide(Registration("model", versions[3], False, "worse", found))
    counted = [champions.n_judged(sample(some)) for some in (rows[:1_000], rows[:1_500], rows[:4_000], rows[1_000:])]
    assert counted == [1, 1, 0, 0]


def test_rollback_goes_back_again_and_again(champions: Champions, versions: list[str]) -> None:
    reign = champions.rollback()
    assert (reign.version, reign.before) == (versions[0], versions[2]) and champions.current() == versions[0]
    with pytest.raises(
        SettingError, match=rf"^version {versions[0]} of model has taken no other's place; choose one with"
    ):
        champions.rollback()
    assert champions.rollback(versions[1]).version == versions[1]
    assert champions.rollback().version == versions[0], "the version whose place it took"


def test_impossible_rollbacks_are_refused(champions: Champions, versions: list[str]) -> None:
    with pytest.raises(SettingError, match=r"^--to: model has no version 99; it has 4, 3, 2, 1$"):
        champions.rollback("99")
    with pytest.raises(SettingError, match=rf"^version {versions[2]} of model is the champion already$"):
        champions.rollback(versions[2])
    assert champions.current() == versions[2]


def place(champions: Champions, version: str) -> Path:
    return Path(champions.client.get_model_version("model", version).source.removeprefix("file://"))


@pytest.mark.parametrize("harm", ["removed", "changed", "added to"])
def test_the_alias_never_moves_to_files_that_are_not_as_registered(
    champions: Champions, tracker: Tracker, onnx: OnnxModel, harm: str
) -> None:
    version = register(tracker, onnx, f"run of {harm}")
    folder = place(champions, version)
    if harm == "removed":
        folder.rename(folder.with_name(f"{folder.name}_away"))
    elif harm == "changed":
        (folder / "artifacts" / "model.onnx").write_bytes(b"another")
    else:
        (folder / "more.py").write_text("import os")
    before = champions.current()
    for move in (lambda: champions.rollback(version), lambda: decide(champions, version)):
        with pytest.raises(ArtifactError, match=r"(cannot be read|are not those that were registered)"):
            move()
    assert champions.current() == before
    assert all(reign.version != version for reign in champions.reigns())


def test_a_model_that_is_not_kept_as_written_is_no_version(
    champions: Champions, tracker: Tracker, onnx: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that loses bytes without a word, as a full disk behind a network may."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    keep = LocalArtifactRepository.log_artifacts

    def lossy(self: Any, local_dir: str, artifact_path: str | None = None) -> None:
        keep(self, local_dir, artifact_path)
        (Path(self.artifact_dir) / str(artifact_path) / "artifacts" / "model.onnx").write_bytes(b"half")

    monkeypatch.setattr(LocalArtifactRepository, "log_artifacts", lossy)
    n_before = len(champions.versions())
    with pytest.raises(ArtifactError, match=r"was not kept as it was written"):
        register(tracker, onnx, "run of loss")
    assert len(champions.versions()) == n_before


def test_a_move_that_was_cut_off_is_no_reign(champions: Champions, versions: list[str]) -> None:
    """Killed between the note and the alias."""
    note = {"since": "2999-01-01T00:00:00+00:00", "version": versions[1], "before": versions[2], "reason": ""}
    champions.client.set_registered_model_tag("model", f"{REIGN}29990101T000000.000000", json.dumps(note))
    try:
        assert champions.reigns()[-1].version == versions[2] == champions.current()
    finally:
        champions.client.delete_registered_model_tag("model", f"{REIGN}29990101T000000.000000")


def test_a_run_that_is_made_again_does_not_write_over_its_version(
    champions: Champions, tracker: Tracker, onnx: OnnxModel
) -> None:
    first, second = register(tracker, onnx, "run again"), register(tracker, onnx, "run again")
    assert place(champions, first) != place(champions, second)
    with champions.opened(first) as one, champions.opened(second) as other:
        assert one.learnt.rows.tolist() == [7, 9] and other.learnt.problem.classes == ("no", "yes")


def test_no_champion_is_told(tracker: Tracker) -> None:
    with pytest.raises(ArtifactError, match=r"^nobody has no champion yet; run it first"):
        tracker.champion_address("nobody")
    with pytest.raises(ArtifactError, match=r"^nobody has no champion yet"):
        tracker.champions("nobody").rollback()
    assert tracker.champions("nobody").reigns() == []


def test_serving_looks_at_the_files_first(champions: Champions, tracker: Tracker, versions: list[str]) -> None:
    assert tracker.champion_address("model")[0] == "models:/model@champion"
    folder = place(champions, versions[2])
    folder.rename(folder.with_name("away"))
    try:
        with pytest.raises(ArtifactError, match=r"cannot be read.*`automl rollback model` lets an older one answer$"):
            tracker.champion_address("model")
    finally:
        folder.with_name("away").rename(folder)


def test_a_registry_out_of_reach_is_not_one_without_a_champion(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    class Silent:
        def get_model_version_by_alias(self, model: str, alias: str) -> None:
            raise MlflowException("no connection")

    with pytest.raises(MlflowException, match="no connection"):
        Champions(Silent(), "model").current()


def test_the_run_of_a_model_holds_its_test_metrics(tracker: Tracker, champions: Champions, versions: list[str]) -> None:
    run = champions.client.get_run(champions.client.get_model_version("model", versions[2]).run_id)
    assert run.data.metrics == {"test_accuracy": 0.7, "test_log_loss": 0.3}
    assert run.info.status == "FINISHED"


@pytest.fixture(scope="module")
def registered(scripted_home: Path) -> Any:
    """The model of the run that has ended, as somebody else would load it."""
    import mlflow

    mlflow.set_tracking_uri(Tracker().tracking_uri())
    mlflow.set_registry_uri(Tracker().tracking_uri())
    return mlflow.pyfunc.load_model("models:/flowers@champion")


AS_READ = {
    "as read": lambda rows: rows,
    "dates as moments": lambda rows: rows.assign(bought=pd.to_datetime(rows["bought"])),
    "nullable types": lambda rows: rows.assign(bought=pd.to_datetime(rows["bought"])).convert_dtypes(),
    "one row": lambda rows: rows.iloc[3:4],
}


@pytest.mark.parametrize("change", AS_READ.values(), ids=AS_READ)
def test_the_registered_model_answers_for_raw_rows_with_gaps(
    scripted_home: Path, registered: Any, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    rows = pd.read_csv(scripted_home / "unlabelled.csv")
    assert rows["size"].isna().any() and rows["colour"].isna().any() and rows["pieces"].dtype == np.int64
    expected = Result(load(scripted_home / "flowers.yaml"), scripted_home / "home", 0.0, {}).predict(rows)
    answer = registered.predict(change(rows))
    expected = expected.loc[answer.index]
    assert np.stack(answer["probabilities"])[:, 1] == pytest.approx(expected["probability_yes"].to_numpy(), abs=1e-4)
    assert list(answer["label"]) == list(expected["prediction"])


def test_a_column_that_had_gaps_may_be_left_out(scripted_home: Path, registered: Any) -> None:
    rows = pd.read_csv(scripted_home / "unlabelled.csv")
    without = registered.predict(rows.drop(columns=["size", "colour"]))
    pd.testing.assert_frame_equal(without, registered.predict(rows.assign(size=np.nan, colour=None)))


def test_the_signature_tells_types_and_gaps_of_raw_columns(registered: Any) -> None:
    inputs = [(c["name"], c["type"], c["required"]) for c in json.loads(registered.metadata.signature.inputs.to_json())]
    assert inputs == [
        ("size", "any", False),
        ("pieces", "any", True),
        ("bought", "any", True),
        ("colour", "any", False),
    ]
    assert registered.metadata.metadata["inputs"] == [
        {"name": "size", "takes": "numbers, such as 2.5110, or null, or left out"},
        {"name": "pieces", "takes": "whole numbers, such as 1"},
        {"name": "bought", "takes": "dates as 2024-12-31, such as 2024-01-01"},
        {"name": "colour", "takes": "texts, such as green, or null, or left out"},
    ]


WRONG = {
    "a text for a number": (
        {"size": "large"},
        'column "size" holds numbers, such as 2.5110; 12 cells are others: .large.',
    ),
    "a text for a whole number": ({"pieces": "many"}, 'column "pieces" holds whole numbers, such as 1; .* .many.'),
    "a word for a date": ({"bought": "soon"}, 'column "bought" holds dates as 2024-12-31, such as .* .soon.'),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_told(scripted_home: Path, registered: Any, change: dict, told: str) -> None:
    from mlflow.exceptions import MlflowException

    rows = pd.read_csv(scripted_home / "unlabelled.csv").assign(**change)
    with pytest.raises(MlflowException, match=rf"(?s).*{told}"):
        registered.predict(rows)


def test_the_signature_tells_the_answers_as_they_come(scripted_home: Path, registered: Any) -> None:
    told = {column["name"]: column for column in json.loads(registered.metadata.signature.outputs.to_json())}
    answer = registered.predict(pd.read_csv(scripted_home / "unlabelled.csv"))
    assert list(told) == list(answer) == ["label", "probabilities", "prediction_set_80", "prediction_set_95"]
    assert told["label"]["type"] == "string"
    assert (told["probabilities"]["type"], told["probabilities"]["items"]["type"]) == ("array", "float")
    assert told["prediction_set_80"]["items"]["type"] == "boolean"
    assert np.stack(answer["prediction_set_80"]).dtype == bool


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://***@host/db"),
        ("https://host:5000", "https://host:5000"),
        ("sqlite:////x/mlflow.db", "sqlite:////x/mlflow.db"),
    ],
)
def test_a_password_is_not_shown(uri: str, shown: str) -> None:
    assert Tracker(uri=uri).shown_uri() == shown


@pytest.mark.parametrize("moment", MOMENTS)
def test_every_statement_to_postgresql_may_break(
    scripted_home: Path, onnx: OnnxModel, database: str, moment: str
) -> None:
    tracker = Tracker()
    tracker._client()  # makes the tables
    with each_statement_broken_once(database, moment) as broken:
        parent = tracker.log_trials("model", "run-1", LEADERBOARD)
        first, second = register(tracker, onnx, "run-1"), register(tracker, onnx, "run-2")
        champions = tracker.champions("model")
        decide(champions, first)
        decide(champions, second)
        assert champions.rollback().version == first
    added = ("experiments", "runs", "metrics", "params", "tags", "registered_models", "model_versions")
    assert all(any(f"INSERT INTO {table} " in text for text in broken) for table in added)
    children = runs(tracker, "model", f"tags.mlflow.parentRunId = '{parent}'")
    assert sorted(run.info.run_name for run in children) == ["knn_1", "knn_2"]
    assert len(runs(tracker, "model")) == 4
    assert (first, second) == ("1", "2") and len(champions.versions()) == 2
    assert [reign.version for reign in champions.reigns()] == [first, second, first]
