"""featurize: every image as numbers."""

import numpy as np

from automl_assets.backbones.reference import wished
from automl_assets.data.image_column import image_column
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.steps.truth import truth_of
from automl_assets.vision.features.image_featurizer import ImageFeaturizer, encode_images, seconds_an_image

N_BACKGROUND = 64
SHARE_OF_READING = 0.3  # of the whole run's time, for pretrained networks


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """All views of every row beside its truth. Nothing is learnt from any row. A row that takes no part may have no image; it
    holds the place of its number with the views of another."""
    truth = truth_of(dataset, profile.problem, split, experiment)
    takes_part = split.is_training | split.is_test
    column, table = image_column(dataset.roles.features), dataset.table.filter(takes_part)
    featurizer = _affordable(column, table[column].to_list(), experiment)
    inputs = encode_images(featurizer, table)
    inputs = inputs.take(np.maximum(np.cumsum(takes_part) - 1, 0))
    shown = np.random.default_rng(experiment.seed).permutation(np.flatnonzero(split.is_shown))
    background = dataset.table.select(featurizer.raw_columns)[np.sort(shown[:N_BACKGROUND])]
    return Features(truth, inputs, featurizer, featurizer.columns, dataset.schema, background)


def _affordable(column: str, cells: list[str], experiment: Experiment) -> ImageFeaturizer:
    """With as many of the networks as can read all images in their share of the time."""
    limits, kept, left_out = experiment.limits, [], ""
    left = SHARE_OF_READING * 60 * limits.timeout_minutes
    for backbone in wished(experiment.featurization.image_embedding):
        foreseen = seconds_an_image(backbone, cells) * len(cells) / limits.n_cores
        if foreseen <= left:
            kept.append(backbone)
            left -= foreseen
        else:
            left_out = (
                f"skipped: {backbone.name} would read {len(cells):,} images in about {foreseen / 60:.0f} minutes, more than "
                f"{SHARE_OF_READING:.0%} of the run's; raise limits.timeout_minutes or bring fewer images"
            )
    return ImageFeaturizer(column, tuple(kept), left_out)
