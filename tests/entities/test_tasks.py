"""Tags as a target: an answer of each token, and a class of each text by which texts are divided."""

from pathlib import Path

import polars as pl
import pytest

from automl_assets import registry
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import parse
from automl_assets.steps.load import load

TASK = registry.tasks()["text_ner"]
TAGS = pl.Series("tags", ["B-a I-a O", None, "O", "B-b B-a", "B-c"])


def test_each_token_has_an_answer_and_each_text_a_class() -> None:
    problem = TASK.problem(TAGS.head(4), "entity_f1_micro", None)
    assert problem.classes == ("O", "B-a", "I-a", "B-b", "I-b")
    assert TASK.encode_target(TAGS, problem).tolist() == [1, 2, 0, 0, 3, 1, 0], "a label never met counts as O"
    assert TASK.parts is not None and TASK.parts.rows_of(TAGS).tolist() == [0, 0, 0, 2, 3, 3, 4]
    assert TASK.encode_rows(TAGS, problem).tolist() == [1, -1, 0, 3, 0], "the rarest label of a text"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"threshold": 0.3}, "threshold: how probable an entity must be is chosen"),
        ({"positive_label": "a"}, "positive_label: only a classification has one"),
        ({"time_column": "day", "group_column": "writer"}, "a split keeps either groups or time apart"),
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: dict, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        parse({"task": "text_ner", "source": "rows.jsonl", "target": "tags"} | setting, "asked")


def test_a_column_that_is_called_as_an_output_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"start": ["Oslo is far"], "tags": ["B-place O O"]}).write_ndjson(tmp_path / "rows.jsonl")
    asked = parse({"task": "text_ner", "source": str(tmp_path / "rows.jsonl"), "target": "tags"}, "asked")
    with pytest.raises(SettingError, match="called 'start', as an output of the model file is; call it 'text'"):
        load(asked)
