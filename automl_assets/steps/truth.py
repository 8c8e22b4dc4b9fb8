"""truth: what is known of every row's answer, as steps of every family look at it."""

import numpy as np

from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Problem, Split, Truth


def truth_of(dataset: Dataset, problem: Problem, split: Split, experiment: Experiment) -> Truth:
    """Target and weight of every row, as the task encodes them."""
    table, roles = dataset.table, dataset.roles
    weight = table[roles.weight].cast(float).to_numpy().astype(np.float64) if roles.weight else None
    return Truth(experiment.task_part.encode_target(table[roles.target], problem), weight, problem, split)
