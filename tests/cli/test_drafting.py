"""A drafted experiment fits its data, and is one that can be loaded."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from automl_assets.cli.drafting import draft, name_of
from automl_assets.errors import DataError, SettingError
from automl_assets.experiment.experiment import load
from automl_assets.tabular.steps.draft import infer_task

N_ROWS = 100


def _file(folder: Path, **columns: object) -> str:
    """A CSV with a feature `x` and the columns given."""
    file = folder / "some data.csv"
    pl.DataFrame({"x": np.arange(N_ROWS) / 7} | columns).write_csv(file)
    return str(file)


def test_a_draft_can_be_loaded(tmp_path: Path) -> None:
    name, text = draft(_file(tmp_path, answer=["yes", "no"] * (N_ROWS // 2)), "answer")
    file = tmp_path / f"{name}.yaml"
    file.write_text(text, "utf-8")
    experiment = load(file)
    assert (experiment.name, experiment.task, experiment.target) == ("some_data", "classification", "answer")
    assert (experiment.metric, experiment.test.fraction) == ("accuracy", 0.2)
    assert experiment.source.options.path == str(tmp_path / "some data.csv")


def test_every_commented_key_can_be_said(tmp_path: Path) -> None:
    name, text = draft(_file(tmp_path, answer=np.arange(N_ROWS) / 3), "answer")
    head, _, further = text.partition("# More that can be said")
    lines = [line.removeprefix("# ") for line in further.splitlines()[1:]]
    file = tmp_path / f"{name}.yaml"
    file.write_text(head + "\n".join(lines), "utf-8")
    assert load(file).task == "regression"


@pytest.mark.parametrize("target", ["count", "a: b #c", "yes", "naïve 'x\""])
def test_awkward_column_names_survive(tmp_path: Path, target: str) -> None:
    _, text = draft(_file(tmp_path, **{target: ["a", "b"] * (N_ROWS // 2)}), target)
    assert yaml.safe_load(text)["target"] == target


def test_a_rare_class_asks_for_another_metric(tmp_path: Path) -> None:
    _, text = draft(_file(tmp_path, y=["rare"] * 10 + ["common"] * 90), "y")
    assert yaml.safe_load(text)["metric"] == "AUC_weighted"


def test_missing_targets_are_told(tmp_path: Path) -> None:
    _, text = draft(_file(tmp_path, y=[None] * 10 + [0.5, 1.25, 2.5] * 30), "y")
    assert "10 of them without a value, which take no part" in text


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1] * 50, "classification"),
        ([0.0, 1.0] * 50, "classification"),
        ([True, False], "classification"),
        (list(range(100)), "regression"),
        ([0.5, 1.0] * 50, "regression"),
        ([*range(1, 25)] * 20, "regression"),  # whole numbers, but too many for classes
    ],
)
def test_the_task_follows_from_the_target(values: list, task: str) -> None:
    assert infer_task(pl.Series("y", values))[0] == task


def test_a_name_is_always_possible() -> None:
    assert name_of("https://host/Données 2024.csv?sig=x") == "donn_es_2024"
    assert name_of("/data/9.csv") == "experiment_9"


def test_a_target_that_cannot_be_is_refused(tmp_path: Path) -> None:
    data = _file(tmp_path, price=[None] * N_ROWS)
    with pytest.raises(
        SettingError, match=r'^--target: .* has no column "pricee"; it has x, price\. Did you mean "price'
    ):
        draft(data, "pricee")
    with pytest.raises(SettingError, match=r'^--target: "price" has no value in any row of .*some data\.csv$'):
        draft(data, "price")
    with pytest.raises(SettingError, match=r"is of no known kind; say `kind:` with one of conll, csv"):
        draft(str(tmp_path / "rows.xlsx"), "price")


def _images(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    return folder


def test_a_folder_for_each_class_is_a_question_about_images(tmp_path: Path) -> None:
    folder = _images(tmp_path / "pets", "cat/1.png", "cat/2.png", "dog/1.png", "new.png")
    name, text = draft(str(folder), "label")
    head, _, further = text.partition("# More that can be said")
    file = tmp_path / f"{name}.yaml"
    file.write_text(head + "\n".join(line.removeprefix("# ") for line in further.splitlines()[1:]), "utf-8")
    experiment = load(file)
    assert (experiment.name, experiment.task, experiment.source.kind) == ("pets", "image_classification", "images")
    assert "# 4 images." in text and "2 different labels; 1 images without one take no part" in text
    assert experiment.source.part.read(experiment.source.options)["label"].to_list() == ["cat", "cat", "dog", None]


def test_a_table_that_names_images_is_asked_about_as_its_task_says(tmp_path: Path) -> None:
    folder = _images(tmp_path / "pets", "1.png", "2.png")
    lines = [{"image_url": "1.png", "label": ["cat"]}, {"image_url": "2.png", "label": ["cat", "dog"]}]
    rows = [{"image": str(folder / line["image_url"]), "label": json.dumps(line["label"])} for line in lines]
    pl.DataFrame(rows).write_csv(tmp_path / "pets.csv")
    _, text = draft(str(tmp_path / "pets.csv"), "label", task="image_classification_multilabel")
    assert yaml.safe_load(text)["source"].endswith("pets.csv") and "2 different labels" in text
    with pytest.raises(DataError, match="no column is called as those are that say where images lie"):
        draft(_file(tmp_path, z=["a"] * N_ROWS, y=["a", "b"] * (N_ROWS // 2)), "y", task="image_classification")


def test_images_without_labels_have_no_target(tmp_path: Path) -> None:
    folder = _images(tmp_path / "new", "1.png")
    with pytest.raises(SettingError, match='"label" has no value in any row'):
        draft(str(folder), "label")
