"""The steps of texts, from rows to answers, without a whole run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.records import Features
from automl_assets.resources.record_codec import read_record, write_record
from automl_assets.steps.load import load
from automl_assets.steps.split_rows import split_rows
from automl_assets.text.steps.describe import describe, text_profiles
from automl_assets.text.steps.featurize import featurize
from automl_assets.text.steps.fit import cells_a_row, lay_out, read_inputs


def _experiment(folder: Path, table: pl.DataFrame, **settings: object) -> Experiment:
    table.write_csv(folder / "rows.csv")
    return parse(
        {"task": "text_classification", "source": str(folder / "rows.csv"), "target": "y", "test": 0.2} | settings,
        "texts",
    )


def _table(labels: list[str]) -> pl.DataFrame:
    rows, _ = registry.tasks()["text_classification"].sample(0)
    y = [labels[i % len(labels)] for i in range(rows.height)]
    return rows.select("review", "nights").with_columns(y=pl.Series(y))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Features:
    experiment = _experiment(tmp_path_factory.mktemp("rows"), _table(["a", "b"]))
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    return featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)


@pytest.mark.parametrize("labels", [["001", "1"], ["true", "false"], ["1", "2"], ["1.0", "2.50"], ["2024-01-01", "x"]])
def test_labels_stay_as_they_are_written(tmp_path, labels) -> None:
    experiment = _experiment(tmp_path, _table(labels))
    dataset = load(experiment)
    assert describe(dataset, experiment).problem.classes == tuple(sorted(labels))


def test_texts_are_told_from_other_columns(tmp_path) -> None:
    table = pl.DataFrame(
        {
            "body": [f"Good morning, visitor number {i}, how are you doing?" for i in range(60)],
            "thai": [f"สวัสดีครับวันนี้อากาศดีมากเลย {i}" for i in range(60)],
            "language": ["en", "th"] * 30,
            "code": [f"AB-{i}" for i in range(60)],
            "size": range(60),
            "y": ["a", "b"] * 30,
        }
    )
    found = text_profiles(table, tuple(table.columns[:-1]), _experiment(tmp_path, table))
    kinds = {column.name: column.kind for column in found}
    assert kinds == {"body": "text", "thai": "text", "language": "categorical", "code": "ignored", "size": "numeric"}


def test_the_longest_texts_are_taken_where_none_look_like_texts(tmp_path) -> None:
    table = pl.DataFrame({"word": ["yes", "no", "perhaps"] * 20, "size": range(60), "y": ["a", "b"] * 30})
    found = text_profiles(table, ("word", "size"), _experiment(tmp_path, table))
    assert [column.kind for column in found] == ["text", "numeric"]


def test_rows_without_texts_are_refused(tmp_path) -> None:
    table = pl.DataFrame({"size": range(60), "y": ["a", "b"] * 30})
    with pytest.raises(DataError, match="no column holds texts; there are size"):
        text_profiles(table, ("size",), _experiment(tmp_path, table))


def test_terms_come_from_the_rows_that_are_learnt_from(tmp_path) -> None:
    table = _table(["a", "b"])
    _experiment(tmp_path, table)
    held = table.head(30).with_columns(review=pl.lit("unheardof words of the test alone"))
    held.write_csv(tmp_path / "test.csv")
    experiment = _experiment(tmp_path, table, test=str(tmp_path / "test.csv"))
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    made = featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    assert "unheardof" not in made.featurizer.words.names
    assert "room" in made.featurizer.words.names
    assert made.inputs.others.shape == (dataset.n_rows, 1)


@pytest.mark.parametrize("view", ["words", "characters", "terms", "texts"])
def test_what_is_laid_out_is_read_back(tmp_path, features, view) -> None:
    lay_out(tmp_path, features, replace(registry.algorithms("text")["baseline"], view=view))
    rows = np.array([3, 0, 77])
    found, expected = read_inputs(tmp_path)[rows], features.inputs.view(view)[rows]
    np.testing.assert_array_equal(found.others, expected.others)
    for part in ("words", "characters"):
        one, other = getattr(found, part), getattr(expected, part)
        assert (one is None) == (other is None)
        assert one is None or (one != other).nnz == 0
    assert (found.texts is None) == (expected.texts is None)
    assert found.texts is None or found.texts.tolist() == expected.texts.tolist()


def test_features_are_stored_and_read_back(features) -> None:
    files: dict[str, bytes] = {}
    write_record(features, files.__setitem__, b"key")
    read = read_record(files.__getitem__, b"key")
    assert (read.inputs.characters != features.inputs.characters).nnz == 0
    assert read.inputs.texts.tolist() == features.inputs.texts.tolist()
    assert read.featurizer.words.names == features.featurizer.words.names


def test_terms_are_counted_when_time_is_guessed(features: Features) -> None:
    """A text is a single column, of which a fit looks at hundreds of terms."""
    parts = registry.algorithms("text")
    of_terms, of_words = (cells_a_row(features, parts[name]) for name in ("linear_svm", "baseline"))
    assert of_terms > 50 > of_words > len(features.columns)
