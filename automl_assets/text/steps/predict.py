"""predict: what an ensemble over texts says about rows, in Python."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from automl_assets.learning.preparation import mean_raw
from automl_assets.parts import link_of, link_scores
from automl_assets.records import Ensemble, Member, Problem
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.combine import algorithm_of, combine
from automl_assets.text.features.text_featurizer import encode_texts
from automl_assets.text.records import OF_VIEW, TextInputs


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Probabilities [n_rows, n_classes]."""
    return answer_inputs(ensemble, encode_texts(ensemble.featurizer, table, needed_parts(ensemble)))


def needed_parts(ensemble: Ensemble) -> frozenset[str]:
    """The parts of the inputs that a member looks at."""
    views: Iterable[str] = (algorithm_of(member, ensemble.problem).view for member in ensemble.members)
    return frozenset(part for view in views for part in OF_VIEW[view])


def answer_inputs(ensemble: Ensemble, inputs: TextInputs) -> np.ndarray:
    """The same from rows that are featurized already."""
    parts = [member_answer(member, inputs, ensemble.problem) for member in ensemble.members]
    combined = combine(parts, [member.weight for member in ensemble.members], ensemble.stack, ensemble.problem)
    return calibrated(combined, ensemble.calibration)


def member_answer(member: Member, inputs: TextInputs, problem: Problem) -> np.ndarray:
    """What one member says about new rows, float64 [n_rows, n_outputs]."""
    algorithm = algorithm_of(member, problem)
    raw = mean_raw(algorithm, member.fitted.models, inputs.view(algorithm.view))
    return link_scores(raw, link_of(algorithm.link, problem))
