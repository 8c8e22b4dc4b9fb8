"""featurize: every text as terms and the other columns as numbers, by a recipe learnt from the rows that are learnt from."""

from dataclasses import replace

import numpy as np

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.steps.truth import truth_of
from automl_assets.text.features.text_featurizer import encode_texts, fit_text_featurizer

N_BACKGROUND = 64


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """All views of every row beside its truth. The recipe never sees a test row, nor any target."""
    table, kinds = dataset.table, {column.name: column.kind for column in profile.columns}
    training = table.filter(split.is_training)
    featurizer = fit_text_featurizer(training, kinds, profile.problem.n_outputs, experiment.featurization.wishes)
    featurizer = replace(featurizer, is_exported=experiment.onnx)
    truth = truth_of(dataset, profile.problem, split, experiment)
    inputs = encode_texts(featurizer, table)
    shown = np.random.default_rng(experiment.seed).permutation(np.flatnonzero(split.is_shown))
    background = table.select(featurizer.raw_columns)[np.sort(shown[:N_BACKGROUND])]
    return Features(truth, inputs, featurizer, featurizer.columns, dataset.schema, background)
