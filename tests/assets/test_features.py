"""The summary of `features` tells what became of every raw column."""

import polars as pl

from automl_assets.assets.features import featurization_summary
from automl_assets.steps.load import load
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize

NOTES = ["good red wine", "bad white wine", "good beer here"] * 20


def test_every_raw_column_has_a_line(ask) -> None:
    table = pl.DataFrame(
        {
            "x": range(60),
            "id": [f"key{i}" for i in range(60)],
            "note": NOTES,
            "c": ["u", "v"] * 30,
            "y": ["a", "b", "b"] * 20,
        }
    )
    wishes = {"column_types": {"note": "text"}, "transformer_params": {"tf_idf": {"max_terms": 4}}}
    experiment = ask(table, featurization=wishes)
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    made = featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    lines = {line.pop("raw column"): tuple(line.values()) for line in featurization_summary(made, profile)}
    assert lines == {
        "x": ("numeric", False, "holds numbers", 1, "number"),
        "id": ("ignored", True, "is an identifier: 60 different texts in 60 rows", 0, ""),
        "note": ("text", False, "as the experiment says", 6, "TF-IDF (4 columns), number of words, category (3 codes)"),
        "c": ("categorical", False, "holds 2 different texts", 1, "category (2 codes)"),
    }
