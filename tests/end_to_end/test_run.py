"""An experiment answered from a script, and what can be done with the answer afterwards."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest

from automl_assets.api.table_result import Result
from automl_assets.component import experiments
from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import load
from tests.command_line import automl


@pytest.fixture(scope="module")
def result(scripted: Path) -> Iterator[Result]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(scripted / "home"))
        yield Result(load(scripted / "flowers.yaml"), scripted / "home", 1.0, {"dataset": 0.5})


def said(*arguments: object) -> str:
    done = automl(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_script_without_a_guard_runs_once(scripted: Path) -> None:
    assert (scripted / "output").read_text() == "made once\n"


def test_a_result_shows_itself_in_a_notebook(scripted: Path) -> None:
    shown = (scripted / "result.html").read_text()
    assert "<h3>flowers: classification, " in shown
    for text in ("logistic_regression_1", "baseline_1", "accuracy", "AUC_weighted"):
        assert text in shown


def test_a_result_predicts_raw_rows(scripted: Path) -> None:
    made = pd.read_csv(scripted / "predicted.csv")
    rows = pd.read_csv(scripted / "unlabelled.csv")
    assert made[rows.columns].equals(rows)
    assert set(made["prediction"]) <= {"yes", "no"}
    assert np.allclose(made["probability_no"] + made["probability_yes"], 1)


def test_a_summary_holds_plain_values_of_everything(result: Result) -> None:
    told = result.summary()
    assert told["experiment"] == "flowers" and told["metric"] == "accuracy"
    assert told["test_metrics"]["accuracy"] > told["baseline"]["accuracy"]
    low, high = told["intervals"]["accuracy"]
    assert low <= told["test_metrics"]["accuracy"] <= high
    assert told["onnx"]["max_difference"] <= 1e-4
    assert sum(told["ensemble"]["members"].values()) == pytest.approx(1)
    assert [row["rank"] for row in told["leaderboard"]] == [*range(1, len(told["leaderboard"]) + 1)]


def test_the_onnx_file_answers_as_python_does(scripted: Path, result: Result) -> None:
    rows = pl.read_csv(scripted / "unlabelled.csv", try_parse_dates=True)
    session = onnxruntime.InferenceSession(result.onnx_path)
    feeds = {
        "size": rows["size"].cast(pl.Float32).fill_null(float("nan")),
        "colour": rows["colour"].fill_null(""),
        "bought": rows["bought"].cast(pl.Datetime).dt.epoch("s").cast(pl.Float64),
        "pieces": rows["pieces"].cast(pl.Float32),
    }
    arrays = {i.name: feeds[i.name].to_numpy().reshape(-1, 1) for i in session.get_inputs()}
    labels, probabilities = session.run(["label", "probabilities"], arrays)
    expected = result.predict(rows)
    assert probabilities[:, 1] == pytest.approx(expected["probability_yes"].to_numpy(), abs=1e-4)
    assert list(labels) == list(expected["prediction"])


def test_an_experiment_outside_known_folders_is_kept_for_the_ui(scripted: Path, result: Result) -> None:
    assert {loaded.name: file for file, loaded in experiments([])}["flowers"] == scripted / "flowers.yaml"


def test_the_command_line_shows_the_leaderboard(scripted: Path) -> None:
    told = said("leaderboard", "flowers", "--home", scripted / "home")
    assert "Leaderboard of flowers" in told
    assert told.index("logistic_regression_") < told.index("baseline_1")


def test_a_trial_is_tested_on_demand(scripted: Path, result: Result) -> None:
    name = result.standings.finished[1].trial
    found, whole = result.test(name), result.test("ensemble")
    assert (found.rows, found.n_rows) == ("test", 24)
    assert whole.metrics == result.metrics and whole.intervals == result.evaluation.intervals
    assert set(found.metrics) == set(result.metrics) and found.metrics != result.metrics
    low, high = found.intervals["log_loss"]
    assert low <= found.metrics["log_loss"] <= high
    rows = pd.read_csv(scripted / "tiny.csv")
    every = result.test(name, rows.assign(answer=rows["answer"].where(rows.index > 2, None)))
    assert every.n_rows == len(rows) - 3 and every.metrics["accuracy"] > 0.8
    told = said("test", "flowers", name, scripted / "tiny.csv", "--home", scripted / "home")
    assert "On 120 test rows" in told and "coverage_80: " in told


@pytest.mark.parametrize(
    ("trial", "columns", "message"),
    [
        ("knn_7", None, r"^no trial is called 'knn_7'; there are ensemble, logistic_regression_"),
        ("ensemble", {"bill": 1}, r'^the rows have no column "answer"; they have '),
        ("ensemble", {"answer": "maybe"}, r'^no row to test on has a known value of the target "answer"; got maybe$'),
    ],
)
def test_a_test_that_cannot_be_is_refused(
    scripted: Path, result: Result, trial: str, columns: dict | None, message: str
) -> None:
    rows = columns and pd.read_csv(scripted / "unlabelled.csv").assign(**columns)
    with pytest.raises(AutomlError, match=message):
        result.test(trial, rows)


def test_the_command_line_predicts_into_a_file(scripted: Path) -> None:
    written = scripted / "again.csv"
    said("predict", "flowers", scripted / "unlabelled.csv", "-o", written, "--home", scripted / "home")
    again, before = pl.read_csv(written), pl.read_csv(scripted / "predicted.csv")
    assert again["prediction"].equals(before["prediction"])
    assert again["probability_yes"].to_numpy() == pytest.approx(before["probability_yes"].to_numpy(), abs=1e-5)


def test_the_command_line_explains_rows(scripted: Path, result: Result) -> None:
    written, rows = scripted / "explained.csv", scripted / "unlabelled.csv"
    said("explain", "flowers", rows, "-o", written, "--home", scripted / "home")
    explained = pl.read_csv(written)
    score = explained.group_by("row", maintain_order=True).agg(pl.col("contribution").sum() + pl.col("base").first())
    yes = result.predict(pl.read_csv(rows, try_parse_dates=True))["probability_yes"].to_numpy()
    assert score["contribution"].to_numpy() == pytest.approx(np.log(yes / (1 - yes)), abs=1e-3)
    shown = said("explain", "flowers", rows, "--seconds", 1, "--home", scripted / "home")
    assert "moved most by" in shown and "size " in shown
