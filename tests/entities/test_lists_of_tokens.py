"""Texts that come as lists of tokens are read, drafted and answered."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.cli.drafting import draft
from automl_assets.entities.features.tokens import tokens_of
from automl_assets.entities.records import TokenInputs, Tokenizer
from automl_assets.entities.steps.featurize import tokenized
from automl_assets.entities.steps.pipeline_onnx import onnx_bytes
from automl_assets.entities.steps.predict import answer_columns
from automl_assets.errors import DataError, SettingError
from automl_assets.experiment.experiment import load, parse
from automl_assets.model_records import OnnxModel
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Ensemble, Fitted, Member
from automl_assets.resources.model_folders import reader_code
from automl_assets.steps.load import load as load_rows
from automl_assets.steps.predict_batches import answerer
from automl_assets.tagging import LISTS

ROWS = pl.DataFrame(
    {
        "id": range(60),
        "tokens": [["Ann", "met", "Bo Li"], ["in", "Oslo", ""], ["x"]] * 20,
        "tags": [["B-per", "O", "B-per"], ["O", "B-loc", "O"], ["O"]] * 20,
    }
)


@pytest.fixture(params=["parquet", "jsonl"])
def source(request, tmp_path: Path) -> str:
    path = tmp_path / f"rows.{request.param}"
    if request.param == "parquet":
        ROWS.write_parquet(path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS.to_dicts()))
    return str(path)


def test_lists_of_tokens_are_texts(source: str) -> None:
    rows = load_rows(parse({"task": "text_ner", "source": source, "target": "tags"}, "lists"))
    assert rows.table["tokens"][:3].to_list() == ["Ann met Bo\u00a0Li", "in Oslo \u00a0", "x"]
    assert rows.table["tags"][:3].to_list() == ["B-per O B-per", "O B-loc O", "O"]


def test_new_rows_may_be_lists_too() -> None:
    table = pl.DataFrame({"tokens": ['["in", "Oslo"]', "in Oslo", None]})
    assert tokenized(Tokenizer("tokens", True), table).tokens.tolist() == ["in", "Oslo", "in", "Oslo"]


@pytest.mark.parametrize("task", [None, "text_ner"])
def test_a_draft_can_be_loaded(source: str, tmp_path: Path, task: str | None) -> None:
    _, text = draft(source, "tags", task=task)
    file = tmp_path / "drafted.yaml"
    file.write_text(text, "utf-8")
    experiment = load(file)
    assert (experiment.task, experiment.target, experiment.metric) == ("text_ner", "tags", "entity_f1_micro")


def test_a_draft_of_places_names_other_texts(tmp_path: Path) -> None:
    path = tmp_path / "places.jsonl"
    row = {"note": "a b", "other": "c d", "found": [{"start": 0, "end": 1, "label": "x"}]}
    path.write_text("".join(f"{json.dumps(row)}\n" for _ in range(30)))
    _, text = draft(str(path), "found", task="text_ner")
    assert "drop_columns: [other]" in text


def test_what_is_no_tags_is_told(source: str) -> None:
    with pytest.raises(SettingError, match="--target id: .*It holds tags of words"):
        draft(source, "id", task="text_ner")


def test_numbers_in_place_of_tags_are_told(tmp_path: Path) -> None:
    path = tmp_path / "numbers.parquet"
    ROWS.with_columns(tags=pl.col("tokens").list.eval(pl.lit(3))).write_parquet(path)
    with pytest.raises(DataError, match="are numbers in place of tags; write the tags that they stand for"):
        load_rows(parse({"task": "text_ner", "source": str(path), "target": "tags"}, "numbers"))


def test_the_model_file_parts_lists_as_python_does(monkeypatch: pytest.MonkeyPatch) -> None:
    task = registry.tasks()["text_ner"]
    texts, tags = ["Ann met Bo\u00a0Li", "in Oslo now"], ["B-per O B-per", "O B-loc O"]
    problem = task.problem(pl.Series(tags), "entity_f1_micro", None)
    inputs = TokenInputs(*tokens_of(texts, True))
    algorithm = registry.algorithms("entities")["crf"]
    config = algorithm.portfolio(problem)[0] | {"least": 1}
    model = algorithm.fit(config, Rows(inputs, task.encode_target(pl.Series(tags), problem)), None, FitContext(problem))
    members, recipe = (Member("crf_1", "crf", 1.0, Fitted((model,))),), Tokenizer("tokens", True)
    ensemble = Ensemble("single", members, None, 0.0, {}, np.zeros((0, problem.n_classes)), recipe, problem)
    rows = pl.DataFrame({"tokens": ['["Ann", "met", "Bo Li"]', "in Oslo now", '["in", "Oslo", "now"]', "[1, 2]", ""]})
    file = OnnxModel(onnx_bytes(ensemble), {"tokens": "string"}, 0, 0.0, 0.0, {})
    found = answerer(file, problem)(rows)["prediction"].to_list()
    assert found == answer_columns(ensemble, rows)["prediction"].to_list()
    assert [one["text"] for one in json.loads(found[0])] == ["Ann", "Bo\u00a0Li"] and found[1] == found[2]
    served = ModuleType("reader")  # as MLflow's model folder has it
    monkeypatch.setitem(sys.modules, "reader", served)
    exec(reader_code(file, True), served.__dict__)
    given = {"tokens": np.array([['["in", "New York"]'], ["in Rome"]], object)}
    assert served.PARTS[2](given, {LISTS: "yes"})["tokens"].tolist() == [["in New\u00a0York"], ["in Rome"]]
    assert served.PARTS[2](given, {})["tokens"] is given["tokens"]
