"""Labels that were changed by hand are found first, and people's review of them is read back."""

import json

import numpy as np
import polars as pl

from automl_assets import registry
from automl_assets.data.schema import NO_SCHEMA
from automl_assets.records import Dataset, Problem, Roles
from automl_assets.steps.find_label_errors import find_label_errors, review_csv, review_tasks, with_columns_of

SETS = Problem("text_classification_multilabel", "f1_score_micro", classes=("a", "b", "c"), is_multilabel=True)
PROBLEM = Problem("classification", "accuracy", classes=("a", "b", "c"))


def _planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of which 20 in 400 were changed, the rows of these, and what models say that never saw a row."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 400)
    raw = np.eye(3)[truth] * 2.5 + random.normal(size=(400, 3))
    changed = random.choice(400, 20, replace=False)
    labels = truth.copy()
    labels[changed] = (labels[changed] + 1) % 3
    return labels, changed, np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)


def test_changed_labels_stand_in_front() -> None:
    labels, changed, predictions = _planted()
    found = find_label_errors(labels, predictions, PROBLEM)
    leading = found["row"].to_numpy()[:20]
    assert np.isin(leading, changed).mean() >= 0.75
    assert np.isin(changed, found["row"].to_numpy()).mean() >= 0.8
    assert found.height < 60
    assert (found["label"] != found["likely"]).all()
    assert (found["likely_probability"] > found["probability"]).all()


def test_rows_without_a_label_or_a_prediction_are_not_judged() -> None:
    labels, changed, predictions = _planted()
    labels[changed[:5]], predictions[changed[5:10]] = -1, np.nan
    assert not np.isin(changed[:10], find_label_errors(labels, predictions, PROBLEM)["row"].to_numpy()).any()


def test_a_class_that_no_row_has_is_never_the_likely_one() -> None:
    predictions = np.array([[0.1, 0.2, 0.7], [0.2, 0.1, 0.7], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    assert "c" not in find_label_errors(np.array([0, 1, 0, 1]), predictions, PROBLEM)["likely"].to_list()


def _planted_sets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sets of three labels of which 30 rows were given one more, or one less; these rows, and what models say."""
    random = np.random.default_rng(1)
    truth = (random.random((400, 3)) < 0.4).astype(np.int8)
    predictions = 1 / (1 + np.exp(-(truth * 6.0 - 3.0 + random.normal(size=truth.shape))))
    changed = random.choice(400, 30, replace=False)
    labels = truth.copy()
    labels[changed, changed % 3] ^= 1
    return labels, changed, predictions


def test_labels_that_were_put_into_sets_or_taken_out_stand_in_front() -> None:
    labels, changed, predictions = _planted_sets()
    found = find_label_errors(labels, predictions, SETS)
    assert np.isin(found["row"].to_numpy()[:25], changed).all()
    for row, label, likely in found.select("row", "label", "likely").head(25).iter_rows():
        assert {*json.loads(label)} ^ {*json.loads(likely)} == {"abc"[row % 3]}
        assert json.loads(label) == [name for name, is_in in zip("abc", labels[row], strict=True) if is_in]
    assert found["probability"].is_sorted() and (found["probability"] < 0.5).all()


def test_sets_without_a_prediction_are_not_judged_and_right_ones_are_not_listed() -> None:
    labels, changed, predictions = _planted_sets()
    labels[changed[:5]], predictions[changed[5:10]] = -1, np.nan
    assert not np.isin(changed[:10], find_label_errors(labels, predictions, SETS)["row"].to_numpy()).any()
    assert find_label_errors(labels, np.where(labels > 0, 0.9, 0.1), SETS).is_empty()


def test_a_reviewed_set_comes_back_as_the_labels_that_are_between_commas() -> None:
    found = _found().with_columns(likely=pl.Series(['["a", "b"]', "[]"]))
    tasks = json.loads(review_tasks(found, "y", are_sets=True))
    proposed = [[one["value"]["choices"] for one in task["predictions"][0]["result"]] for task in tasks]
    assert proposed == [[["a", "b"]], []], "there is nothing to choose of an empty set"
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    read = registry.label_formats()["label_studio"].read(json.dumps(tasks).encode(), "review.json", "y")
    assert read["y"].to_list() == ["a, b", "[]"]


def _found() -> pl.DataFrame:
    table = pl.DataFrame({"text": ["=cmd()", 'two\nlines, "quoted"', "🍲 مرق"], "row": ["x", "y", "z"]})
    dataset = Dataset(table, np.zeros(3, np.int8), Roles("y", ("text", "row")), "", NO_SCHEMA)
    found = pl.DataFrame(
        {
            "row": [2, 0],
            "label": ["a", "b"],
            "likely": ["b", "a"],
            "probability": [0.1, 0.2],
            "likely_probability": [0.9, 0.8],
        }
    )
    return with_columns_of(found, dataset)


def test_a_spreadsheet_gets_the_rows_themselves_and_no_formulas() -> None:
    read = pl.read_csv(review_csv(_found(), "y"))
    assert read["text"].to_list() == ["🍲 مرق", "'=cmd()"]
    assert read["row_"].to_list() == ["z", "x"]
    assert read["given"].to_list() == read["y"].to_list() == ["a", "b"]


def test_label_studio_gets_tasks_whose_review_is_read_back() -> None:
    tasks = json.loads(review_tasks(_found(), "y"))
    assert tasks[0]["data"] == {"row": 2, "text": "🍲 مرق", "row_": "z", "given": "a"}
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["b"]}
    for task in tasks:
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    read = registry.label_formats()["label_studio"].read(json.dumps(tasks).encode(), "review.json", "y")
    assert read["y"].to_list() == ["b", "a"]
    assert read["text"].to_list() == ["🍲 مرق", "=cmd()"]
