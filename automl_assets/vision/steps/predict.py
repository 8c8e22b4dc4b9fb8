"""predict: what an ensemble over images says about rows, in Python."""

import numpy as np
import polars as pl

from automl_assets.errors import ArtifactError
from automl_assets.learning.preparation import mean_raw
from automl_assets.parts import link_of, link_scores
from automl_assets.records import Ensemble, Member, Problem
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.combine import algorithm_of, combine
from automl_assets.vision.features.image_featurizer import encode_images
from automl_assets.vision.records import ImageInputs
from automl_assets.vision.steps.image_survey import survey_images


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Probabilities [n_rows, n_classes]."""
    asked = {algorithm_of(member, ensemble.problem).view for member in ensemble.members}
    return answer_inputs(ensemble, encode_images(ensemble.featurizer, table, asked))


def answer_inputs(ensemble: Ensemble, inputs: ImageInputs) -> np.ndarray:
    """The same from rows that are featurized already."""
    parts = [_member_answer(member, inputs, ensemble.problem) for member in ensemble.members]
    combined = combine(parts, [member.weight for member in ensemble.members], ensemble.stack, ensemble.problem)
    return calibrated(combined, ensemble.calibration)


def unanswerable(ensemble: Ensemble, table: pl.DataFrame) -> tuple[str, ...]:
    """Why the image of each row cannot be read; empty where it can."""
    return survey_images(table[ensemble.featurizer.image]).reasons


def _member_answer(member: Member, inputs: ImageInputs, problem: Problem) -> np.ndarray:
    algorithm = algorithm_of(member, problem)
    rows = inputs.view(algorithm.view)
    if rows is None:
        raise ArtifactError(
            f"{algorithm.name} reads {algorithm.view}, which its featurizer does not give; run it again"
        )
    raw = mean_raw(algorithm, member.fitted.models, rows)
    return link_scores(raw, link_of(algorithm.link, problem))
