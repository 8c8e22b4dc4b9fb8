"""The recipe is learnt from training rows alone; every row gets its numbers."""

import numpy as np
import polars as pl
import pytest

from automl_assets.records import Features, Split
from automl_assets.steps.load import load
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize

N_ROWS = 60
TABLE = pl.DataFrame({"x": np.arange(float(N_ROWS)), "c": ["u", "v"] * 30, "y": ["a", "b", "b"] * 20})


def _features(
    ask, table: pl.DataFrame, task: str = "classification", split: Split | None = None, **settings
) -> tuple[Features, Split]:
    """By the given split, else by the experiment's own: which rows test is chosen by what their features hold."""
    experiment = ask(table, task, **settings)
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    split = split or split_rows(dataset, profile, experiment)
    return featurize(dataset, profile, split, experiment), split


def test_the_recipe_never_sees_a_test_row(ask) -> None:
    features, split = _features(ask, TABLE)
    assert features.featurizer.dense.means[0] == TABLE["x"].to_numpy()[~split.is_test].mean()
    spoilt = TABLE.with_columns(x=pl.when(pl.Series(split.is_test)).then(1e6).otherwise("x"))
    assert _features(ask, spoilt, split=split)[0].featurizer == features.featurizer


def test_texts_and_categories_of_test_rows_are_never_seen(ask) -> None:
    """Words, categories and frequencies that only test rows hold leave no trace in the recipe."""
    table = TABLE.with_columns(
        note=pl.Series([f"row {i % 5} is fine" for i in range(N_ROWS)]),
        town=pl.Series([f"town {i % 30}" for i in range(N_ROWS)]),
    )
    wishes = {"featurization": {"column_types": {"note": "text"}, "imputers": {"x": "median"}}}
    features, split = _features(ask, table, **wishes)
    is_test = pl.Series(split.is_test)
    spoilt = table.with_columns(
        x=pl.when(is_test).then(1e6).otherwise("x"),
        note=pl.when(is_test).then(pl.lit("secret words secret words")).otherwise("note"),
        town=pl.when(is_test).then(pl.lit("secret")).otherwise("town"),
    )
    assert features.featurizer.texts[0].terms
    assert _features(ask, spoilt, split=split, **wishes)[0].featurizer == features.featurizer


def test_blocked_transformers_make_no_columns(ask) -> None:
    table = TABLE.with_columns(note=pl.Series([f"row {i % 5} is fine" for i in range(N_ROWS)]))
    wishes = {"column_types": {"note": "text"}, "blocked": ["tf_idf", "one_hot_encoder"]}
    features, _ = _features(ask, table, featurization=wishes)
    assert [column.name for column in features.columns] == ["x", "note_n_words", "c", "note"]
    assert features.inputs.dense.shape[1] == 2


def test_every_row_has_numbers_and_a_target(ask) -> None:
    features, _ = _features(ask, TABLE)
    assert (features.inputs.codes.shape, features.inputs.dense.shape) == ((N_ROWS, 2), (N_ROWS, 2))
    assert features.inputs.codes[:, 0].tolist() == TABLE["x"].to_list()
    assert features.truth.y.tolist() == [0, 1, 1] * 20
    assert [(column.name, column.source) for column in features.columns] == [("x", "x"), ("c", "c")]
    assert features.truth.weight is None


def test_gaps_in_the_target_are_marked(ask) -> None:
    features, _ = _features(ask, TABLE.with_columns(y=pl.Series(["a", None, "b"] * 20)))
    assert features.truth.y.tolist() == [0, -1, 1] * 20
    features, _ = _features(ask, TABLE.with_columns(y=pl.Series([0.5, None, 2.5] * 20)), "regression")
    np.testing.assert_array_equal(features.truth.y, [0.5, np.nan, 2.5] * 20)


def test_weights_are_numbers(ask) -> None:
    features, _ = _features(ask, TABLE.with_columns(w=pl.Series([1, 2, 0] * 20)), weight_column="w")
    assert features.truth.weight is not None
    assert features.truth.weight.tolist() == [1.0, 2.0, 0.0] * 20


@pytest.mark.parametrize("labels", [[True, False, True], [7, 3, 7], [0.5, 0.25, 0.5], ["b", "a", "b"]])
def test_classes_of_every_type_are_coded_in_order(ask, labels: list) -> None:
    features, _ = _features(ask, TABLE.with_columns(y=pl.Series(labels * 20)))
    assert features.truth.y.tolist() == [1, 0, 1] * 20
