"""What the UI and the terminal are told of an evaluation, also where the rows give the metric no value."""

import numpy as np
import pytest

from automl_assets.assets.evaluation import _beats, _metadata
from automl_assets.forecasting.assets.evaluation import _beats as _forecast_beats
from automl_assets.model_records import Evaluation
from automl_assets.records import Problem
from automl_assets.steps.evaluate import Answers, evaluate

LEARNT = np.array([0, 1] * 20)
PROBLEM = Problem("classification", "AUC_weighted", ("no", "yes"), positive=1)


def judged(truth: np.ndarray, weight: np.ndarray | None = None) -> Evaluation:
    share = np.where(truth == 1, 0.9, 0.2)
    return evaluate(Answers("test", truth, np.column_stack([1 - share, share]), weight), PROBLEM, LEARNT, seed=0)


def test_one_class_alone_is_told_and_the_score_is_that_of_validation() -> None:
    found = judged(np.zeros(8, np.int64))
    assert "AUC_weighted" not in found.metrics and found.metrics["accuracy"] == 1.0
    check = _beats(found, "AUC_weighted", "classification", 0.93)
    assert not check.passed
    assert check.description == (
        "AUC_weighted has no value on these 8 test rows: it needs rows of at least two classes. Nothing shows that it is "
        "better than a guess. The model counts with what validation found: 0.93 on out-of-fold rows."
    )
    told = _metadata(found, "AUC_weighted", 0.93)
    assert (told["rows"], told["score"], told["score_rows"]) == ("test", 0.93, "out_of_fold")


def test_two_classes_are_compared_with_a_guess() -> None:
    found = judged(np.array([0, 0, 1, 1]))
    check = _beats(found, "AUC_weighted", "classification", 0.93)
    assert check.passed and check.description == "AUC_weighted 1, a guess has 0.5"
    told = _metadata(found, "AUC_weighted", 0.93)
    assert (told["score"], told["score_rows"]) == (1.0, "test")


def test_rows_without_any_weight_give_no_metric_a_value() -> None:
    found = judged(np.array([0, 0, 1, 1]), np.zeros(4))
    assert found.metrics == found.intervals == {}
    told = _beats(found, "accuracy", "classification", 0.9).description
    assert told and told.startswith(
        "accuracy has no value on these 4 test rows: it needs rows whose weight is not zero."
    )


@pytest.mark.parametrize(
    ("worse", "unknown", "text"),
    [
        ([], [], ""),
        (["north"], [], "worse than the seasonal naive forecast: north"),
        (
            ["north"],
            ["south"],
            "worse than the seasonal naive forecast: north; r2_score has no value on the judged rows of south: only the "
            "backtest says how good they are",
        ),
    ],
)
def test_groups_without_a_value_are_named(worse: list[str], unknown: list[str], text: str) -> None:
    check = _forecast_beats(worse, unknown, "r2_score")
    assert (check.description, check.passed) == (text, not text)
