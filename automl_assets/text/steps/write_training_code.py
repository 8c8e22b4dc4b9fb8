"""write_training_code: a program that trains an ensemble over texts again without this system. Terms are learnt again from the
training rows, in which they stand."""

from dataclasses import replace

from automl_assets.errors import NotWritableError
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import TrainingCode
from automl_assets.parts import lacks_nothing
from automl_assets.records import Dataset, Ensemble, Leaderboard
from automl_assets.steps import write_training_code as shared
from automl_assets.steps.combine import algorithm_of
from automl_assets.text.steps import training_program

STEPS = (training_program.train_model, training_program.calculate_metrics)


def write_training_code(
    experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard
) -> TrainingCode:
    """Script, notebook and requirements. Raises NotWritableError where a member reads pretrained weights."""
    algorithms = [algorithm_of(member, ensemble.problem) for member in ensemble.members]
    reading = [one.name for one in algorithms if one.lacks is not lacks_nothing]
    if reading:
        raise NotWritableError(
            f"no training code: {reading[0]} reads pretrained weights, which a program that stands alone has not; name it "
            "under algorithms.blocked to get one of the others"
        )
    recipe = replace(ensemble.featurizer, words=None, characters=None, encoder=None)
    return shared.write_training_code(STEPS, experiment, dataset, replace(ensemble, featurizer=recipe), leaderboard)
