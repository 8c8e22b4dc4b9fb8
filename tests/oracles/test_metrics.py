"""Every metric against a second implementation (scikit-learn, SciPy) and against published values."""

import time
import warnings
from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from automl_assets import metrics
from automl_assets.errors import DataError, SettingError
from automl_assets.metrics import classes, values
from automl_assets.metrics.metric import SERIES
from automl_assets.records import Problem

AVERAGES = ("macro", "micro", "weighted")


def class_problem(n_classes: int, positive: int | None = None) -> Problem:
    return Problem("classification", "accuracy", tuple(f"class {code}" for code in range(n_classes)), positive)


def class_rows(n_classes: int, n_present: int, has_ties: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.choice(n_present, 400, p=random.dirichlet(np.full(n_present, 5.0)))
    odds = random.gamma(1.0, size=(400, n_classes)) + 0.5 * (truth[:, None] == np.arange(n_classes))
    probability = odds / odds.sum(axis=1, keepdims=True)
    if has_ties:
        probability = np.round(probability[:, :-1], 1)
        probability = np.column_stack([probability, np.maximum(0.0, 1.0 - probability.sum(axis=1))])
        probability /= probability.sum(axis=1, keepdims=True)
    return truth, probability


def present_classes(truth: np.ndarray) -> np.ndarray:
    return np.unique(truth)


def indicator(truth: np.ndarray, n_classes: int) -> np.ndarray:
    return (truth[:, None] == np.arange(n_classes)).astype(int)


def by_class(function, average, truth, probability, weight):
    """One against the rest, in scikit-learn, over the classes that occur."""
    codes = present_classes(truth)
    if average == "micro":
        pooled_weight = None if weight is None else np.repeat(weight, probability.shape[1])
        return function(
            indicator(truth, probability.shape[1]).ravel(), probability.ravel(), sample_weight=pooled_weight
        )
    values = [function(truth == code, probability[:, code], sample_weight=weight) for code in codes]
    support = [np.sum((truth == code) * (1.0 if weight is None else weight)) for code in codes]
    return np.average(values, weights=support if average == "weighted" else None)


def rate(function, average, truth, probability, weight):
    labels = np.arange(probability.shape[1]) if average == "micro" else present_classes(truth)
    answer = probability.argmax(axis=1)
    return function(truth, answer, labels=labels, average=average, sample_weight=weight, zero_division=0)


def of_answer(function, truth, probability, weight):
    return function(truth, probability.argmax(axis=1), sample_weight=weight)


def norm_macro_recall(truth, probability, weight):
    chance = 1 / probability.shape[1]
    return (rate(reference.recall_score, "macro", truth, probability, weight) - chance) / (1 - chance)


def weighted_accuracy(truth, probability, weight):
    weight = np.ones(len(truth)) if weight is None else weight
    class_weight = np.array([weight[truth == code].sum() for code in truth])
    return of_answer(reference.accuracy_score, truth, probability, weight * class_weight)


def log_loss(truth, probability, weight):
    return reference.log_loss(truth, probability, sample_weight=weight, labels=np.arange(probability.shape[1]))


CLASS_ORACLES = {
    "accuracy": partial(of_answer, reference.accuracy_score),
    "balanced_accuracy": partial(of_answer, reference.balanced_accuracy_score),
    "matthews_correlation": partial(of_answer, reference.matthews_corrcoef),
    "log_loss": log_loss,
    "norm_macro_recall": norm_macro_recall,
    "weighted_accuracy": weighted_accuracy,
    **{f"AUC_{average}": partial(by_class, reference.roc_auc_score, average) for average in AVERAGES},
    **{
        f"average_precision_score_{average}": partial(by_class, reference.average_precision_score, average)
        for average in AVERAGES
    },
    **{
        f"{name}_{average}": partial(rate, getattr(reference, name), average)
        for name in ("precision_score", "recall_score", "f1_score")
        for average in AVERAGES
    },
}
BINARY_ORACLES = {
    "AUC_binary": reference.roc_auc_score,
    "average_precision_score_binary": reference.average_precision_score,
    **{
        f"{name}_binary": partial(
            lambda function, truth, score, sample_weight: function(truth, score > 0.5, sample_weight=sample_weight),
            getattr(reference, name),
        )
        for name in ("precision_score", "recall_score", "f1_score")
    },
}


@pytest.mark.parametrize("has_ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize(("n_classes", "n_present"), [(2, 2), (4, 4), (4, 3), (6, 2)])
@pytest.mark.parametrize("name", sorted(CLASS_ORACLES))
def test_classification_metric_equals_scikit_learn(name, n_classes, n_present, is_weighted, has_ties):
    truth, probability = class_rows(n_classes, n_present, has_ties)
    weight = np.random.default_rng(1).random(len(truth)) if is_weighted else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        expected = CLASS_ORACLES[name](truth, probability, weight)
    found = metrics.score(name, truth, probability, weight, class_problem(n_classes))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", sorted(BINARY_ORACLES))
def test_binary_metric_is_that_of_the_positive_class(name, is_weighted, positive):
    truth, probability = class_rows(2, 2, has_ties=False)
    weight = np.random.default_rng(1).random(len(truth)) if is_weighted else None
    expected = BINARY_ORACLES[name](truth == positive, probability[:, positive], sample_weight=weight)
    found = metrics.score(name, truth, probability, weight, class_problem(2, positive))
    assert found == pytest.approx(expected, abs=1e-12)


def value_rows(has_ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    truth = random.gamma(2.0, 50.0, 500) + 1.0
    prediction = np.abs(truth + random.normal(0.0, 40.0, 500))
    return (np.round(truth, -1) + 1.0, np.round(prediction, -1)) if has_ties else (truth, prediction)


def spearman(truth, prediction, sample_weight=None):
    """Rows repeated as often as their whole-numbered weight says."""
    times = np.ones(len(truth), dtype=int) if sample_weight is None else sample_weight.astype(int)
    return stats.spearmanr(np.repeat(truth, times), np.repeat(prediction, times)).statistic


def median_absolute_error(truth, prediction, sample_weight=None):
    times = np.ones(len(truth), dtype=int) if sample_weight is None else sample_weight.astype(int)
    return reference.median_absolute_error(np.repeat(truth, times), np.repeat(prediction, times))


VALUE_RANGE = (2.0, 402.0)
LOG_RANGE = np.log(403.0) - np.log(3.0)
VALUE_ORACLES = {
    "explained_variance": (reference.explained_variance_score, 1),
    "mean_absolute_error": (reference.mean_absolute_error, 1),
    "mean_absolute_percentage_error": (reference.mean_absolute_percentage_error, 100),
    "median_absolute_error": (median_absolute_error, 1),
    "r2_score": (reference.r2_score, 1),
    "root_mean_squared_error": (reference.root_mean_squared_error, 1),
    "root_mean_squared_log_error": (reference.root_mean_squared_log_error, 1),
    "spearman_correlation": (spearman, 1),
    "normalized_mean_absolute_error": (reference.mean_absolute_error, 1 / 400),
    "normalized_median_absolute_error": (median_absolute_error, 1 / 400),
    "normalized_root_mean_squared_error": (reference.root_mean_squared_error, 1 / 400),
    "normalized_root_mean_squared_log_error": (reference.root_mean_squared_log_error, 1 / LOG_RANGE),
}


@pytest.mark.parametrize("has_ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", sorted(VALUE_ORACLES))
def test_regression_metric_equals_scikit_learn(name, is_weighted, has_ties):
    truth, prediction = value_rows(has_ties)
    weight = np.random.default_rng(1).integers(0, 4, len(truth)).astype(float) if is_weighted else None
    oracle, factor = VALUE_ORACLES[name]
    problem = Problem("regression", name, target_range=VALUE_RANGE)
    found = metrics.score(name, truth, prediction.reshape(-1, 1), weight, problem)
    assert found == pytest.approx(factor * oracle(truth, prediction, sample_weight=weight), rel=1e-12)


def test_no_metric_lacks_an_oracle():
    """Those of forecasts have theirs in `test_forecast_metrics`, those of sets in `test_label_set_metrics`."""
    of_rows = {one.name for one in (*classes.METRICS, *values.METRICS) if one.kind != SERIES}
    assert of_rows == {*CLASS_ORACLES, *BINARY_ORACLES, *VALUE_ORACLES}


# Published values, and what follows from a definition


def answers(correct_by_class: list[int], wrong_by_class: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two classes, so many of each answered right and wrong."""
    truth = np.repeat([0, 0, 1, 1], [correct_by_class[0], wrong_by_class[0], correct_by_class[1], wrong_by_class[1]])
    answer = np.repeat([0, 1, 1, 0], [correct_by_class[0], wrong_by_class[0], correct_by_class[1], wrong_by_class[1]])
    return truth, np.eye(2)[answer]


def test_norm_macro_recall_of_the_published_bank_marketing_run():
    truth, probability = answers([951_000, 552_162], [49_000, 447_838])  # macro recall .751581
    found = metrics.all_scores(truth, probability, None, class_problem(2))
    assert found["balanced_accuracy"] == pytest.approx(0.751581, abs=1e-9)
    assert found["norm_macro_recall"] == pytest.approx(0.503162, abs=1e-9)


def test_weighted_accuracy_counts_a_row_as_often_as_its_class_occurs():
    truth, probability = answers([80, 5], [10, 15])
    expected = (90 * 80 + 20 * 5) / (90**2 + 20**2)
    assert metrics.score("weighted_accuracy", truth, probability, None, class_problem(2)) == pytest.approx(expected)


def test_normalized_error_of_the_published_hardware_run():
    problem = Problem("regression", "normalized_root_mean_squared_error", target_range=(0.0, 8596.4))
    truth = np.array([1000.0, 2000.0])
    found = metrics.all_scores(truth, truth + 241.918, None, problem)
    assert found["root_mean_squared_error"] == pytest.approx(241.918)
    assert found["normalized_root_mean_squared_error"] == pytest.approx(0.0281418, abs=5e-8)


def test_normalized_log_error_of_the_published_energy_run():
    problem = Problem("regression", "r2_score", target_range=(2859.6, 11456.0))
    truth = np.array([3000.0, 5000.0, 9000.0])
    found = metrics.all_scores(truth, np.expm1(np.log1p(truth) + 0.0417745), None, problem)
    ratio = found["root_mean_squared_log_error"] / found["normalized_root_mean_squared_log_error"]
    assert ratio == pytest.approx(1.38756950, abs=1e-8)
    assert found["normalized_root_mean_squared_log_error"] == pytest.approx(0.0301062, abs=5e-8)


def test_r2_is_cut_off_at_minus_one():
    problem = Problem("regression", "r2_score", target_range=(0.0, 2.0))
    assert metrics.score("r2_score", np.array([1.0, 2.0]), np.array([1e6, -1e6]), None, problem) == -1.0


def test_a_weight_of_zero_equals_leaving_the_row_out():
    truth, probability = class_rows(4, 4, has_ties=True)
    weight = (truth != 3).astype(float)
    kept = truth != 3
    with_zeros = metrics.all_scores(truth, probability, weight, class_problem(4))
    without = metrics.all_scores(truth[kept], probability[kept], None, class_problem(4))
    assert with_zeros == pytest.approx(without)


@pytest.mark.parametrize("name", ["spearman_correlation", "matthews_correlation"])
def test_a_constant_answer_correlates_with_nothing(name):
    if name == "matthews_correlation":
        problem, truth, prediction = class_problem(2), np.array([0, 1, 1]), np.tile([0.4, 0.6], (3, 1))
    else:
        problem, truth = Problem("regression", name), np.array([1.0, 2.0, 3.0])
        prediction = np.full(3, 2.0)
    assert metrics.score(name, truth, prediction, None, problem) == 0.0


# Rows on which a metric has no value


def test_one_class_alone_has_no_auc():
    truth, probability = np.zeros(5, dtype=int), np.tile([0.8, 0.2], (5, 1))
    found = metrics.all_scores(truth, probability, None, class_problem(2, positive=1))
    assert found["accuracy"] == 1.0 and np.isfinite(list(found.values())).all()
    assert not {"AUC_macro", "AUC_weighted", "AUC_binary", "matthews_correlation", "f1_score_binary"} & set(found)


def test_binary_metrics_are_for_two_classes():
    truth, probability = class_rows(4, 4, has_ties=False)
    found = metrics.all_scores(truth, probability, None, class_problem(4))
    assert set(found) == set(CLASS_ORACLES)


@pytest.mark.parametrize(
    ("truth", "absent"),
    [
        ([0.0, 1.0, 2.0], {"mean_absolute_percentage_error"}),
        ([-3.0, 1.0, 2.0], {"root_mean_squared_log_error", "normalized_root_mean_squared_log_error"}),
        ([2.0, 2.0, 2.0], {"r2_score", "explained_variance", "spearman_correlation"}),
    ],
)
def test_undefined_regression_metrics_are_left_out(truth, absent):
    problem = Problem("regression", "r2_score", target_range=(0.0, 9.0))
    found = metrics.all_scores(np.array(truth), np.array([1.0, 2.0, 3.0]), None, problem)
    assert set(metrics.metric_names("regression")) - set(found) == absent
    assert np.isfinite(list(found.values())).all()


def test_a_target_without_range_has_no_normalized_metrics():
    problem = Problem("regression", "r2_score", target_range=(3.0, 3.0))
    found = metrics.all_scores(np.array([3.0, 4.0]), np.array([3.0, 3.0]), None, problem)
    assert not [name for name in found if name.startswith("normalized")]


def test_score_says_why_there_is_none():
    with pytest.raises(DataError, match="AUC_weighted has no value on these 3 rows: it needs rows of at least two"):
        metrics.score("AUC_weighted", np.zeros(3, dtype=int), np.tile([0.5, 0.5], (3, 1)), None, class_problem(2))


def test_a_prediction_with_missing_values_is_refused():
    with pytest.raises(DataError, match="the prediction holds 1 values that are missing or infinite"):
        metrics.all_scores(np.ones(2), np.array([1.0, np.nan]), None, Problem("regression", "r2_score"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("acuracy", 'Did you mean "accuracy"'), ("auc_weighted", 'Did you mean "AUC_weighted"'), ("r2_score", "Possible")],
)
def test_unknown_metric_names_those_possible(name, hint):
    with pytest.raises(SettingError, match=f'got "{name}", which classification does not have.*{hint}'):
        metrics.metric(name, "classification")


@pytest.mark.parametrize("name", ["accuracy", "log_loss", "AUC_weighted", "AUC_macro", "AUC_binary"])
def test_scores_that_ensemble_selection_calls_are_quick(name):
    random = np.random.default_rng(0)
    probability = random.random(30_000)
    truth = (random.random(30_000) < probability).astype(int)
    given = (name, truth, np.column_stack([1 - probability, probability]), None, class_problem(2, positive=1))

    def seconds() -> float:
        start = time.process_time()
        metrics.score(*given)
        return time.process_time() - start

    assert min(seconds() for _ in range(10)) < 0.005
