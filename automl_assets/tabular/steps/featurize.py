"""featurize: every row as numbers, by a recipe learnt from the rows that take part in learning."""

import numpy as np

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.tabular.features.featurizer import densify, encode, fit_featurizer


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """Codes, dense view, target and weight of every row. The recipe never sees a test row."""
    table = dataset.table
    kinds = {column.name: column.kind for column in profile.columns}
    featurizer = fit_featurizer(table.filter(split.is_training), kinds, experiment.featurization.wishes)
    codes = encode(featurizer, table)
    weight = dataset.roles.weight
    return Features(
        codes=codes,
        dense=densify(featurizer, codes),
        y=experiment.task_part.encode_target(table[dataset.roles.target], profile.problem),
        weight=table[weight].cast(float).to_numpy().astype(np.float64) if weight else None,
        featurizer=featurizer,
        columns=featurizer.columns,
        problem=profile.problem,
        split=split,
    )
