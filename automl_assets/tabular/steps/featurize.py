"""featurize: every row as numbers, by a recipe learnt from the rows that take part in learning."""

import numpy as np
import polars as pl

from automl_assets.experiment.experiment import Experiment
from automl_assets.features.featurizer import densify, encode, fit_featurizer
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.steps.truth import truth_of
from automl_assets.tabular.records import TableInputs

N_BACKGROUND = 64


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """Codes and dense view of every row beside its truth. The recipe never sees a test row."""
    table = dataset.table
    kinds = {column.name: column.kind for column in profile.columns}
    featurizer = fit_featurizer(table.filter(split.is_training), kinds, experiment.featurization.wishes)
    codes = encode(featurizer, table)
    truth = truth_of(dataset, profile.problem, split, experiment)
    inputs = TableInputs(codes, densify(featurizer, codes))
    background = _background(table.select(featurizer.raw_columns), split, experiment.seed)
    return Features(truth, inputs, featurizer, featurizer.columns, dataset.schema, background)


def _background(table: pl.DataFrame, split: Split, seed: int) -> pl.DataFrame:
    """Some rows by chance that nobody learns from, where there are any."""
    shown = np.flatnonzero(split.is_shown)
    return table[np.sort(np.random.default_rng(seed).permutation(shown)[:N_BACKGROUND])]
