"""Questions about images: what a target means, and tiny images to try them on."""

import base64
import io
import json
from functools import partial

import numpy as np
import polars as pl

from automl_assets.data.label_sets import encode_label_sets, label_set_problem, label_sets, label_sets_like
from automl_assets.learning.classes import class_codes, class_problem
from automl_assets.parts import Task

SIDE = 24  # pixels of the tiny images
SHAPES = ("disc", "stripes")


def sample(seed: int, n_rows: int = 60) -> tuple[pl.DataFrame, str]:
    """Discs and stripes of any colour, each drawn into its cell."""
    random = np.random.default_rng(seed)
    answers = random.choice(SHAPES, n_rows)
    images = [_drawn({str(answer)}, random) for answer in answers]
    return pl.DataFrame({"image": images, "shape": answers}), "shape"


def sample_sets(seed: int, n_rows: int = 60) -> tuple[pl.DataFrame, str]:
    """The same, where an image may show both, or neither."""
    random = np.random.default_rng(seed)
    sets = [{shape for shape in SHAPES if random.random() < 0.5} for _ in range(n_rows)]
    images = [_drawn(shown, random) for shown in sets]
    return pl.DataFrame({"image": images, "shapes": [json.dumps(sorted(shown)) for shown in sets]}), "shapes"


def _drawn(shown: set[str], random: np.random.Generator) -> str:
    """An image as a data URI."""
    from PIL import Image

    rows, columns = np.mgrid[:SIDE, :SIDE]
    pixels = np.full((SIDE, SIDE, 3), random.integers(0, 90, 3), np.uint8)
    if "stripes" in shown:
        pixels[(rows + int(random.integers(4))) % 4 < 2] = random.integers(120, 255, 3)
    if "disc" in shown:
        top, left = random.integers(8, SIDE - 8, 2)
        pixels[(rows - top) ** 2 + (columns - left) ** 2 < 36] = random.integers(120, 255, 3)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


PARTS = (
    Task(
        name="image_classification",
        title="Which class does an image belong to?",
        family="vision",
        default_metric="accuracy",
        further_metrics=("accuracy", "AUC_weighted", "log_loss", "f1_score_macro"),
        problem=partial(class_problem, "image_classification"),
        encode_target=class_codes,
        metric_kinds=frozenset({"classes"}),
        stratify=True,
        sample=sample,
    ),
    Task(
        name="image_classification_multilabel",
        title="Which labels does an image have?",
        family="vision",
        default_metric="iou_micro",
        further_metrics=("accuracy", "f1_score_micro", "f1_score_macro", "log_loss"),
        problem=label_set_problem("image_classification_multilabel"),
        encode_target=encode_label_sets,
        metric_kinds=frozenset({"label_sets"}),
        stratify=True,
        sample=sample_sets,
        labels_of=label_sets,
        labels_like=label_sets_like,
    ),
)
