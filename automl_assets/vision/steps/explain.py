"""explain: which regions of images speak for the answer. Regions are painted over with the mean colour and the answer is watched,
so that every ensemble can be asked, and as many images are explained as there is time for."""

import time

import numpy as np
import polars as pl

from automl_assets.explanation.pace import LEAST_EXPLAINED, tell_of_rest
from automl_assets.model_records import Contributions, Explanation, Picture
from automl_assets.pictures.images import Tile, highlighted, images_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps.build_ensemble import sample
from automl_assets.steps.combine import check_columns
from automl_assets.steps.explained_outputs import output_codes, output_names
from automl_assets.vision.steps.region_contributions import (
    FEWEST_REGIONS,
    MOST_PASSES,
    PacedModel,
    SmallImage,
    region_contributions,
)

FEWEST_IMAGES, MOST_IMAGES = 3, 9  # that are explained and drawn
DEPENDENCE = {"column": pl.String, "value": pl.String, "output": pl.String, "mean": pl.Float64}
COLUMNS = (
    "row",
    "output",
    "column",
    "value",
    "contribution",
    "standard_error",
)  # of contributions, as records have them
TITLE, NOTE = "What the model looks at", "blue: speaks for the answer; orange: speaks against it"


def explain(ensemble: Ensemble, dataset: Dataset, features: Features, seed: int, seconds: float) -> Explanation:
    """On images that nobody has learnt from, where there are any; in no time on three of them."""
    problem, model, deadline = ensemble.problem, PacedModel(ensemble), time.monotonic() + seconds
    rows = _drawn_rows(features, problem, seed)
    cells = dataset.table[ensemble.featurizer.image][rows].to_list()
    images = [SmallImage.at(cell) for cell in cells]
    answers = model.answers([image.pixels for image in images])
    n_wanted = model.rows_until(deadline) // (2 * FEWEST_REGIONS**2)
    n_explained = int(np.clip(n_wanted, FEWEST_IMAGES, MOST_IMAGES))
    found = region_contributions(model, cells[:n_explained], deadline - time.monotonic(), FEWEST_IMAGES)
    numbers = pl.Series("row", rows)[found.table["row"]]
    table = found.table.with_columns(numbers.alias("row"))
    pictures = [_picture(table, rows[: found.n_rows], images, answers, problem)] if found.n_rows else []
    means = dict(table.group_by("output").agg(pl.col("base").mean()).iter_rows())
    outputs = output_names(problem)
    base = tuple(means.get(output, 0.0) for output in outputs)
    contributions = Contributions(outputs, base, table.select(COLUMNS), found.n_passes, MOST_PASSES)
    return Explanation(problem.metric, (), (), contributions, pl.DataFrame(schema=DEPENDENCE), tuple(pictures))


def explain_rows(
    ensemble: Ensemble, dataset: Dataset, features: Features, table: pl.DataFrame, seconds: float
) -> pl.DataFrame:
    """Contributions to the answer for each image of `table`: row, output, base, column, value, the place of a region (top,
    left, bottom and right, in pixels), contribution, and its standard error.

    In time that is short images are cut into fewer regions, and then rows are left out, of which a TimeUpWarning tells. Raises
    DataError when the column of the images is not there, or an image cannot be read.
    """
    check_columns(ensemble.featurizer.raw_columns, table)
    cells = table[ensemble.featurizer.image].cast(pl.String).fill_null("").to_list()
    found = region_contributions(PacedModel(ensemble), cells, seconds, LEAST_EXPLAINED)
    tell_of_rest(found.n_rows, table.height, "rows", seconds)
    return found.table


def _drawn_rows(features: Features, problem: Problem, seed: int) -> np.ndarray:
    """A few that a finished model is tried on, of all classes, int64 [n_drawn]."""
    random = np.random.default_rng(seed)
    y, shown = features.truth.y, np.flatnonzero(features.truth.split.is_shown)
    drawn = shown[sample(y[shown], MOST_IMAGES, problem, random)]
    return random.permutation(drawn)[:MOST_IMAGES]


def _picture(
    table: pl.DataFrame, rows: np.ndarray, images: list[SmallImage], answers: np.ndarray, problem: Problem
) -> Picture:
    """Each image, and beside it what speaks for the class that was answered, or the label that is likeliest."""
    tiles = []
    for row, image, shares in zip(rows, images, answers, strict=False):
        code = int(shares.argmax())
        says = _says(table.filter(pl.col("row") == row), code, problem)
        answered = (f"{problem.classes[code]}", f"probability {shares[code]:.2f}")
        tiles += [Tile(image.pixels, (f"row {row}",)), Tile(highlighted(image.pixels, says), answered)]
    return images_picture("regions", TITLE, NOTE, tiles)


def _says(table: pl.DataFrame, code: int, problem: Problem) -> np.ndarray:
    """What each region says of a class, float64 [n_down, n_across]; of two classes the other says the opposite."""
    codes = output_codes(problem)
    name = problem.classes[code if code in codes else codes[0]]
    own = table.filter(pl.col("output") == str(name))
    says = own["contribution"].to_numpy().reshape(own["top"].n_unique(), own["left"].n_unique())
    return says if code in codes else -says
