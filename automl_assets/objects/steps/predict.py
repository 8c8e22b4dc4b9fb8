"""predict: which objects a model finds in images, in Python."""

import numpy as np
import polars as pl

from automl_assets.boxes import told_answers
from automl_assets.learning.preparation import predict_raw
from automl_assets.objects.features.squares import cells_of, squares_of
from automl_assets.objects.records import ImageCells
from automl_assets.records import Ensemble
from automl_assets.steps.combine import algorithm_of


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Packed objects of each image, as `boxes` has them."""
    return answer_inputs(ensemble, cells_of(ensemble.featurizer.image, table))


def answer_inputs(ensemble: Ensemble, inputs: ImageCells) -> np.ndarray:
    """The same from rows that are featurized already."""
    (member,) = ensemble.members
    algorithm, (model,) = algorithm_of(member, ensemble.problem), member.fitted.models
    return predict_raw(algorithm, model, squares_of(ensemble.featurizer, inputs)).astype(np.float64)


def answer_columns(ensemble: Ensemble, table: pl.DataFrame) -> pl.DataFrame:
    """Column `prediction`: the objects of each image that score above the threshold as JSON, the likeliest first."""
    problem = ensemble.problem
    return pl.DataFrame({"prediction": told_answers(answer(ensemble, table), problem.classes, problem.threshold)})
