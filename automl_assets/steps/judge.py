"""judge: the rows an ensemble is judged on, with its answers and the truth; test rows, or out-of-fold ones."""

import numpy as np

from automl_assets.records import Ensemble, Features
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.predict import answer_codes


def judged_rows(features: Features, ensemble: Ensemble) -> np.ndarray:
    """The rows that `judge` answers, bool [n_rows]."""
    if features.split.is_test.any():
        return features.split.is_test
    return ~np.isnan(ensemble.predictions).any(axis=1)


def judge(features: Features, ensemble: Ensemble) -> Answers:
    """The test rows when there are any; else every row some fold validated on, answered by models that never saw it."""
    is_test, chosen = bool(features.split.is_test.any()), judged_rows(features, ensemble)
    answers = answer_codes(ensemble, features.codes[chosen]) if is_test else ensemble.predictions[chosen]
    weight = features.weight[chosen] if features.weight is not None else None
    return Answers("test" if is_test else "out_of_fold", features.y[chosen], answers, weight)
