"""judge: gathers the rows an ensemble is judged on, its answers and the truth; test rows, or out-of-fold ones."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from automl_assets.records import Ensemble, Features, Split
from automl_assets.steps.predict import answer_codes


@dataclass(frozen=True)
class Judged:
    """Answers beside the truth."""

    rows: Literal["test", "out_of_fold"]
    truth: np.ndarray  # [n_rows]
    answer: np.ndarray  # [n_rows, n_outputs]
    weight: np.ndarray | None
    training_truth: np.ndarray


def judge(split: Split, features: Features, ensemble: Ensemble) -> Judged:
    """The test rows when there are any; else every row some fold validated on, answered by models that never saw it."""
    is_test = bool(split.is_test.any())
    if is_test:
        chosen = split.is_test
        answers = answer_codes(ensemble, features.codes[chosen])
    else:
        chosen = ~np.isnan(ensemble.predictions).any(axis=1)
        answers = ensemble.predictions[chosen]
    return Judged(
        rows="test" if is_test else "out_of_fold",
        truth=features.y[chosen],
        answer=answers,
        weight=features.weight[chosen] if features.weight is not None else None,
        training_truth=features.y[split.is_training],
    )
