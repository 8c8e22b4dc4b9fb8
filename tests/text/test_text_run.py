"""A question about texts is answered whole: from YAML through the graph to predictions over the command line."""

import json
from pathlib import Path

import polars as pl
import pytest

from automl_assets import registry
from tests.command_line import automl

EXPERIMENT = """\
task: text_classification
source: rows.csv
target: opinion
test: 0.2
validation: {folds: 2}
algorithms: {allowed: [complement_naive_bayes, logistic_regression]}
predict_source: unlabelled.csv
limits: {timeout_minutes: 10, max_trials: 8}
report: false
"""
NEW = ["The staff was friendly and the breakfast delicious.", "A dirty room, noisy and cold."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, new_home) -> Path:
    """Where the experiment has been run, and new texts predicted once more from the command line."""
    place = tmp_path_factory.mktemp("texts")
    rows, _ = registry.tasks()["text_classification"].sample(0)
    rows.with_columns(opinion=pl.col("opinion").replace({"praise": "1", "complaint": "01"})).write_csv(
        place / "rows.csv"
    )
    pl.DataFrame({"review": NEW, "nights": [2, 3]}).write_csv(place / "unlabelled.csv")
    (place / "texts.yaml").write_text(EXPERIMENT)
    new_home(place / "home")
    for command in (
        ("run", "texts.yaml", "--home", "home", "--json", "result.json"),
        ("predict", "texts.yaml", "unlabelled.csv", "-o", "predicted.csv", "--home", "home"),
    ):
        answer = automl(*command, cwd=place)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    return place


def test_what_there_is_to_learn_is_learnt_and_onnx_agrees(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    assert result["test_metrics"]["accuracy"] > 0.9 > result["baseline"]["accuracy"]
    assert result["onnx"]["max_difference"] < 1e-5
    assert {"candidate_baseline", "onnx_model", "registered_model", "predictions"} <= set(result["artifacts"])


def test_new_texts_are_predicted_with_labels_as_they_were_written(folder: Path) -> None:
    predicted = pl.read_csv(folder / "predicted.csv", schema_overrides={"prediction": pl.String})
    assert predicted["prediction"].to_list() == ["1", "01"]
