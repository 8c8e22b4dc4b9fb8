"""featurize: every image as numbers."""

import numpy as np

from automl_assets.data.image_column import image_column
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.steps.truth import truth_of
from automl_assets.vision.features.image_featurizer import ImageFeaturizer, encode_images

N_BACKGROUND = 64


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """All views of every row beside its truth. Nothing is learnt from any row."""
    featurizer = ImageFeaturizer(image_column(dataset.roles.features))
    truth = truth_of(dataset, profile.problem, split, experiment)
    inputs = encode_images(featurizer, dataset.table)
    shown = np.random.default_rng(experiment.seed).permutation(np.flatnonzero(split.is_shown))
    background = dataset.table.select(featurizer.raw_columns)[np.sort(shown[:N_BACKGROUND])]
    return Features(truth, inputs, featurizer, featurizer.columns, dataset.schema, background)
