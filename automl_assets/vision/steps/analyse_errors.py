"""analyse_errors: on which images the ensemble does worst, told by their size, shape, brightness, contrast, colour and labels;
and the worst of them to be looked at."""

import time
from functools import partial

import numpy as np
import polars as pl

from automl_assets.answer_kinds import answers_of
from automl_assets.data.image_cells import pixels_at
from automl_assets.execution.time_shares import TimeShares
from automl_assets.model_records import ErrorAnalysis, Picture
from automl_assets.pictures.images import Tile, images_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps import analyse_errors as shared
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.label_columns import label_columns
from automl_assets.vision.features.descriptors import GREY
from automl_assets.vision.steps.image_survey import ImageSurvey, survey_images

FIRST_IMAGES = 64  # that tell how long one takes to look at
MOST_WORST = 18
TOLD = 2  # decimals
NONE = "none"  # for a set without labels


def analyse_errors(
    dataset: Dataset, features: Features, ensemble: Ensemble, seed: int, seconds: float = float("inf")
) -> ErrorAnalysis:
    """Cohorts and heat table, as of tables, over what can be said of images in words, below the worst answers."""
    image, problem = ensemble.featurizer.image, ensemble.problem
    view = shared.RowView(
        partial(told_columns, image=image, problem=problem), partial(_worst, image=image, problem=problem)
    )
    return shared.analyse_errors(dataset, features, ensemble, seed, seconds, view)


def told_columns(table: pl.DataFrame, answers: Answers, pace: TimeShares, image: str, problem: Problem) -> pl.DataFrame:
    """What cohorts of images are told by. What there is no time for is left out, and told."""
    labels, started = label_columns(answers.truth, problem), time.monotonic()
    first = survey_images(table[image][:FIRST_IMAGES])
    needed = (time.monotonic() - started) * max(0, table.height - FIRST_IMAGES) / FIRST_IMAGES
    if not pace.allows("columns", needed, f"measures of {image}"):
        return pl.DataFrame(labels)
    rest = survey_images(table[image][FIRST_IMAGES:])
    measures = zip(_measures(first), _measures(rest), strict=True)
    return pl.DataFrame([*(one.append(other) for one, other in measures), *labels])


def _measures(survey: ImageSurvey) -> list[pl.Series]:
    """Brightness, contrast and colourfulness are shares of the most there can be."""
    width, height = survey.sizes.T
    pixels = survey.thumbnails / 255.0
    grey, colours = pixels @ GREY, pixels.max(axis=3) - pixels.min(axis=3)
    found = {
        "shorter side in pixels": np.minimum(width, height),
        "width by height": np.round(width / np.maximum(height, 1), TOLD),
        "brightness": grey.mean(axis=(1, 2)).round(TOLD),
        "contrast": grey.std(axis=(1, 2)).round(TOLD),
        "colourfulness": colours.mean(axis=(1, 2)).round(TOLD),
    }
    return [pl.Series(name, values) for name, values in found.items()]


def _worst(
    table: pl.DataFrame, rows: np.ndarray, answers: Answers, loss: np.ndarray, image: str, problem: Problem
) -> tuple[Picture, ...]:
    """The answers that are most wrong, the worst first."""
    kind = answers_of(problem)
    true = kind.indicator(answers.truth, problem.n_classes)
    given = kind.answered(answers.prediction, problem)
    is_wrong = (true != given).any(axis=1)
    worst = [place for place in np.argsort(-loss, kind="stable") if is_wrong[place]][:MOST_WORST]
    if not worst:
        return ()
    tiles = [
        Tile(
            pixels_at(str(table[image][int(place)])),
            (f"row {rows[place]}", _named(true[place], problem), f"→ {_named(given[place], problem)}"),
        )
        for place in worst
    ]
    note = (
        f"{int(is_wrong.sum())} of {len(loss)} images are answered wrongly; below each what it is → what was answered"
    )
    return (images_picture("worst_answers", "Images that are answered worst", note, tiles),)


def _named(inside: np.ndarray, problem: Problem) -> str:
    return ", ".join(str(problem.classes[code]) for code in np.flatnonzero(inside)) or NONE
