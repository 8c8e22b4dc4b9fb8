"""write_training_code: a program that trains an ensemble of taggers again without this system."""

from dataclasses import replace

from automl_assets.entities.steps import training_program
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import TrainingCode
from automl_assets.records import Dataset, Ensemble, Leaderboard
from automl_assets.steps import write_training_code as shared

STEPS = (training_program.prepare_data, training_program.train_model, training_program.calculate_metrics)


def write_training_code(
    experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard
) -> TrainingCode:
    """Script, notebook and requirements. Raises NotWritableError where a member reads pretrained weights."""
    shared.check_stands_alone(ensemble)
    recipe = replace(ensemble.featurizer, encoder=None)
    return shared.write_training_code(STEPS, experiment, dataset, replace(ensemble, featurizer=recipe), leaderboard)
