"""Entities that people marked come back into a source that tells them by their places."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automl_assets.errors import DataError
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


SENTENCES = [["in", "Oslo", str(number)] for number in range(3)] + [["Ann B", "met", "Rome"]]
TAGS = [["O", "B-place", "O"]] * 3 + [["B-person", "O", "B-place"]]
CONLL = "in O\nOslo B-place\n0 O\n\nAnn B-person\nmet O\nRome B-place\n"


def _lists(folder: Path) -> str:
    pl.DataFrame({"tokens": SENTENCES, "tags": TAGS}).write_parquet(folder / "known.parquet")
    return "known.parquet"


def _json_lists(folder: Path) -> str:
    rows = {"tokens": map(json.dumps, SENTENCES), "tags": map(json.dumps, TAGS)}
    pl.DataFrame({name: [*cells] for name, cells in rows.items()}).write_csv(folder / "known.csv")
    return "known.csv"


def _conll(folder: Path) -> str:
    (folder / "known.conll").write_text(CONLL)
    return "known.conll"


def _places(folder: Path) -> str:
    row = {"text": "Ann in Oslo", "tags": [{"start_offset": 0, "end_offset": 3, "label": "person"}]}
    other = {"text": "Oslo", "tags": [{"start_offset": 0, "end_offset": 4, "label": "place"}]}
    return Path(_write(folder / "known.jsonl", row, other)).name


@pytest.mark.parametrize(
    ("kind", "added"),
    [
        (_lists, (["in", "Rome", ",", "3"], ["O", "B-place", "O", "O"])),
        (_json_lists, ('["in", "Rome", ",", "3"]', '["O", "B-place", "O", "O"]')),
        (_conll, ("in Rome, 3", "O B-place O")),
        (_places, ("in Rome,\n3", [{"start_offset": 3, "end_offset": 7, "label": "place"}])),
    ],
)
def test_places_marked_in_a_text_are_told_as_the_source_tells_its_own(
    kind: Callable[[Path], str], added: tuple, tmp_path: Path
) -> None:
    """Of three marked texts two are in the source of lists already, one of them with a blank within a token."""
    asked = parse({"task": "text_ner", "source": str(tmp_path / kind(tmp_path)), "target": "tags"}, "known")
    marks = {
        "in Rome,\n3": [(3, 7, "place")],
        "in Oslo 1": [(3, 7, "place")],
        "Ann\u00a0B met Rome": [(0, 5, "person"), (10, 14, "place")],
    }
    column = asked.source.part.read(asked.source.options).columns[0]
    tasks = [_task({column: text}, *spans) for text, spans in marks.items()]
    (tmp_path / "back.json").write_text(json.dumps(tasks))
    found = import_labels(asked, str(tmp_path / "back.json"), None, (), is_new=False)
    assert found.rows.row(0) == added and (found.n_known == 2) == (column == "tokens")
    assert asked.source.part.read(asked.source.options).height >= found.rows.height + 2
    assert import_labels(asked, str(tmp_path / "back.json"), None, (), is_new=False).n_known == 3


def _task(data: dict[str, Any], *spans: tuple[int, int, str]) -> dict[str, Any]:
    values = [{"start": start, "end": end, "labels": [label]} for start, end, label in spans]
    return {"data": data, "annotations": [{"result": [{"type": "labels", "value": value} for value in values]}]}


def test_tags_come_back_into_lists_and_places(tmp_path: Path) -> None:
    (tmp_path / "back.conll").write_text("in O\nNew B-place\nYork, I-place\n")
    given = {}
    for kind in (_lists, _places):
        asked = parse({"task": "text_ner", "source": str(tmp_path / kind(tmp_path)), "target": "tags"}, "known")
        given[kind] = import_labels(asked, str(tmp_path / "back.conll"), None, (), is_new=False).rows.row(0)
    assert given == {
        _lists: (["in", "New", "York,"], ["O", "B-place", "I-place"]),
        _places: ("in New York,", [{"start_offset": 3, "end_offset": 12, "label": "place"}]),
    }


def test_places_beyond_their_text_are_told(tmp_path: Path) -> None:
    asked = parse({"task": "text_ner", "source": str(tmp_path / _lists(tmp_path)), "target": "tags"}, "known")
    (tmp_path / "back.json").write_text(json.dumps([_task({"tokens": "in Rome"}, (3, 9, "place"))]))
    with pytest.raises(DataError, match=r"label 1, 'in Rome': the entity 3 to 9 \(place\) lies beyond the text"):
        import_labels(asked, str(tmp_path / "back.json"), None, (), is_new=False)
