"""predict: what an ensemble over tables says about rows, in Python."""

import numpy as np
import polars as pl

from automl_assets.features.featurizer import densify, encode
from automl_assets.learning.preparation import mean_raw
from automl_assets.parts import link_of, link_scores
from automl_assets.records import (
    Ensemble,
    Member,
    Problem,
)
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.combine import algorithm_of, combine
from automl_assets.tabular.records import TableInputs


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
    codes = encode(ensemble.featurizer, table)
    return answer_inputs(ensemble, TableInputs(codes, densify(ensemble.featurizer, codes)))


def answer_inputs(ensemble: Ensemble, inputs: TableInputs) -> np.ndarray:
    """The same from rows that are featurized already."""
    parts = [member_answer(member, inputs, ensemble.problem) for member in ensemble.members]
    combined = combine(parts, [member.weight for member in ensemble.members], ensemble.stack, ensemble.problem)
    return calibrated(combined, ensemble.calibration)


def member_answer(member: Member, inputs: TableInputs, problem: Problem) -> np.ndarray:
    """What one member says about new rows, float64 [n_rows, n_outputs]."""
    algorithm = algorithm_of(member, problem)
    raw = mean_raw(algorithm, member.fitted.models, inputs.view(algorithm.view))
    return link_scores(raw, link_of(algorithm.link, problem))
