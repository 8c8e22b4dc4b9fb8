"""The program that is written does, where this package cannot be imported, what the ensemble does."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient

from automl_assets import metrics, registry
from automl_assets.data.schema import learn_schema
from automl_assets.experiment.experiment import SourceSetting
from automl_assets.model_records import TrainingCode
from automl_assets.records import Ensemble, Leaderboard
from automl_assets.steps.load import load
from automl_assets.steps.rank import rank
from automl_assets.steps.read_source import learn
from automl_assets.steps.training_program import prepare_data
from automl_assets.steps.write_training_code import STEPS
from automl_assets.tabular.steps import write_training_code as own
from automl_assets.tabular.steps.predict import answer
from automl_assets.tabular.steps.write_training_code import write_training_code
from automl_assets.training_code.source_bundle import Bundle

CLEAN = "import runpy, sys\nsys.modules['automl_assets'] = None\nsys.path[0] = '.'\n"
RUN = CLEAN + "runpy.run_path('training_code.py', run_name='__main__')"
READ = (
    CLEAN + "import pickle, training_code\nlearners, model = pickle.load(open('model.pickle', 'rb'))\nprint(model.kind)"
)


def written(learned: Any) -> TrainingCode:
    leaderboard = rank(learned.candidates, learned.experiment.metric, learned.experiment.task)
    return write_training_code(learned.experiment, learned.dataset, learned.ensemble, leaderboard)


def python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False, env={}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def scores_on_shown_rows(learned: Any, ensemble: Ensemble) -> dict[str, float]:
    rows = learned.split.is_shown
    prediction = answer(ensemble, learned.dataset.table.filter(rows))
    return metrics.all_scores(learned.features.truth.y[rows], prediction, None, ensemble.problem)


@pytest.mark.parametrize("case", ["texts", "regression"])
def test_the_script_reaches_the_same_score_without_this_package(
    case: str, learned: Callable[[str], Any], tmp_path: Path
) -> None:
    found = learned(case)
    (tmp_path / "training_code.py").write_bytes(written(found).script)
    reached = json.loads(python(RUN, tmp_path))
    expected = scores_on_shown_rows(found, found.ensemble)
    assert set(reached) <= set(expected) and found.experiment.metric in reached
    assert reached == pytest.approx({name: expected[name] for name in reached}, rel=1e-9)
    assert python(READ, tmp_path).strip() == found.ensemble.kind


def test_the_notebook_runs(learned: Callable[[str], Any], tmp_path: Path) -> None:
    found = learned("texts")
    notebook = nbformat.reads(written(found).notebook.decode(), as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import sys\nsys.modules['automl_assets'] = None"))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    told = "".join(output["text"] for output in notebook.cells[-1].outputs if output["output_type"] == "stream")
    assert json.loads(told)["accuracy"] == pytest.approx(scores_on_shown_rows(found, found.ensemble)["accuracy"])


def test_names_that_are_code_do_no_harm(learned: Callable[[str], Any], tmp_path: Path) -> None:
    """A target called like the end of the docstring, categories like code."""
    found = learned("texts")
    target = '"""\nraise SystemExit(3)\n"""'
    table = found.dataset.table.rename({"y": target})
    dataset = replace(found.dataset, table=table, roles=replace(found.dataset.roles, target=target))
    experiment = found.experiment.model_copy(update={"target": target})
    leaderboard = rank(found.candidates, "accuracy", "classification")
    made = write_training_code(experiment, dataset, found.ensemble, leaderboard)
    compile(made.script, "training_code.py", "exec")
    assert f"\n{target.splitlines()[1]}" not in made.script.decode()


def test_the_requirements_are_pinned(learned: Callable[[str], Any]) -> None:
    requirements = written(learned("texts")).requirements
    assert requirements[0].startswith("# Python 3.") and f"polars=={pl.__version__}" in requirements
    assert f"numpy=={np.__version__}" in requirements and not any("automl" in line for line in requirements)


def test_writing_twice_gives_the_same(learned: Callable[[str], Any]) -> None:
    assert written(learned("texts")) == written(learned("texts"))


@pytest.mark.parametrize("name", list(registry.algorithms("tabular")))
def test_every_algorithm_can_be_copied(name: str) -> None:
    """Its functions stand at the top of a module, and reach nothing that is not there."""
    part = registry.algorithms("tabular")[name]
    bundle = Bundle()
    expression = bundle.value((part.fit, part.predict))
    bundle.value((*STEPS, *own.STEPS))
    text = "\n\n".join(
        ["from __future__ import annotations", bundle.imports()] + [text for _, text in bundle.sections()]
    )
    script = f"{text}\n\nmade = {bundle.resolved(expression)}"
    assert "automl_assets" not in bundle.imports()
    namespace: dict[str, Any] = {"__name__": "copied"}
    sys.modules["copied"] = sys  # dataclasses look their module up
    try:
        exec(compile(script, "copied.py", "exec"), namespace)
    finally:
        del sys.modules["copied"]
    assert all(callable(function) for function in namespace["made"])


STRICT = SimpleNamespace(strict=True)
OPTIONS = {"sklearn": {"name": "wine"}}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "sql", "sklearn"])
def test_every_kind_of_source_is_read_alike(kind: str, tmp_path: Path, learned: Callable[[str], Any]) -> None:
    table = learned("texts").dataset.table.head(30)
    options = {**_written(kind, table, tmp_path), **OPTIONS.get(kind, {})}
    setting = SourceSetting.model_validate({"kind": kind, **options})
    rows = setting.part.read(setting.options)
    schema = learn(setting, rows)
    read = schema.read(rows).table
    lines = "\n".join(f"    {line}" for line in setting.part.code(setting.options).splitlines())
    namespace: dict[str, Any] = {}
    exec(f"import os\nimport polars as pl\n\n\ndef read():\n{lines}", namespace)
    recipe: Any = SimpleNamespace(schema=schema, settings=STRICT, roles=None)
    assert prepare_data({0: namespace["read"]()}, recipe).table.equals(read)


def test_times_and_lengths_of_time_are_seconds_as_they_were_learnt() -> None:
    hours = pl.Series("at", [0, 3_600_000_000_000, None])
    table = pl.DataFrame([hours.cast(pl.Time), hours.cast(pl.Duration("ns")).alias("took")])
    schema = learn_schema(table)
    recipe: Any = SimpleNamespace(schema=schema, settings=STRICT, roles=None)
    found = prepare_data({0: table}, recipe).table
    assert found.equals(schema.read(table).table) and found["at"].to_list() == [0.0, 3600.0, None]


def _written(kind: str, table: pl.DataFrame, folder: Path) -> dict[str, str]:
    match kind:
        case "csv":
            table.write_csv(folder / "rows.csv", separator=";")
        case "jsonl":
            table.write_ndjson(folder / "rows.jsonl")
        case "parquet":
            table.write_parquet(folder / "rows.parquet")
        case "sql":
            url = f"sqlite:///{folder}/rows.db"
            table.write_database("rows", url, engine="sqlalchemy")
            return {"url": url, "table": "rows"}
        case _:
            return {}
    return {"path": str(folder / f"rows.{kind}")}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "postgresql://ann:s3cret@host/shop",
            "url = os.environ[\"DATABASE_URL\"]  # of 'postgresql://***@host/shop'",
        ),
        ("postgresql://ann:${SHOP}@host/shop", "url = 'postgresql://ann:' + os.environ['SHOP'] + '@host/shop'"),
        ("sqlite:////data/shop.db", "url = 'sqlite:////data/shop.db'"),
    ],
)
def test_no_password_is_written_down(url: str, told: str) -> None:
    setting = SourceSetting.model_validate({"kind": "sql", "url": url, "query": "SELECT 1"})
    body = setting.part.code(setting.options)
    assert told in body and "s3cret" not in body


def test_a_trial_that_is_not_on_the_leaderboard_is_a_bug(learned: Callable[[str], Any]) -> None:
    found = learned("texts")
    with pytest.raises(KeyError, match="knn_1|logistic_regression_1"):
        write_training_code(found.experiment, load(found.experiment), found.ensemble, Leaderboard("accuracy", True, ()))
