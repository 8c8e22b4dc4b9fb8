"""A cohort that was made bad is found and told in words; where nothing is bad, nothing is told."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from automl_assets.explanation.error_cohorts import leaves
from automl_assets.metrics import oriented
from automl_assets.model_records import ErrorAnalysis
from automl_assets.steps.analyse_errors import _most_rows, analyse_errors
from automl_assets.steps.holdout_predictions import CHUNK
from tests.learned import with_truth


def planted(case, is_bad: np.ndarray) -> ErrorAnalysis:
    """The analysis where the truth of the bad rows is another one than was learnt; every row is judged."""
    y, problem = case.features.truth.y, case.ensemble.problem
    wrong = (y + 1) % problem.n_classes if problem.classes else y + 5000.0
    split = replace(case.split, is_test=np.ones(len(y), bool))
    features = with_truth(case.features, y=np.where(is_bad, wrong, y), split=split)
    return analyse_errors(case.dataset, features, case.ensemble, seed=0)


@pytest.mark.parametrize("case_name", ["texts", "three_texts", "regression"])
@pytest.mark.parametrize(
    ("is_bad", "words"),
    [
        (pl.col("colour") == "green", 'is "green"'),
        (pl.col("noise") > 0.5, "noise > "),
        (pl.col("bought") < pl.date(2020, 9, 1), "bought ≤ 202"),
    ],
    ids=["text", "number", "date"],
)
def test_a_planted_cohort_is_found(learned, case_name: str, is_bad: pl.Expr, words: str) -> None:
    case = learned(case_name)
    bad = case.dataset.table.select(is_bad.fill_null(False)).to_series().to_numpy()
    found = planted(case, bad)
    worst, metric = found.cohorts[0], found.metric
    assert any(words in condition for condition in worst.conditions)
    assert worst.loss > 2 * worst.rest_loss
    assert oriented(metric, worst.metric) < oriented(metric, worst.rest_metric)
    assert 0.3 * bad.sum() < worst.n_rows < 1.5 * bad.sum()
    assert worst.share == pytest.approx(worst.n_rows / found.n_rows)
    assert [picture.name for picture in found.pictures] == ["cohorts", "error_heat"]


def test_the_heat_table_shows_every_row_once(learned) -> None:
    case = learned("texts")
    found = planted(case, (case.dataset.table["colour"] == "green").to_numpy())
    assert found.heat_columns[0] in ("colour", "label")  # the same texts under two names
    assert found.heat["n_rows"].sum() == found.n_rows == 240
    worst = found.heat.filter(pl.col("n_rows") > 5).sort("loss")[-1]
    assert worst["first"].item() == "green"
    mean = (found.heat["loss"].fill_null(0.0) * found.heat["n_rows"]).sum() / found.n_rows
    assert mean == pytest.approx(found.mean_loss)


def test_without_a_bad_cohort_none_is_told(learned) -> None:
    case = learned("regression")
    split = replace(case.split, is_test=np.ones(240, bool))
    noise = np.random.default_rng(1).normal(scale=5000.0, size=240)
    y = case.ensemble.predictions[:, 0]
    features = with_truth(case.features, y=np.where(np.isnan(y), 0.0, y) + noise, split=split)
    found = analyse_errors(case.dataset, features, case.ensemble, seed=0)
    assert len(found.cohorts) <= 1  # by chance, once in so many leaves


def test_without_test_rows_out_of_fold_rows_are_analysed(learned) -> None:
    case = learned("texts")
    features = with_truth(case.features, split=replace(case.split, is_test=np.zeros(240, bool)))
    found = analyse_errors(case.dataset, features, case.ensemble, seed=0)
    assert (found.rows, found.n_rows) == ("out_of_fold", int(case.split.is_training.sum()))


COLUMNS = pl.DataFrame(
    {
        "whole": [i % 50 for i in range(1000)],
        "gaps": [None if i % 4 == 0 else i / 7 for i in range(1000)],
        "text": [f"level {i % 12}" for i in range(1000)],
        "free": [f"text {i}" for i in range(1000)],
        "flag": [i % 3 == 0 for i in range(1000)],
    }
)


@pytest.mark.parametrize(
    ("is_bad", "words"),
    [
        ((pl.col("whole") > 10) & (pl.col("whole") <= 20), {"10 < whole ≤ 20"}),
        (pl.col("gaps").is_null(), {"gaps is missing"}),
        (pl.col("text").is_in(["level 3", "level 7"]), {'text is "level 3" or "level 7"', 'text is "level 7" or "level 3"'}),
        (pl.col("text") != "level 3", {'text is not "level 3"'}),
        (pl.col("flag"), {'flag is "true"'}),
        (pl.col("flag") & (pl.col("whole") > 30), {'flag is "true"', "whole > 30"}),
    ],
)  # fmt: skip
def test_conditions_are_told_in_words(is_bad: pl.Expr, words: set[str]) -> None:
    loss = COLUMNS.select(is_bad.cast(pl.Float64)).to_series().to_numpy()
    found = [leaf for leaf in leaves(COLUMNS, loss, np.ones(1000, bool)) if loss[leaf.is_inside].mean() > 0.99]
    (worst,) = found
    assert (loss == 1).sum() == worst.is_inside.sum()
    assert set(worst.conditions) <= words and worst.conditions


def test_leaves_hold_every_row_once() -> None:
    loss = np.random.default_rng(0).random(1000)
    inside = [leaf.is_inside for leaf in leaves(COLUMNS, loss, np.arange(1000) % 2 == 0)]
    assert (np.sum(inside, axis=0) == 1).all()


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_in_no_time_parts_are_left_out_and_told(learned, seconds: float) -> None:
    case = learned("texts")
    made = analyse_errors(case.dataset, case.features, case.ensemble, seed=0, seconds=seconds)
    assert made.left_out == ("cohorts", "heat", "label errors")
    assert made.label_errors is None
    assert (made.cohorts, made.heat_columns, made.pictures) == ((), (), ())
    assert made.n_rows == case.features.truth.split.is_shown.sum() and made.mean_loss > 0


def test_the_time_bounds_how_many_rows_are_looked_at() -> None:
    assert _most_rows(n_columns=20, seconds=float("inf")) == 50_000
    assert _most_rows(n_columns=20, seconds=2.0) == 10_000
    assert _most_rows(n_columns=2_000, seconds=-1.0) == CHUNK
