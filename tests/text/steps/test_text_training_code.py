"""The program that is written trains the same model of texts where this package cannot be imported."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_assets import metrics, registry
from automl_assets.errors import NotWritableError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import parse
from automl_assets.records import Member
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.load import load
from automl_assets.steps.rank import rank
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.text.steps.predict import answer
from automl_assets.text.steps.write_training_code import write_training_code

TASKS = ("text_classification", "text_classification_multilabel")
RUN = "import runpy, sys\nsys.modules['automl_assets'] = None\nsys.path[0] = '.'\nrunpy.run_path('code.py', run_name='__main__')"
TRIED = ("complement_naive_bayes", "logistic_regression")


@pytest.fixture(scope="module", params=TASKS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    rows, target = registry.tasks()[request.param].sample(0)
    file = tmp_path_factory.mktemp("texts") / "rows.csv"
    rows.write_csv(file)
    experiment = parse(
        {"task": request.param, "source": str(file), "target": target, "validation": {"folds": 2}, "test": 0.2}, "x"
    )
    dataset, steps = load(experiment), experiment.family.steps
    profile = steps.describe(dataset, experiment)
    features = steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    found = [
        search(features, experiment.candidates[n], Budget(60, 2, max_trials=1), 0)
        for n in TRIED
        if n in experiment.candidates
    ]
    ensemble = build_ensemble(found, features, experiment.ensemble, 0)
    board = rank(found, experiment.metric, experiment.task)
    return {"experiment": experiment, "dataset": dataset, "features": features, "ensemble": ensemble, "board": board}


def test_the_script_reaches_the_same_figures_without_this_package(made: dict[str, Any], tmp_path: Path) -> None:
    code = write_training_code(made["experiment"], made["dataset"], made["ensemble"], made["board"])
    (tmp_path / "code.py").write_bytes(code.script)
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reached = json.loads(done.stdout)
    rows = made["features"].truth.split.is_shown
    prediction = answer(made["ensemble"], made["dataset"].table.filter(rows))
    expected = metrics.all_scores(made["features"].truth.y[rows], prediction, None, made["ensemble"].problem)
    assert made["experiment"].metric in reached
    assert reached == pytest.approx({name: expected[name] for name in reached}, rel=1e-6)
    assert len(code.script) < 300_000, "terms stand in the rows, not in the program"


def test_every_algorithm_without_weights_can_be_written_or_says_why(made: dict[str, Any]) -> None:
    for part in registry.algorithms("text").values():
        if made["experiment"].task not in part.tasks:
            continue
        member = Member(f"{part.name}_1", part.name, 1.0, made["ensemble"].members[0].fitted)
        standing = replace(made["board"].standings[0], trial=member.trial, config={})
        alone = replace(made["ensemble"], members=(member,), predictions=np.empty((0, 1)))
        given = (made["experiment"], made["dataset"], alone, replace(made["board"], standings=(standing,)))
        if part.requires in ("transformers", "lightgbm"):  # pretrained weights, and trees of another family
            with pytest.raises(NotWritableError, match="no training code"):
                write_training_code(*given)
        else:
            compile(write_training_code(*given).script, part.name, "exec")
