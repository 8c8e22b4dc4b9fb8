"""featurize: where every image lies; its pixels are read by those who look at them."""

import numpy as np

from automl_assets.backbones.reference import wished
from automl_assets.data.image_column import image_column
from automl_assets.experiment.experiment import Experiment
from automl_assets.objects.features.squares import SquareFeaturizer, cells_of, side_for
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.steps.truth import truth_of

N_BACKGROUND = 64


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """Every row beside its truth. Nothing is learnt from any row."""
    image = image_column(dataset.roles.features)
    truth, inputs = truth_of(dataset, profile.problem, split, experiment), cells_of(image, dataset.table)
    featurizer = SquareFeaturizer(image, side_for(inputs), wished(experiment.featurization.image_embedding))
    shown = np.random.default_rng(experiment.seed).permutation(np.flatnonzero(split.is_shown))
    background = dataset.table.select(featurizer.raw_columns)[np.sort(shown[:N_BACKGROUND])]
    return Features(truth, inputs, featurizer, featurizer.columns, dataset.schema, background)
