"""Answers stand beside the rows; what the model has never seen does not stop it."""

import json

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError
from automl_assets.steps.conformalize import conformalize
from automl_assets.steps.predict import predict


def test_classes_come_with_probabilities(learned) -> None:
    case = learned("texts")
    rows = case.dataset.table.drop("y")
    table = predict(case.ensemble, rows).table
    assert table.columns == [*rows.columns, "prediction", "probability_no", "probability_yes"]
    assert table.select(rows.columns).equals(rows)
    np.testing.assert_allclose(table["probability_no"] + table["probability_yes"], 1)
    assert ((table["probability_yes"] > 0.5) == (table["prediction"] == "yes")).all()
    assert (table["prediction"] == case.dataset.table["y"]).mean() > 0.85


def test_intervals_and_sets_stand_beside_the_answer(learned) -> None:
    for case_name, names in (
        ("three_texts", ["prediction_set_80", "prediction_set_95"]),
        ("regression", [f"prediction_{level}_{end}" for level in (80, 95) for end in ("low", "high")]),
    ):
        case = learned(case_name)
        made = conformalize(case.ensemble, case.features.truth, (0.8, 0.95), seed=0)
        table = predict(made, case.dataset.table.drop("y")).table
        assert table.columns[-len(names) :] == names
        truth = case.dataset.table["y"].to_list()
        if case_name == "regression":
            inside = table["prediction_95_low"].to_numpy() < truth, truth < table["prediction_95_high"].to_numpy()
            assert np.logical_and(*inside).mean() > 0.9
        else:
            assert (
                np.mean([label in json.loads(text) for label, text in zip(truth, table[names[1]], strict=True)]) > 0.9
            )
            assert all(label in json.loads(text) for label, text in table.select("prediction", names[0]).rows())


@pytest.mark.parametrize(
    ("case_name", "dtype"), [("texts", pl.String), ("integers", pl.Int64), ("booleans", pl.Boolean)]
)
def test_a_label_is_of_the_targets_type(learned, case_name: str, dtype: pl.DataType) -> None:
    case = learned(case_name)
    table = predict(case.ensemble, case.dataset.table).table
    assert table["prediction"].dtype == dtype
    assert set(table["prediction"]) <= set(case.dataset.table["y"])


def test_a_value_comes_alone(learned) -> None:
    case = learned("regression")
    table = predict(case.ensemble, case.dataset.table).table
    assert table.columns == [*case.dataset.table.columns, "prediction"]
    assert np.corrcoef(table["prediction"], table["y"])[0, 1] > 0.9


def test_a_missing_column_is_named(learned) -> None:
    case = learned("texts")
    rows = case.dataset.table.rename({"colour": "color"})
    with pytest.raises(
        DataError,
        match=r'^the rows have no column "colour"; they have size, color, .*\. Did you mean "color"\?$',
    ):
        predict(case.ensemble, rows)


def test_one_strange_row_is_answered(learned) -> None:
    case = learned("regression")
    strange = pl.DataFrame(
        {"noise": ["loud"], "size": [float("inf")], "bought": ["tomorrow"], "label": [None], "colour": ["ultraviolet"]}
    )
    with pytest.raises(
        DataError, match=r'column "noise" holds numbers.*\'loud\'; column "bought" holds dates.*\'tomorrow\''
    ):
        predict(case.ensemble, strange)
    found = predict(case.ensemble, strange, is_strict=False).table
    assert np.isfinite(found["prediction"].item())
    assert found["unreadable"].item() == "noise, bought"


def test_texts_are_read_as_the_dates_they_are(learned) -> None:
    case = learned("regression")
    rows = case.dataset.table
    texts = rows.with_columns(pl.col("bought").dt.to_string("%Y-%m-%d"))
    assert texts["bought"].dtype == pl.String
    assert predict(case.ensemble, texts).table["prediction"].equals(predict(case.ensemble, rows).table["prediction"])


def test_the_order_of_columns_and_rows_does_not_matter(learned) -> None:
    case = learned("texts")
    rows = case.dataset.table
    turned = predict(case.ensemble, rows.reverse().select(reversed(rows.columns))).table
    np.testing.assert_allclose(
        turned["probability_yes"].reverse(), predict(case.ensemble, rows).table["probability_yes"], atol=1e-12
    )
