"""Columns that carry the signal matter, noise does not, contributions add up, and time is kept."""

import time

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.features import featurizer_onnx
from automl_assets.model_records import Explanation
from automl_assets.steps.explained_outputs import log_odds
from automl_assets.tabular.steps import explain as explaining
from automl_assets.tabular.steps import shap_values as contributing
from automl_assets.tabular.steps.explain import N_REPEATS, explain, explain_rows
from automl_assets.tabular.steps.predict import answer
from automl_assets.tabular.steps.shap_values import OTHERS, Asked, shap_values

CASES = ["texts", "three_texts", "regression"]


def explained(case, seconds: float = 60, seed: int = 0) -> Explanation:
    return explain(case.ensemble, case.dataset, case.features, seed, seconds)


def sums(table: pl.DataFrame) -> pl.DataFrame:
    return table.group_by("row", "output", maintain_order=True).agg(pl.col("contribution").sum())


@pytest.mark.parametrize("case_name", CASES)
def test_signal_stands_before_noise(learned, case_name: str) -> None:
    case = learned(case_name)
    found = explained(case)
    means = {importance.column: importance.mean for importance in found.importances}
    assert set(means) == set(case.ensemble.featurizer.raw_columns)
    assert list(means.values()) == sorted(means.values(), reverse=True)
    assert next(iter(means)) == "size"
    assert means["size"] > 3 * abs(means["noise"])
    assert found.contributions.strengths["column"][0] == "size"
    assert found.contributions.strengths["column"][-1] == "noise"
    assert found.metric == case.experiment.metric


def test_engineered_columns_have_importances_of_their_own(learned) -> None:
    case = learned("regression")
    means = {importance.column: importance.mean for importance in explained(case).engineered}
    assert set(means) == {column.name for column in case.ensemble.featurizer.columns}
    assert next(iter(means)) == "size"
    assert means["bought_days"] > means["bought_month"]  # the value grows with time, and has no seasons


@pytest.mark.parametrize("case_name", CASES)
def test_contributions_add_up_to_the_answer(learned, case_name: str) -> None:
    case = learned(case_name)
    found = explained(case).contributions
    total = sums(found.table)
    rows = total["row"].unique(maintain_order=True).to_list()
    expected = log_odds(answer(case.ensemble, case.dataset.table[rows]), case.ensemble.problem)
    reached = total["contribution"].to_numpy().reshape(len(rows), -1) + np.array(found.base)
    np.testing.assert_allclose(reached, expected, rtol=1e-3, atol=1e-3 * max(1.0, np.abs(expected).max()))
    assert case.split.is_test[rows].all(), "only rows nobody has learnt from are shown"


def test_contributions_show_the_values_of_their_row(learned) -> None:
    case = learned("texts")
    table = explained(case).contributions.table.filter(pl.col("column") == "colour")
    assert table["value"].to_list() == case.dataset.table["colour"][table["row"]].to_list()
    red = pl.col("value") == "red"
    assert table.filter(red)["contribution"].min() > table.filter(~red)["contribution"].max()


def test_the_dependence_rises_with_the_size(learned) -> None:
    table = explained(learned("texts")).dependence
    means = table.filter(pl.col("column") == "size")["mean"].to_numpy()
    assert len(means) > 10 and means[-1] - means[0] > 0.3
    assert set(table["output"]) == {"yes"}
    levels = dict(table.filter(pl.col("column") == "colour").select("value", "mean").iter_rows())
    assert max(levels, key=levels.get) == "red"


def test_every_picture_is_drawn(learned) -> None:
    names = [picture.name for picture in explained(learned("three_texts")).pictures]
    assert names == ["importance", "contributions", "engineered_importance", "dependence"]


def test_without_time_every_column_is_shuffled_once(learned) -> None:
    case = learned("texts")
    started = time.process_time()
    hurried = explained(case, seconds=-1)
    assert time.process_time() - started < 5
    assert all(np.isnan(importance.std) for importance in hurried.importances), "one shuffle has no spread"
    assert set(case.ensemble.featurizer.raw_columns) == {importance.column for importance in hurried.importances}
    assert hurried.contributions.n_compared == 1 and hurried.contributions.table["row"].n_unique() == 20
    assert (len(hurried.engineered), hurried.dependence.height) == (0, 0)
    assert N_REPEATS > 1
    assert any(importance.std > 0 for importance in explained(case).importances)


def test_the_seed_decides(learned) -> None:
    first, again = (explained(learned("texts"), seed=3) for _ in range(2))
    assert first.importances == again.importances
    assert first.contributions.table.equals(again.contributions.table)


def test_the_table_is_left_as_it_was(learned) -> None:
    case = learned("texts")
    before = case.dataset.table.clone()
    explained(case, seconds=0)
    assert case.dataset.table.equals(before)


def test_given_rows_are_explained(learned) -> None:
    case = learned("regression")
    rows = pl.DataFrame({"size": [2.0, -2.0], "colour": "red", "noise": None, "label": "unseen"}, strict=False)
    rows = rows.with_columns(bought=pl.lit("2021-05-05").str.to_date())
    found = explain_rows(case.ensemble, case.dataset, case.features, rows, seconds=30)
    assert found.columns == ["row", "output", "base", "column", "value", "contribution", "standard_error"]
    by_size = found.filter(pl.col("column") == "size")["contribution"].to_list()
    assert by_size[0] > 0 > by_size[1]
    score = sums(found)["contribution"].to_numpy() + found["base"][0]
    np.testing.assert_allclose(score, answer(case.ensemble, rows)[:, 0], rtol=1e-3)


def test_a_row_is_explained_alike_alone_and_among_others(learned) -> None:
    """Against the rows that were stored with the model."""
    case = learned("texts")
    assert case.ensemble.background.height == min(64, case.split.is_test.sum())
    table = case.dataset.table
    given = (case.ensemble, case.dataset, case.features)
    alone, among = (explain_rows(*given, rows, seconds=60) for rows in (table[:1], table[:50]))
    assert alone["base"][0] == among["base"][0] == explained(case).contributions.base[0]
    first = among.filter(pl.col("row") == 0)["contribution"].to_numpy()
    np.testing.assert_allclose(alone["contribution"].to_numpy(), first, atol=1e-4)
    hurried = explain_rows(*given, table[:50], seconds=0)
    assert hurried["base"][0] == alone["base"][0]
    assert hurried["standard_error"].is_nan().all() and alone["standard_error"].max() < 0.5


def test_a_missing_column_is_told(learned) -> None:
    case = learned("texts")
    with pytest.raises(DataError, match='the rows have no column "size"'):
        explain_rows(case.ensemble, case.dataset, case.features, case.dataset.table.drop("size"), seconds=1)


def test_many_columns_are_told_apart_up_to_a_limit(learned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contributing, "MOST_PLAYERS", 3)
    case = learned("texts")
    asked, table = Asked.open(case.ensemble), case.dataset.table.head(3)
    found = shap_values(asked, table, table, ["size", "colour", "label", "bought", "noise"], seconds=5)
    assert found.table["column"].unique(maintain_order=True).to_list() == ["size", "colour", OTHERS]
    expected = log_odds(answer(case.ensemble, table), case.ensemble.problem)[:, 0]
    np.testing.assert_allclose(sums(found.table)["contribution"].to_numpy() + found.base[0], expected, atol=1e-3)


def test_in_no_time_only_some_columns_are_shuffled_and_all_are_explained(
    learned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a wide table, those that the answers follow most; contributions add up all the same."""
    monkeypatch.setattr(explaining, "CERTAIN_COLUMNS", 3)
    case = learned("regression")
    found = explained(case, seconds=0)
    assert len(found.importances) == 3
    assert "size" in {one.column for one in found.importances}
    assert set(found.contributions.table["column"]) == set(case.ensemble.featurizer.raw_columns)


def test_a_wide_table_is_explained_by_matrices(learned, monkeypatch: pytest.MonkeyPatch) -> None:
    case = learned("texts")
    expected = explained(case)
    monkeypatch.setattr(featurizer_onnx, "MATRIX_COLUMNS", 0)
    assert Asked.open(case.ensemble).matrices
    assert explained(case).importances == expected.importances
