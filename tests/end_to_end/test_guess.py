"""A model that is no better than a guess is made and shown, but it is no version unless it is asked for."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets.resources.home import prepare
from automl_assets.resources.tracker import Tracker
from tests.command_line import automl

GUESS = """\
task: classification
source: noise.csv
target: answer
metric: accuracy
test: none
validation: {folds: 2}
algorithms: [logistic_regression]
limits: {timeout_minutes: 10, max_trials: 1}
explain: false
report: false
training_code: false
"""


@pytest.mark.long
def test_a_guess_is_not_registered_unless_asked(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    answer = np.where(np.arange(60) % 12 == 0, "yes", "no")
    pl.DataFrame({"noise": random.normal(size=60), "answer": answer}).write_csv(tmp_path / "noise.csv")
    (tmp_path / "noise.yaml").write_text(GUESS)
    refused = automl("run", "noise.yaml", "--home", "home", cwd=tmp_path)
    assert refused.returncode == 4, refused.stdout + refused.stderr
    told = " ".join(refused.stderr.split())
    assert "The model was made and not registered: it is no better than a guess" in told
    assert "`register_guess: true` in the YAML" in told
    assert "Leaderboard of noise" in refused.stdout
    prepare(tmp_path / "home")
    assert not Tracker().champions("noise").versions()
    (tmp_path / "all_the_same.yaml").write_text(GUESS + "register_guess: true\n")
    asked = automl("run", "all_the_same.yaml", "--home", "home", cwd=tmp_path)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "better_than_a_guess" in asked.stdout
    assert len(Tracker().champions("all_the_same").versions()) == 1
