"""A review of label errors corrects every kind of source: the rows that were looked at, and nothing else."""

import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.errors import DataError, SettingError, SourceError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.records import Dataset, Roles
from automl_assets.steps.correct_labels import Corrections, correct_labels
from automl_assets.steps.find_label_errors import review_csv, review_tasks, with_columns_of
from automl_assets.steps.import_labels import import_labels

KNOWN = pl.DataFrame(
    {
        "text": ["good soup", '=cold, "old"\nfish', "good soup", "plain", "nothing"],
        "size": [1.5, 2.0, 1.5, None, 4.0],
        "kind": ["bad", "bad", "bad", "good", "good"],
    }
)
FOUND = pl.DataFrame(
    {
        "row": [0, 1, 3],
        "label": ["bad", "bad", "good"],
        "likely": ["good", "good", "bad"],
        "probability": [0.1] * 3,
        "likely_probability": [0.9] * 3,
    }
)
RIGHT = ["good", "good", "good", "good", "good"]  # the reviewer agrees of the first two, a copy of the first among them


def _csv(folder: Path) -> str:
    (folder / "rows.csv").write_text("\ufeff" + KNOWN.write_csv(separator=";", line_terminator="\r\n") + "\r\n")
    return "rows.csv"


def _packed(folder: Path) -> str:
    (folder / "rows.csv.gz").write_bytes(gzip.compress(KNOWN.select("kind", "size", "text").write_csv().encode()))
    return "rows.csv.gz"


def _several(folder: Path) -> str:
    (folder / "rows").mkdir()
    KNOWN.head(2).write_ndjson(folder / "rows" / "a.jsonl")
    KNOWN.tail(3).write_ndjson(folder / "rows" / "b.jsonl")
    return "rows"


def _parquet(folder: Path) -> str:
    KNOWN.write_parquet(folder / "rows.parquet")
    return "rows.parquet"


def _sql(folder: Path, key: str = "") -> dict[str, str]:
    with sqlite3.connect(folder / "rows.db") as connection:
        connection.execute(f"create table rows ({key} text text, size real, kind text)")
        connection.executemany("insert into rows (text, size, kind) values (?, ?, ?)", KNOWN.rows())
    return {"kind": "sql", "url": f"sqlite:///{folder / 'rows.db'}", "table": "rows"}


def _sql_with_key(folder: Path) -> dict[str, str]:
    return _sql(folder, "number integer primary key,")


def _asked(folder: Path, source: Any, **more: Any) -> Experiment:
    given = str(folder / source) if isinstance(source, str) else source
    return parse({"task": "classification", "source": given, "target": "kind"} | more, "asked")


def _read(asked: Experiment) -> pl.DataFrame:
    return asked.source.part.read(asked.source.options)


def _corrected(asked: Experiment, file: Path) -> Corrections:
    return correct_labels(asked, str(file), False, file.parent / "home" / "asked.jsonl")


def _with_columns() -> pl.DataFrame:
    roles = Roles("kind", ("text", "size"))
    return with_columns_of(FOUND, Dataset(KNOWN, np.zeros(KNOWN.height, np.int8), roles, "", NO_SCHEMA))


@pytest.fixture
def review(tmp_path: Path) -> Path:
    """What Label Studio exports where a person agreed twice, and once kept the label that was there."""
    tasks = json.loads(review_tasks(_with_columns(), "kind"))
    for task, choice in zip(tasks, ["good", "good", "good"], strict=True):
        task["annotations"] = [{"result": [{"type": "choices", "value": {"choices": [choice]}}]}]
    (tmp_path / "review.json").write_text(json.dumps(tasks))
    return tmp_path / "review.json"


@pytest.mark.parametrize("kind", [_csv, _packed, _several, _parquet, _sql, _sql_with_key])
def test_reviewed_labels_stand_in_the_place_of_wrong_ones(kind: Callable, tmp_path: Path, review: Path) -> None:
    asked = _asked(tmp_path, kind(tmp_path))
    before = _read(asked)
    found = _corrected(asked, review)
    assert (found.n_corrected, found.n_known, found.n_unmatched, found.n_changed) == (3, 1, 0, 0)
    assert _read(asked).drop("kind").equals(before.drop("kind")) and _read(asked)["kind"].to_list() == RIGHT
    log = [json.loads(line) for line in (tmp_path / "home" / "asked.jsonl").read_text().splitlines()]
    assert [(one["row"]["kind"], one["corrected"]["kind"]) for one in log] == [("bad", "good")] * 3
    again = _corrected(asked, review)
    assert (again.n_corrected, again.n_known, again.where) == (0, 3, [])


def test_other_lines_of_a_file_stay_to_the_letter(tmp_path: Path, review: Path) -> None:
    asked = _asked(tmp_path, _csv(tmp_path))
    before = (tmp_path / "rows.csv").read_bytes()
    _corrected(asked, review)
    assert (tmp_path / "rows.csv").read_bytes() == before.replace(b";bad\r\n", b";good\r\n")


def test_a_spreadsheet_is_taken_back(tmp_path: Path) -> None:
    asked, file = _asked(tmp_path, _parquet(tmp_path)), tmp_path / "review.csv"
    file.write_bytes(review_csv(_with_columns(), "kind"))
    assert _corrected(asked, file).n_corrected == 0
    sheet = pl.read_csv(file).with_columns(kind=pl.Series(["good", "good", "good"]))
    sheet.write_csv(file)
    assert _corrected(asked, file).n_corrected == 3 and _read(asked)["kind"].to_list() == RIGHT


def test_what_changed_since_is_left_alone_and_told(tmp_path: Path, review: Path) -> None:
    changed = KNOWN.with_columns(kind=pl.Series(["odd", "bad", "odd", "good", "good"])).filter(
        pl.col("size").ne_missing(2.0)
    )
    changed.write_parquet(tmp_path / "rows.parquet")
    asked = _asked(tmp_path, "rows.parquet")
    found = _corrected(asked, review)
    assert (found.n_corrected, found.n_changed, found.n_unmatched, found.n_known) == (0, 1, 1, 1)
    assert _read(asked).equals(changed)


def test_rows_of_a_validation_file_are_corrected_too(tmp_path: Path, review: Path) -> None:
    KNOWN.head(1).write_parquet(tmp_path / "validation.parquet")
    KNOWN.tail(4).write_parquet(tmp_path / "rows.parquet")
    asked = _asked(tmp_path, "rows.parquet", validation=str(tmp_path / "validation.parquet"))
    assert _corrected(asked, review).n_corrected == 3
    assert pl.read_parquet(tmp_path / "validation.parquet")["kind"].to_list() == ["good"]


def test_a_set_without_labels_is_an_answer(tmp_path: Path) -> None:
    rows = pl.DataFrame({"text": ["a", "b"], "kind": ["x, y", "x"]})
    rows.write_csv(tmp_path / "rows.csv")
    asked = _asked(tmp_path, "rows.csv", task="text_classification_multilabel")
    tasks = [{"data": {"text": "b", "given": '["x"]'}, "annotations": [{"result": []}]}]
    tasks += [{"data": {"text": "a", "given": '["y", "x"]'}, "annotations": [{"result": _choices("y")}]}]
    (tmp_path / "review.json").write_text(json.dumps(tasks))
    assert _corrected(asked, tmp_path / "review.json").n_corrected == 2
    assert _read(asked)["kind"].to_list() == ["y", "[]"]


def _choices(*labels: str) -> list[dict[str, Any]]:
    return [{"type": "choices", "value": {"choices": [*labels]}}]


def test_one_label_is_not_corrected_to_none(tmp_path: Path) -> None:
    asked = _asked(tmp_path, _parquet(tmp_path))
    tasks = [{"data": {"text": "plain", "given": "good"}, "annotations": [{"result": []}]}]
    (tmp_path / "review.json").write_text(json.dumps(tasks))
    found = _corrected(asked, tmp_path / "review.json")
    assert (found.n_corrected, found.n_empty, found.n_unmatched) == (0, 1, 0)


@pytest.mark.parametrize("kind", ["conll", "lists"])
def test_entities_are_corrected_in_tags(kind: str, tmp_path: Path) -> None:
    if kind == "conll":
        (tmp_path / "rows.conll").write_text("-DOCSTART- O\n\nin x O\nOslo y O\n\nBo x B-person\n")
        source, text, wanted = "rows.conll", "text", ["O B-place", "O"]
    else:
        rows = {"tokens": [["in", "Oslo"], ["Bo"]], "tags": [["O", "O"], ["B-person"]]}
        pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
        source, text, wanted = "rows.parquet", "tokens", [["O", "B-place"], ["O"]]
    asked = _asked(tmp_path, source, task="text_ner", target="tags")
    spans = [{"type": "labels", "value": {"start": 3, "end": 7, "labels": ["place"]}}]
    tasks = [{"data": {text: "in Oslo", "given": ""}, "annotations": [{"result": spans}]}]
    tasks += [{"data": {text: "Bo", "given": "Bo (person)"}, "annotations": [{"result": []}]}]
    (tmp_path / "review.json").write_text(json.dumps(tasks))
    with pytest.raises(DataError, match="unknown classes place"):
        _corrected(asked, tmp_path / "review.json")
    found = correct_labels(asked, str(tmp_path / "review.json"), True, tmp_path / "log.jsonl")
    assert found.n_corrected == 2 and _read(asked)["tags"].to_list() == wanted
    if kind == "conll":
        given = (tmp_path / "rows.conll").read_text()
        assert given == "-DOCSTART- O\n\nin x O\nOslo y B-place\n\nBo x O\n"


def test_a_review_is_not_added_beside_what_it_corrects(tmp_path: Path, review: Path) -> None:
    asked = _asked(tmp_path, _parquet(tmp_path))
    with pytest.raises(SettingError, match="take them back by automl correct NAME FILE"):
        import_labels(asked, str(review), None, (), False)
    assert _read(asked).equals(KNOWN)


def test_what_cannot_be_is_refused(tmp_path: Path, review: Path) -> None:
    tasks = json.loads(review.read_text())
    (tmp_path / "torn.json").write_text(
        json.dumps([tasks[0], tasks[0] | {"annotations": [{"result": _choices("odd")}]}])
    )
    with pytest.raises(DataError, match="contradict each other for .*good soup.*; keep one of each, nothing"):
        correct_labels(_asked(tmp_path, _parquet(tmp_path)), str(tmp_path / "torn.json"), True, tmp_path / "log")
    asked = parse(
        {"task": "classification", "source": {"kind": "sklearn", "name": "wine"}, "target": "target"}, "asked"
    )
    (tmp_path / "wine.json").write_text(
        json.dumps([{"data": asked_row(asked), "annotations": [{"result": _choices("class_1")}]}])
    )
    with pytest.raises(SourceError, match="rows of a source of kind sklearn cannot be corrected; possible: conll, csv"):
        _corrected(asked, tmp_path / "wine.json")


def asked_row(asked: Experiment) -> dict[str, Any]:
    return _read(asked).drop("target").row(0, named=True)
