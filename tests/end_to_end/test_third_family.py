"""A family that nobody here has heard of, in a distribution of its own, gets everything that tables have."""

import json
import os
import subprocess
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
