"""Texts that come as lists of tokens are read, drafted and answered."""

import json
from pathlib import Path

import polars as pl
import pytest

from automl_assets.cli.drafting import draft
from automl_assets.entities.records import Tokenizer
from automl_assets.entities.steps.featurize import tokenized
from automl_assets.errors import DataError, SettingError
from automl_assets.experiment.experiment import load, parse
from automl_assets.steps.load import load as load_rows

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
