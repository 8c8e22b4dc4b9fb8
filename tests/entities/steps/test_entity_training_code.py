"""The program that is written trains the same taggers where this package cannot be imported."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from automl_assets import metrics, registry
from automl_assets.entities.steps.predict import answer
from automl_assets.entities.steps.write_training_code import write_training_code
from automl_assets.errors import NotWritableError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import parse
from automl_assets.records import Member
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.load import load
from automl_assets.steps.rank import rank
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows

RUN = "import runpy, sys\nsys.modules['automl_assets'] = None\nsys.path[0] = '.'\nrunpy.run_path('code.py', run_name='__main__')"


def test_the_script_reaches_the_same_figures_without_this_package(tmp_path: Path) -> None:
    """Lists of tokens, one of which has no tags, and weights."""
    rows, _ = registry.tasks()["text_ner"].sample(0)
    lists = rows.select(tokens=pl.col("text").str.split(" "), tags=pl.col("tags").str.split(" "))
    lists = lists.with_columns(tags=pl.when(pl.int_range(pl.len()) != 3).then("tags"), w=1.0 + pl.int_range(pl.len()))
    lists.write_ndjson(tmp_path / "rows.jsonl")
    asked = {"task": "text_ner", "source": str(tmp_path / "rows.jsonl"), "target": "tags", "weight_column": "w"}
    experiment = parse(asked | {"validation": {"folds": 2}, "test": 0.3}, "x")
    dataset, steps = load(experiment), experiment.family.steps
    profile = steps.describe(dataset, experiment)
    features = steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    budget = Budget(60, 2, max_trials=1)
    found = [search(features, experiment.candidates[name], budget, 0) for name in ("baseline", "crf")]
    ensemble = build_ensemble(found, features, experiment.ensemble, 0)
    board = rank(found, experiment.metric, experiment.task)
    code = write_training_code(experiment, dataset, ensemble, board)
    (tmp_path / "code.py").write_bytes(code.script)
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reached, truth = json.loads(done.stdout), features.truth
    shown = truth.split.is_shown
    prediction = answer(ensemble, dataset.table.filter(pl.Series(split_rows(dataset, profile, experiment).is_shown)))
    assert len(prediction) == shown.sum()
    expected = metrics.all_scores(truth.y[shown], prediction, truth.weight[shown], ensemble.problem)
    assert experiment.metric in reached
    assert reached == pytest.approx({name: expected[name] for name in reached}, rel=1e-6)
    with pytest.raises(NotWritableError, match="frozen_encoder reads pretrained weights"):
        member = Member("frozen_encoder_1", "frozen_encoder", 1.0, ensemble.members[0].fitted)
        write_training_code(experiment, dataset, replace(ensemble, members=(member,)), board)
