"""featurize: every row as numbers, by a recipe learnt from the rows that take part in learning."""

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Features, Profile, Split
from automl_assets.steps.truth import truth_of
from automl_assets.tabular.features.featurizer import densify, encode, fit_featurizer
from automl_assets.tabular.records import TableInputs


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """Codes and dense view of every row beside its truth. The recipe never sees a test row."""
    table = dataset.table
    kinds = {column.name: column.kind for column in profile.columns}
    featurizer = fit_featurizer(table.filter(split.is_training), kinds, experiment.featurization.wishes)
    codes = encode(featurizer, table)
    truth = truth_of(dataset, profile.problem, split, experiment)
    inputs = TableInputs(codes, densify(featurizer, codes))
    return Features(truth, inputs, featurizer, featurizer.columns, dataset.schema)
