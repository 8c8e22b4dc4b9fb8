"""MLflow as it is, on SQLite: what a run leaves there, and that the model answers from there."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl_assets.experiment import load
from automl_assets.records import Leaderboard, OnnxModel, Registration, Standing
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import CHAMPION, Tracker
from automl_assets.runner import Result
from automl_assets.steps.promote import promote

GOOD = Standing(1, "knn_1", "knn", 0.9, {"accuracy": 0.9, "log_loss": 0.3}, 1.5, {"k": 5, "text": "x" * 600})
FAILED = Standing(None, "knn_2", "knn", None, {}, 0.5, {"k": 9}, "out of memory: killed by the operating system")
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


def promoted(tracker: Tracker, onnx: OnnxModel, run: str, accuracy: float) -> str:
    """Registers a model as the asset does, and gives its version."""
    figures = {"accuracy": accuracy, "log_loss": 0.3}
    is_champion, reason = promote("accuracy", accuracy, tracker.champion_score("model", "accuracy"), "test")
    version, address = tracker.register("model", run, table_model(onnx), "accuracy", figures, "test")
    tracker.decide(Registration("model", version, is_champion, reason))
    assert address == f"models:/model/{version}"
    return version


def test_the_alias_moves_only_to_a_model_that_is_not_worse(tracker: Tracker, onnx: OnnxModel) -> None:
    def champion() -> str:
        return tracker._client().get_model_version_by_alias("model", CHAMPION).version

    assert tracker.champion_score("model", "accuracy") is None
    assert int(promoted(tracker, onnx, "run-1", 0.8)) == 1 == int(champion())
    assert int(promoted(tracker, onnx, "run-2", 0.7)) == 2
    assert int(champion()) == 1, "a worse model has taken the champion's place"
    assert int(promoted(tracker, onnx, "run-3", 0.8)) == 3 == int(champion())
    assert tracker.champion_score("model", "accuracy") == 0.8
    assert tracker.champion_score("model", "AUC_weighted") is None
    reason = tracker._client().get_model_version("model", "2").tags["reason"]
    assert reason == "accuracy 0.7 on test rows; the champion keeps its place with 0.8"


def test_the_run_of_a_model_holds_its_test_metrics(tracker: Tracker, onnx: OnnxModel) -> None:
    version = promoted(tracker, onnx, "run-4", 0.9)
    run = tracker._client().get_run(tracker._client().get_model_version("model", version).run_id)
    assert run.data.metrics == {"test_accuracy": 0.9, "test_log_loss": 0.3}
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
        ("size", "double", False),
        ("pieces", "long", True),
        ("bought", "datetime", True),
        ("colour", "string", False),
    ]
    assert registered.metadata.metadata["inputs"] == [
        {"name": "size", "takes": "number, null, or left out"},
        {"name": "pieces", "takes": "whole number"},
        {"name": "bought", "takes": "date or date-time as ISO 8601 text, without a time zone (UTC)"},
        {"name": "colour", "takes": "text, null, or left out"},
    ]


WRONG = {
    "a text for a number": ({"size": "large"}, r"column size\b"),
    "a fraction for a whole number": ({"pieces": 1.5}, r"column pieces\b"),
    "a word for a date": ({"bought": "soon"}, r"column bought\b"),
    "a number for a text": ({"colour": 5}, r"column colour\b"),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_told(scripted_home: Path, registered: Any, change: dict, told: str) -> None:
    from mlflow.exceptions import MlflowException

    rows = pd.read_csv(scripted_home / "unlabelled.csv").assign(**change)
    with pytest.raises(MlflowException, match=rf"(?s)Error: .*{told}"):
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
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("https://host:5000", "https://host:5000"),
        ("sqlite:////x/mlflow.db", "sqlite:////x/mlflow.db"),
    ],
)
def test_a_password_is_not_shown(uri: str, shown: str) -> None:
    assert Tracker(uri=uri).shown_uri() == shown
