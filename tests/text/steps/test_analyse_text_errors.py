"""Texts on which a model does badly are told in words: by length, capitals, label."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.records import Dataset, Ensemble, Features, Problem, Roles, Split, Truth
from automl_assets.text.features.language import is_language_known, languages_of
from automl_assets.text.steps.analyse_errors import analyse_errors

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
