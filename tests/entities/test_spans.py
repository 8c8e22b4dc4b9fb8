"""Entities as people write them, and what is wrong with them told with the row."""

import json
from typing import Any

import polars as pl
import pytest

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.entities.steps.load_texts import load_texts
from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE

TEXT = "Ole Bull lives in Oslo."
TAGS = "B-person I-person O O B-place O"


def loaded(target: list[Any], texts: list[str] | None = None) -> list[str | None]:
    rows = pl.DataFrame({"text": texts or [TEXT] * len(target), "entities": target})
    experiment = Experiment.model_validate(
        {"name": "e", "task": "text_ner", "source": "rows.jsonl", "target": "entities"}
    )
    table, roles = load_texts(experiment, {SOURCE: rows}, {SOURCE: "rows.jsonl"}, NO_SCHEMA)
    assert roles.features == ("text",)
    return table["entities"].to_list()


@pytest.mark.parametrize(
    "cell",
    [
        [{"start": 0, "end": 8, "label": "person"}, {"start": 18, "end": 22, "label": "place"}],
        [
            {"start_offset": 18, "end_offset": 22, "label": "place"},
            {"start_offset": 0, "end_offset": 8, "label": "person"},
        ],
        '[{"start": 0, "end": 8, "labels": ["person"]}, {"start": 18, "end": 22, "labels": ["place"]}]',
        '[[0, 8, "person"], [18, 22, "place"]]',
        "[(0, 8, 'person'), (18, 22, 'place')]",
        TAGS,
        TAGS.split(),
        json.dumps(TAGS.split()),  # as a list of a source is read
        "I-person I-person O O S-place O",
    ],
)
def test_every_way_to_write_entities(cell: Any) -> None:
    assert loaded([cell]) == [TAGS]


def test_a_span_within_words_is_widened_to_them() -> None:
    assert loaded([[{"start": 1, "end": 7, "label": "person"}]]) == ["B-person I-person O O O O"]


def test_texts_without_entities_and_without_a_target() -> None:
    assert loaded(["[]", None, "[]"], [TEXT, TEXT, ""]) == ["O O O O O O", None, None]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ('[{"start": 0, "end": 99, "label": "x"}]', r"rows.jsonl: row 1, .*0 to 99 \(x\) lies beyond the text, of 23"),
        ('[{"start": 3, "end": 4, "label": "x"}]', r"row 1, .*holds no word: ' '"),
        ('[[0, 3, "a"], [0, 8, "b"]]', r"row 1, .*shares a word with another"),
        ('[{"start": 0, "label": "x"}]', r"row 1, .*has no start, end and label; write entities as"),
        ("B-person O", r"row 1, .*2 tags for 5 words; write as many"),
        ("person", r"row 1, .*'person' is neither tags nor a list of entities"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(cell: str, told: str) -> None:
    with pytest.raises(AutomlError, match=told):
        loaded([cell])
