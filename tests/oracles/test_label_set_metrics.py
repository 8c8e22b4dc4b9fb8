"""Metrics of sets of labels against scikit-learn: with and without weights, empty sets, thresholds, labels nobody has."""

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as sk

from automl_assets.metrics.label_sets import METRICS
from automl_assets.records import Problem

OF_NAME = {one.name: one for one in METRICS}
AVERAGES = ("macro", "micro", "weighted")
THRESHOLDS = (0.5, 0.4, 0.3, 0.6, 0.5)
PROBLEM = Problem("any", "accuracy", tuple("abcde"), is_multilabel=True, thresholds=THRESHOLDS)
OCCUR = [0, 1, 2, 3]  # nobody has the last label

RATES = {
    "precision_score": sk.precision_score,
    "recall_score": sk.recall_score,
    "f1_score": sk.f1_score,
    "iou": sk.jaccard_score,
}
AREAS = {"AUC": sk.roc_auc_score, "average_precision_score": sk.average_precision_score}


def _rows() -> tuple[np.ndarray, np.ndarray]:
    """300 rows of five labels; a fifth of the rows have none."""
    random = np.random.default_rng(0)
    prediction = random.random((300, 5)).round(2)
    truth = (random.random((300, 5)) < 0.2 + 0.4 * prediction).astype(np.int8)
    truth[::5], truth[:, 4] = 0, 0
    prediction[::10] = 0.1
    return truth, prediction


ORACLES = {
    "accuracy": sk.accuracy_score,
    "hamming_loss": sk.hamming_loss,
    "f1_score_samples": partial(sk.f1_score, average="samples", zero_division=1),
    "iou_samples": partial(sk.jaccard_score, average="samples", zero_division=1),
}


@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
class TestEqualsScikitLearn:
    def _weight(self, is_weighted: bool) -> np.ndarray | None:
        return np.random.default_rng(1).integers(0, 4, 300).astype(float) if is_weighted else None

    @pytest.mark.parametrize("average", AVERAGES)
    @pytest.mark.parametrize("name", RATES)
    def test_rates(self, name: str, average: str, is_weighted: bool) -> None:
        (truth, prediction), weight = _rows(), self._weight(is_weighted)
        answered = prediction > np.array(THRESHOLDS)
        labels = None if average == "micro" else OCCUR  # wrong answers with the last label count as decisions
        expected = RATES[name](truth, answered, average=average, labels=labels, sample_weight=weight, zero_division=0)
        found = OF_NAME[f"{name}_{average}"].function(truth, prediction, weight, PROBLEM)
        assert found == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("name", ORACLES)
    def test_whole_sets(self, name: str, is_weighted: bool) -> None:
        (truth, prediction), weight = _rows(), self._weight(is_weighted)
        expected = ORACLES[name](truth, (prediction > np.array(THRESHOLDS)).astype(int), sample_weight=weight)
        assert OF_NAME[name].function(truth, prediction, weight, PROBLEM) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("average", AVERAGES)
    @pytest.mark.parametrize("name", AREAS)
    def test_areas(self, name: str, average: str, is_weighted: bool) -> None:
        (truth, prediction), weight = _rows(), self._weight(is_weighted)
        columns = slice(None) if average == "micro" else OCCUR
        expected = AREAS[name](truth[:, columns], prediction[:, columns], average=average, sample_weight=weight)
        found = OF_NAME[f"{name}_{average}"].function(truth, prediction, weight, PROBLEM)
        assert found == pytest.approx(expected, rel=1e-12)

    def test_log_loss(self, is_weighted: bool) -> None:
        (truth, prediction), weight = _rows(), self._weight(is_weighted)
        each = [sk.log_loss(truth[:, i], prediction[:, i], sample_weight=weight, labels=[0, 1]) for i in range(5)]
        assert OF_NAME["log_loss"].function(truth, prediction, weight, PROBLEM) == pytest.approx(np.mean(each))


def test_no_metric_lacks_an_oracle() -> None:
    averaged = {f"{name}_{average}" for name in (*RATES, *AREAS) for average in AVERAGES}
    assert set(OF_NAME) == {*averaged, *ORACLES, "log_loss"}


def test_an_empty_set_answered_with_none_is_right() -> None:
    truth, prediction = np.zeros((2, 5), np.int8), np.full((2, 5), 0.1)
    found = {name: OF_NAME[name].function(truth, prediction, None, PROBLEM) for name in ORACLES}
    assert found == {"accuracy": 1.0, "hamming_loss": 0.0, "f1_score_samples": 1.0, "iou_samples": 1.0}
    needs = OF_NAME["f1_score_macro"].needs
    assert not needs[0].is_met(truth, prediction, None, PROBLEM)


def test_a_label_that_every_row_has_takes_no_part_in_areas() -> None:
    truth, prediction = _rows()
    before = OF_NAME["AUC_macro"].function(truth, prediction, None, PROBLEM)
    everywhere = truth.copy()
    everywhere[:, 4] = 1
    assert OF_NAME["AUC_macro"].function(everywhere, prediction, None, PROBLEM) == before
