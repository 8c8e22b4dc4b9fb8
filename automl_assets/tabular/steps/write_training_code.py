"""write_training_code: a program that trains an ensemble over tables again without this system."""

from functools import partial

from automl_assets.steps import write_training_code as shared
from automl_assets.tabular.steps import training_program

STEPS = (training_program.train_model, training_program.calculate_metrics)
write_training_code = partial(shared.write_training_code, STEPS)
