"""write_training_code: a program that trains an ensemble over texts again without this system. Terms are learnt again from the
training rows, in which they stand."""

from dataclasses import replace

from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import TrainingCode
from automl_assets.records import Dataset, Ensemble, Leaderboard
from automl_assets.steps import write_training_code as shared
from automl_assets.text.steps import training_program

STEPS = (training_program.train_model, training_program.calculate_metrics)


def write_training_code(
    experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard
) -> TrainingCode:
    """Script, notebook and requirements. Raises NotWritableError where a member reads pretrained weights."""
    shared.check_stands_alone(ensemble)
    recipe = replace(ensemble.featurizer, words=None, characters=None, encoder=None)
    return shared.write_training_code(STEPS, experiment, dataset, replace(ensemble, featurizer=recipe), leaderboard)
