"""Regions of an image that speak for the answer are found, and what they say adds up."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.errors import DataError, TimeUpWarning
from automl_assets.records import Dataset, Ensemble, Features, Problem, Roles, Split, Truth
from automl_assets.steps.explained_outputs import log_odds
from automl_assets.vision.features.image_featurizer import ImageFeaturizer
from automl_assets.vision.records import ImageInputs
from automl_assets.vision.steps import region_contributions as module
from automl_assets.vision.steps.explain import explain, explain_rows

CLASSES = Problem("image_classification", "accuracy", classes=("dark", "red"), positive=1)
SETS = Problem("image_classification_multilabel", "iou_micro", classes=("red", "green"), is_multilabel=True)
SIZE = (140, 70)  # width and height: regions of 20 x 10 pixels


def _answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """How much red there is, and how much green."""
    pixels = np.stack([module.pixels_at(cell) for cell in table["image"]]).astype(float)
    red, green = (np.clip(pixels[..., code].mean(axis=(1, 2)) / 255, 0.001, 0.999) for code in (0, 1))
    return np.column_stack([red, green] if ensemble.problem.is_multilabel else [1 - red, red])


@pytest.fixture(autouse=True)
def answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "answer", _answer)


def _made(problem: Problem, n_rows: int = 6) -> tuple[Ensemble, Dataset, Features]:
    image = Image.new("RGB", SIZE)
    image.paste((255, 0, 0), (20, 10, 40, 20))  # region 2, 2
    image.paste((0, 255, 0), (120, 60, 140, 70))  # region 7, 7
    cells = pl.Series("image", [module._cell(np.asarray(image))] * n_rows)
    y: Any = np.arange(n_rows) % 2 if not problem.is_multilabel else np.ones((n_rows, 2), np.int8)
    split = Split(np.ones(n_rows, bool), np.zeros((n_rows, 1), np.int8), "")
    recipe = ImageFeaturizer("image")
    ensemble = Ensemble("single", (), None, 0.9, {"single": 0.9}, np.zeros((n_rows, 2)), recipe, problem)
    dataset = Dataset(cells.to_frame(), np.zeros(n_rows, np.int8), Roles("y", ("image",)), "", NO_SCHEMA)
    inputs = ImageInputs(cells.to_numpy(), np.zeros((n_rows, 1), np.float32))
    return ensemble, dataset, Features(Truth(y, None, problem, split), inputs, recipe)


@pytest.mark.parametrize("problem", [CLASSES, SETS], ids=["classes", "sets"])
def test_the_region_that_is_red_speaks_for_red_and_all_add_up(problem: Problem) -> None:
    ensemble, dataset, features = _made(problem, 1)
    found = explain_rows(ensemble, dataset, features, dataset.table, seconds=60)
    red = found.filter(pl.col("output") == "red")
    most = red.sort("contribution", descending=True).row(0, named=True)
    assert (most["value"], most["top"], most["left"], most["bottom"], most["right"]) == ("region 2, 2", 10, 20, 20, 40)
    expected = log_odds(_answer(ensemble, dataset.table), problem)[0]
    total = found.group_by("output", maintain_order=True).agg(pl.col("contribution").sum() + pl.col("base").first())
    np.testing.assert_allclose(total["contribution"], expected, atol=1e-9)
    assert red.height == 49 and red["standard_error"].is_not_nan().all()


def test_an_explanation_draws_each_image_beside_what_speaks_for_its_answer() -> None:
    made = explain(*_made(SETS), seed=0, seconds=60)
    drawn = made.pictures[0].image.decode()
    assert made.pictures[0].name == "regions" and drawn.count("<image ") == 12
    assert made.contributions.outputs == ("red", "green") and made.contributions.n_compared > 1
    assert sorted(made.contributions.table["row"].unique()) == [*range(6)]


def test_without_time_a_few_images_are_explained_and_the_others_told() -> None:
    made = explain(*_made(CLASSES), seed=0, seconds=0)
    assert made.pictures[0].image.decode().count("<image ") == 6
    ensemble, dataset, features = _made(CLASSES)
    with pytest.warns(TimeUpWarning, match=r"4 of 6 rows were explained in 0 seconds"):
        found = explain_rows(ensemble, dataset, features, dataset.table, seconds=0)
    assert found["row"].n_unique() == 4 and found.filter(pl.col("row") == 0).height == 9


def test_an_image_of_one_pixel_has_one_region() -> None:
    ensemble, dataset, features = _made(CLASSES)
    dot = pl.DataFrame({"image": [module._cell(np.full((1, 1, 3), 200, np.uint8))]})
    found = explain_rows(ensemble, dataset, features, dot, seconds=60)
    assert found.select("value", "top", "left", "bottom", "right").rows() == [("region 1, 1", 0, 0, 1, 1)]


def test_what_cannot_be_explained_is_told() -> None:
    ensemble, dataset, features = _made(CLASSES)
    with pytest.raises(DataError, match='the rows have no column "image"'):
        explain_rows(ensemble, dataset, features, pl.DataFrame({"photo": ["1.png"]}), seconds=60)
    with pytest.raises(DataError, match=r"nowhere\.png"):
        explain_rows(ensemble, dataset, features, pl.DataFrame({"image": ["nowhere.png"]}), seconds=60)
