"""Texts on which a model does badly are told in words: by length, capitals, label."""

import time
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.execution.time_shares import TimeShares
from automl_assets.features import language as module
from automl_assets.features.language import is_language_known, language_column, languages_of
from automl_assets.records import Dataset, Ensemble, Features, Problem, Roles, Split, Truth
from automl_assets.text.steps.analyse_errors import analyse_errors

SETS = Problem("text_classification_multilabel", "f1_score_micro", classes=("a", "b", "c"), is_multilabel=True)
PROBLEM = Problem("text_classification", "accuracy", classes=("no", "yes"), positive=1)
N_ROWS = 400


@dataclass(frozen=True)
class _Recipe:
    texts: tuple[str, ...] = ("text",)
    raw_columns: tuple[str, ...] = ("text", "shop")


def _analysed(is_bad: np.ndarray, table: pl.DataFrame, y: np.ndarray):
    shares = np.where(is_bad, 0.1, 0.9)
    predictions = np.where(np.eye(2, dtype=bool)[y], shares[:, None], 1 - shares[:, None])
    split = Split(np.zeros(N_ROWS, bool), np.full((N_ROWS, 1), 2, np.int8), "")
    ensemble = Ensemble("single", (), None, 0.9, {"single": 0.9}, predictions, _Recipe(), PROBLEM)
    dataset = Dataset(table, np.zeros(N_ROWS, np.int8), Roles("y", ("text", "shop")), "", NO_SCHEMA)
    return analyse_errors(dataset, Features(Truth(y, None, PROBLEM, split), None, _Recipe()), ensemble, seed=0)


def _sets_analysed(truth: np.ndarray, predictions: np.ndarray, table: pl.DataFrame):
    split = Split(np.zeros(N_ROWS, bool), np.full((N_ROWS, 1), 2, np.int8), "")
    ensemble = Ensemble("single", (), None, 0.9, {"single": 0.9}, predictions, _Recipe(), SETS)
    dataset = Dataset(table, np.zeros(N_ROWS, np.int8), Roles("y", ("text", "shop")), "", NO_SCHEMA)
    return analyse_errors(dataset, Features(Truth(truth, None, SETS, split), None, _Recipe()), ensemble, seed=0)


def _table() -> tuple[pl.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    n_words, is_loud = random.integers(1, 30, N_ROWS), random.random(N_ROWS) < 0.25
    texts = [" ".join(["word"] * n) for n in n_words]
    texts = [text.upper() if loud else text for text, loud in zip(texts, is_loud, strict=True)]
    shops = random.choice(["north", "south"], N_ROWS)
    return pl.DataFrame({"text": texts, "shop": shops}), random.integers(0, 2, N_ROWS), n_words, is_loud


def test_long_texts_that_are_answered_badly_are_told_by_their_words() -> None:
    table, y, n_words, _ = _table()
    (worst, *_) = _analysed(n_words > 22, table, y).cohorts
    assert worst.conditions == ("words in text > 22",)
    assert worst.metric == 0.0 and worst.rest_metric == 1.0


def test_capitals_the_label_and_other_columns_are_told() -> None:
    table, y, _, is_loud = _table()
    assert "share of capitals in text" in _analysed(is_loud, table, y).cohorts[0].conditions[0]
    assert _analysed(y == 1, table, y).cohorts[0].conditions == ('label is "yes"',)
    is_north = (table["shop"] == "north").to_numpy()
    assert _analysed(is_north, table, y).cohorts[0].conditions == ('shop is "north"',)


def test_sets_that_are_answered_badly_are_told_by_a_label_in_them() -> None:
    table, *_ = _table()
    truth = (np.random.default_rng(2).random((N_ROWS, 3)) < 0.3).astype(np.int8)
    wrong = truth[:, 1:2] > 0  # where b is, the model takes it for c
    predictions = np.where(truth > 0, 0.95, 0.05)
    predictions = np.where(
        wrong, np.where(np.arange(3) == 1, 0.1, np.where(np.arange(3) == 2, 0.8, predictions)), predictions
    )
    found = _sets_analysed(truth, predictions, table)
    assert 'has label b is "yes"' in found.cohorts[0].conditions
    assert found.by_group is not None and found.by_group["column"][0] == "has label b"
    pair = found.confusions.filter(pl.col("kind") == "other label").row(0, named=True)
    assert (pair["label"], pair["answered"]) == ("b", "c")


def test_the_language_is_told_where_there_is_time_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Languages of long texts took longer than all the rest, and nobody looked at the clock."""
    hand, texts = {"seconds": 0.0}, pl.Series(["a text"] * N_ROWS)

    def slow(some: pl.Series) -> pl.Series:
        hand["seconds"] += 0.1 * len(some)
        return pl.Series(["en"] * len(some))

    for name, made in (("languages_of", slow), ("is_language_known", lambda: True)):
        monkeypatch.setattr(module, name, made)
    monkeypatch.setattr(time, "monotonic", lambda: hand["seconds"])
    roomy, tight = (TimeShares(seconds, {"columns": 0.5}) for seconds in (200.0, 20.0))
    assert [one.name for one in language_column(texts, "text", roomy)] == ["language of text"]
    assert roomy.left_out == []
    before = hand["seconds"] = 0.0
    assert language_column(texts, "text", tight) == []
    assert tight.left_out == ["language of text"]
    assert hand["seconds"] - before < 10.0


def test_nothing_is_told_where_nothing_is_bad_and_empty_texts_are_survived() -> None:
    table, y, _, _ = _table()
    empty = table.with_columns(pl.when(pl.int_range(N_ROWS) % 3 == 0).then(None).otherwise("text").alias("text"))
    found = _analysed(np.random.default_rng(1).random(N_ROWS) < 0.1, empty, y)
    assert found.cohorts == ()
    assert found.label_errors is not None and found.label_errors.height > 0


def test_a_text_without_letters_has_no_language() -> None:
    found = languages_of(pl.Series(["123 !", "The weather is very nice in this lovely town today", None]))
    assert found[0] is None and found[2] is None
    assert found[1] == ("en" if is_language_known() else None)
