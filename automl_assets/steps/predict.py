"""predict: rows with the ensemble's answers beside them, in Python."""

import numpy as np
import polars as pl

from automl_assets import metrics, registry
from automl_assets.model_records import Predictions
from automl_assets.records import Ensemble
from automl_assets.steps.combine import check_columns, set_texts
from automl_assets.steps.conformalize import class_sets, intervals


def predict(ensemble: Ensemble, table: pl.DataFrame) -> Predictions:
    """The rows with their predictions beside them: the answer, a probability per class where there are classes, and
    what holds the truth as often as the experiment asks."""
    check_columns(ensemble.featurizer.raw_columns, table)
    answers = registry.family_of(ensemble.problem.task).steps.answer(ensemble, table)
    return Predictions(beside(table, answers, ensemble))


def beside(table: pl.DataFrame, answers: np.ndarray, ensemble: Ensemble) -> pl.DataFrame:
    """The table with columns `prediction`, for classes `probability_<class>` and `prediction_set_<percent>`, else
    `prediction_<percent>_low` and `_high`."""
    problem, conformal = ensemble.problem, ensemble.conformal
    if not problem.classes:
        ends = intervals(conformal, answers[:, 0]) if conformal else {}
        return table.with_columns(prediction=pl.Series(answers[:, 0]), **{n: pl.Series(v) for n, v in ends.items()})
    labels = [problem.classes[code] for code in metrics.decided(answers, problem.threshold)]
    probabilities = [pl.Series(f"probability_{label}", answers[:, code]) for code, label in enumerate(problem.classes)]
    sets = class_sets(conformal, answers, problem.threshold) if conformal else {}
    texts = [pl.Series(name, set_texts(inside, problem.classes)) for name, inside in sets.items()]
    return table.with_columns(pl.Series("prediction", labels), *probabilities, *texts)
