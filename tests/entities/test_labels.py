"""Entities that people marked come back into a source that tells them by their places."""

import json
from pathlib import Path
from typing import Any

import pytest

from automl_assets.errors import AutomlError, DataError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.steps.import_labels import import_labels


def _row(number: int, text: str, *entities: tuple[int, int, str]) -> dict[str, Any]:
    found = [{"start": start, "end": end, "label": label} for start, end, label in entities]
    return {"number": number, "text": text, "entities": found}


def _write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    rows = _row(1, "Oslo and Bergen", (0, 4, "place"), (9, 15, "place")), _row(2, "Bo ran", (0, 2, "person"))
    source = _write(tmp_path / "known.jsonl", *rows)
    return parse({"task": "text_ner", "source": source, "target": "entities"}, "known")


def test_new_texts_are_added_with_their_entities(experiment: Experiment, tmp_path: Path) -> None:
    given = _write(tmp_path / "given.jsonl", _row(3, "Ann in Rome", (0, 3, "person"), (7, 11, "place")))
    assert import_labels(experiment, given, None, ("number",), is_new=False).rows.height == 1
    last = json.loads((tmp_path / "known.jsonl").read_text().splitlines()[-1])
    assert [(one["start"], one["end"], one["label"]) for one in last["entities"]] == [
        (0, 3, "person"),
        (7, 11, "place"),
    ]


def test_labels_that_the_source_lacks_are_told(experiment: Experiment, tmp_path: Path) -> None:
    given = _write(tmp_path / "given.jsonl", _row(3, "Acme grew", (0, 4, "firm")))
    with pytest.raises(DataError, match="unknown classes firm; the source has person, place"):
        import_labels(experiment, given, None, ("number",), is_new=False)


def test_the_same_labels_at_other_places_contradict_the_source(experiment: Experiment, tmp_path: Path) -> None:
    given = _write(tmp_path / "given.jsonl", _row(1, "Oslo and Bergen", (0, 15, "place")))
    with pytest.raises(DataError, match="the source has other labels for number = 1"):
        import_labels(experiment, given, None, ("number",), is_new=False)


def test_texts_for_a_source_of_lists_are_refused_with_what_to_do(tmp_path: Path) -> None:
    rows = [{"tokens": ["in", "Oslo", str(number)], "tags": ["O", "B-place", "O"]} for number in range(3)]
    source = _write(tmp_path / "lists.jsonl", *rows)
    span = {"start": 3, "end": 6, "text": "Rom", "labels": ["place"]}
    task = {"data": {"tokens": "in Rom 3"}, "annotations": [{"result": [{"type": "labels", "value": span}]}]}
    (tmp_path / "back.json").write_text(json.dumps([task]))
    asked = parse({"task": "text_ner", "source": source, "target": "tags"}, "lists")
    with pytest.raises(
        AutomlError, match=r'column \'tokens\': .*\["in", "Oslo", "0"\], and the labels have texts; write them'
    ):
        import_labels(asked, str(tmp_path / "back.json"), None, (), is_new=False)
