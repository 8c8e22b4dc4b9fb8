"""A family that nobody here has heard of, in a distribution of its own, gets everything that tables have."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.processes import AUTOML

HERE = Path(__file__).parents[1] / "third_family"
EXPERIMENT = """\
task: spelling
source: words.csv
target: kind
predict_source: unlabelled.csv
validation: {folds: 2}
limits: {timeout_minutes: 2}
"""
SOUNDS = """\
task: sounds
source: words.jsonl
target: sounds
predict_source: unlabelled.csv
validation: {folds: 2}
limits: {timeout_minutes: 2}
"""
MADE = {
    *("dataset", "profile", "split", "features", "leaderboard", "ensemble", "evaluation"),
    *("onnx_model", "registered_model", "predictions", "report"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the experiment has been run, and its words predicted once more from the command line."""
    place = tmp_path_factory.mktemp("letters")
    _write_words(place)
    (place / "words.yaml").write_text(EXPERIMENT)
    _automl(place, "run", "words.yaml", "--home", "home", "--json", "result.json")
    _automl(place, "predict", "words.yaml", "unlabelled.csv", "-o", "predicted.csv", "--home", "home")
    return place


def _write_words(place: Path) -> None:
    consonants, words = "bcdfgmnprst", []
    for i in range(120):
        letters = [consonants[(i * step + step) % len(consonants)] for step in (1, 3, 5, 7)]
        words.append("".join(letters) + ("x" if i % 2 else "a"))
    kinds = ["rare" if ("x" in word) != (i % 17 == 0) else "common" for i, word in enumerate(words)]
    pl.DataFrame({"word": words, "kind": kinds}).write_csv(place / "words.csv")
    pl.DataFrame({"word": ["prix", "tana"]}).write_csv(place / "unlabelled.csv")


def _automl(place: Path, *arguments: str) -> str:
    surroundings = os.environ | {"PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [AUTOML, *arguments], cwd=place, env=surroundings, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_asset_is_made(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    assert set(result["artifacts"]) == MADE | {"candidate_letter_bayes", "candidate_class_shares"}
    assert {line["trial"].rsplit("_", 1)[0] for line in result["leaderboard"]} == {"letter_bayes", "class_shares"}


def test_it_learns_what_there_is_to_learn_and_onnx_agrees(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    assert result["test_metrics"]["accuracy"] > 0.8 > result["baseline"]["accuracy"]
    assert result["onnx"]["max_difference"] < 1e-5


def test_new_texts_are_predicted_through_onnx(folder: Path) -> None:
    assert pl.read_csv(folder / "predicted.csv")["prediction"].to_list() == ["rare", "common"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where words were answered with sets of labels, which nothing outside of the family knows to be such."""
    place = tmp_path_factory.mktemp("sounds")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        from letters.tasks import sample_sets

        sample_sets(0)[0].write_ndjson(place / "words.jsonl")
    pl.DataFrame({"word": ["dkgl", "pamdf"]}).write_csv(place / "unlabelled.csv")
    (place / "sounds.yaml").write_text(SOUNDS)
    _automl(place, "run", "sounds.yaml", "--home", "home", "--json", "result.json")
    _automl(place, "predict", "sounds.yaml", "unlabelled.csv", "-o", "predicted.csv", "--home", "home")
    return place


def test_sets_of_labels_go_all_the_way(sounds: Path) -> None:
    result = json.loads((sounds / "result.json").read_text())
    assert set(result["artifacts"]) == MADE | {"candidate_letter_bayes", "candidate_class_shares"}
    assert result["lost"] == {} and result["onnx"]["max_difference"] < 1e-5
    assert result["test_metrics"]["f1_score_macro"] > 0.85 > result["baseline"]["f1_score_macro"]
    assert [line["label"] for line in result["by_label"]] == ["hiss", "hum", "vowel"]
    page = next((sounds / "home").rglob("page.html")).read_text()
    assert "How well each label is found" in page


def test_sets_are_predicted_as_lists_and_the_empty_one_is_among_them(sounds: Path) -> None:
    predicted = pl.read_csv(sounds / "predicted.csv")
    assert [sorted(json.loads(text)) for text in predicted["prediction"]] == [[], ["hiss", "hum", "vowel"]]
    assert {"probability_hiss", "probability_hum", "probability_vowel"} <= set(predicted.columns)


def test_the_registered_model_names_the_labels(sounds: Path) -> None:
    """As MLflow loads it anywhere, without this package's help."""
    asked = (
        "import mlflow, pandas as pd; mlflow.set_tracking_uri('sqlite:///home/mlflow.db'); "
        "model = mlflow.pyfunc.load_model('models:/sounds@champion'); "
        "print(model.predict(pd.DataFrame({'word': ['dkgl', 'pamdf']}))['labels'].to_list())"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=sounds, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[[], ['hiss', 'hum', 'vowel']]", done.stderr[-2000:]
