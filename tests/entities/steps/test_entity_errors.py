"""Where a model of entities is wrong, in words; and words whose tag is likely wrong, for people to look at."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.entities.steps import find_label_errors as module
from automl_assets.entities.steps.analyse_errors import analyse_errors
from automl_assets.entities.steps.find_label_errors import find_label_errors, review_label_errors
from automl_assets.entities.steps.judged_entities import judged_entities
from automl_assets.experiment.experiment import parse
from automl_assets.records import Ensemble, Features
from automl_assets.steps.correct_labels import correct_labels
from automl_assets.tagging import tags_of

TAGS = tags_of(["person", "place"])


def test_what_became_of_each_entity() -> None:
    codes = {tag: code for code, tag in enumerate(TAGS)}
    truth, found = (
        np.array([codes[tag] for tag in text.split()])
        for text in (
            "B-person I-person O B-place O B-place I-place O B-person O O       B-place O",
            "B-person I-person O B-person O B-place O      O O        O B-place I-place I-place",
        )
    )
    judged = judged_entities(truth, found)
    assert judged.kind.tolist() == ["right", "other label", "other bounds", "missed", "other bounds"]
    assert judged.f1(np.arange(5)) == pytest.approx(2 / (5 + 4))
    assert sorted(judged.pairs(("person", "place"))) == [
        ("missed", "person", "", 1),
        ("other bounds", "place", "place", 2),
        ("other label", "place", "person", 1),
    ]


def test_an_entity_where_there_is_none_and_one_of_other_label_and_bounds() -> None:
    judged = judged_entities(np.array([0, 0, 3, 4]), np.array([1, 0, 0, 1]))
    assert judged.kind.tolist() == ["other bounds and label", "not there"]
    assert judged.pairs(("person", "place")) == [
        ("other bounds and label", "place", "person", 1),
        ("not there", "", "person", 1),
    ]


def _with_answers(case: Any, change: Any) -> Ensemble:
    """An ensemble whose out-of-fold answers are the truth but where `change` makes them others."""
    codes = case.features.truth.y.copy()
    change(codes, case.features)
    return replace(case.ensemble, predictions=np.eye(len(TAGS))[codes] * 0.96 + 0.008)


def _without_test(case: Any) -> Features:
    split = replace(case.features.truth.split, is_test=np.zeros(len(case.features.truth.y), bool))
    return replace(case.features, truth=replace(case.features.truth, split=split))


def test_entities_that_training_lacks_are_told_where_these_are_missed(case: Any) -> None:
    features = _without_test(case)
    words, n_texts = np.unique(features.inputs.tokens.astype(str), return_counts=True)
    rare = {*words[n_texts == 1].tolist()}

    def miss(codes: np.ndarray, of: Features) -> None:
        codes[np.isin(of.inputs.tokens.astype(str), list(rare))] = 0

    found = analyse_errors(case.dataset, features, _with_answers(case, miss), seed=0)
    assert found.rows == "out_of_fold" and found.by_group is not None
    groups = found.by_group.filter(pl.col("column") == "known from training")
    losses = dict(groups.select("group", "loss").iter_rows())
    assert losses["no"] > losses["yes"]
    assert {"missed"} <= {*found.confusions["kind"]}


def test_a_label_that_is_taken_for_another_is_told_with_the_pair(case: Any) -> None:
    def swap(codes: np.ndarray, of: Features) -> None:
        codes[codes == 3] = 1
        codes[codes == 4] = 2

    found = analyse_errors(case.dataset, _without_test(case), _with_answers(case, swap), seed=0)
    assert found.cohorts[0].conditions == ('label is "place"',)
    assert found.cohorts[0].metric == 0.0 and found.cohorts[0].rest_metric == 1.0
    assert found.confusions.row(0)[:3] == ("other label", "place", "person")
    assert found.confusions["share"][0] == 1.0


def test_words_that_somebody_forgot_to_mark_are_listed_with_their_text(case: Any) -> None:
    found = find_label_errors(case.dataset, case.features, case.ensemble)
    judged = ~np.isnan(case.ensemble.predictions).any(axis=1)
    planted = case.changed & {*case.features.inputs.text[judged].tolist()}
    assert planted <= {*found["row"]}
    leading = found.head(len(planted))
    assert (leading["label"] == "O").all() and (leading["likely"] != "O").all()
    for row, word, start, end, text in found.select("row", "word", "start", "end", "text").iter_rows():
        assert text[start:end] == word and case.dataset.table["text"][row] == text


def test_label_studio_gets_the_entities_as_they_likely_are_and_their_review_comes_back(
    case: Any, tmp_path: Path
) -> None:
    tasks = json.loads(review_label_errors(case.dataset, case.features, case.ensemble))
    assert {"row", "text", "given"} == {*tasks[0]["data"]}
    for one in tasks:
        spans = [result["value"] for result in one["predictions"][0]["result"]]
        assert all(one["data"]["text"][span["start"] : span["end"]] == span["text"] for span in spans)
        one["annotations"] = [{"result": one["predictions"][0]["result"]}]
    planted = [one for one in tasks if one["data"]["row"] in case.changed]
    assert all(
        {"person"} <= {label for r in one["predictions"][0]["result"] for label in r["value"]["labels"]}
        for one in planted
    )
    read = registry.label_formats()["label_studio"].read(json.dumps(tasks).encode(), "review.json", "tags")
    assert read.height == len(tasks)
    known = tmp_path / "known.csv"
    case.dataset.table.select("text", "tags").write_csv(known)
    review = tmp_path / "review.json"
    review.write_text(json.dumps(planted))
    experiment = parse({"task": "text_ner", "source": str(known), "target": "tags"}, "known")
    found = correct_labels(experiment, str(review), False, tmp_path / "log.jsonl")
    assert found.n_corrected == len(planted) and found.n_unmatched == 0
    corrected, before = pl.read_csv(known)["tags"], case.dataset.table["tags"]
    differ = np.flatnonzero((corrected != before).to_numpy())
    assert {*differ.tolist()} == {one["data"]["row"] for one in planted}


def test_in_no_time_parts_are_left_out_and_told_and_texts_without_entities_are_survived(case: Any) -> None:
    found = analyse_errors(case.dataset, case.features, case.ensemble, seed=0, seconds=0.0)
    assert {"cohorts", "heat", "label errors"} <= {*found.left_out}
    nothing = replace(case.features, truth=replace(case.features.truth, y=np.zeros_like(case.features.truth.y)))
    none = replace(case.ensemble, predictions=np.eye(len(TAGS))[nothing.truth.y])
    split = replace(nothing.truth.split, is_test=np.zeros(len(nothing.truth.y), bool))
    found = analyse_errors(case.dataset, replace(nothing, truth=replace(nothing.truth, split=split)), none, seed=0)
    assert (found.n_rows, found.mean_loss, found.cohorts) == (0, 0.0, ())


def test_a_text_is_parted_once_however_many_entities_it_names(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    parted = module.token_places
    monkeypatch.setattr(module, "token_places", lambda text, *form: asked.append(text) or parted(text, *form))
    ensemble = _with_answers(case, lambda codes, features: codes.__setitem__(slice(0, 40), 0))
    tasks = json.loads(review_label_errors(case.dataset, case.features, ensemble))
    assert len(asked) <= len(tasks) and any(", " in one["data"]["given"] for one in tasks)
