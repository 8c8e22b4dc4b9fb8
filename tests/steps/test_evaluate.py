import time
from dataclasses import replace

import numpy as np
import pytest

from automl_assets.metrics import METRICS, all_scores, metric_names, score
from automl_assets.model_records import Evaluation
from automl_assets.records import Conformal, Problem
from automl_assets.steps.evaluate import (
    Answers,
    baseline_prediction,
    beats_baseline,
    evaluate,
    intervals,
)
from automl_assets.steps.resample import GROUPS, Units, sampled_rows

BINARY = Problem("classification", "AUC_binary", ("no", "yes"), positive=1)


def class_answers(n_rows: int, n_classes: int, seed: int = 0, rarest: int = 20) -> Answers:
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.full(rarest, n_classes - 1), random.integers(0, n_classes - 1, n_rows - rarest)])
    odds = np.exp(random.normal(size=(n_rows, n_classes)) + 1.5 * (truth[:, None] == np.arange(n_classes)))
    return Answers("test", truth, odds / odds.sum(axis=1, keepdims=True))


def value_answers(n_rows: int, seed: int = 0) -> tuple[Answers, Problem]:
    random = np.random.default_rng(seed)
    truth = random.gamma(2.0, 1.0, n_rows) + 0.1
    problem = Problem("regression", "r2_score", target_range=(float(truth.min()), float(truth.max())))
    return Answers("test", truth, np.abs(truth + random.normal(0.0, 0.5, n_rows))), problem


@pytest.fixture(scope="module")
def binary() -> Evaluation:
    answers = class_answers(600, 2, rarest=200)
    return evaluate(answers, BINARY, answers.truth, seed=1)


@pytest.fixture(scope="module")
def regression() -> Evaluation:
    answers, problem = value_answers(500)
    return evaluate(answers, problem, answers.truth, seed=1)


def test_classification_has_every_metric_and_the_intervals_promised(binary):
    assert set(binary.metrics) == set(metric_names("classification"))
    assert set(binary.intervals) == {
        "AUC_binary",
        "accuracy",
        "AUC_weighted",
        "log_loss",
        "f1_score_macro",
        "balanced_accuracy",
    }
    assert (binary.rows, binary.n_rows) == ("test", 600)


def test_regression_has_an_interval_for_every_metric(regression):
    assert set(regression.intervals) == set(regression.metrics) == set(metric_names("regression"))


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_an_interval_holds_the_point_estimate_and_has_a_width(kind, request):
    evaluation = request.getfixturevalue(kind)
    for name, (low, high) in evaluation.intervals.items():
        assert low <= evaluation.metrics[name] <= high, name
        assert low < high, name


def test_pictures_are_those_of_the_task(binary, regression):
    assert {picture.name for picture in binary.pictures} == {
        "confusion",
        "roc",
        "precision_recall",
        "calibration",
        "gains",
        "lift",
    }
    assert {picture.name for picture in regression.pictures} == {"predicted_true", "residual_histogram", "residuals"}


def test_a_perfect_prediction_gets_the_best_values():
    truth = np.array([0, 1, 2] * 20)
    problem = Problem("classification", "accuracy", ("a", "b", "c"))
    scores = all_scores(truth, np.eye(3)[truth], None, problem)
    found = intervals(Answers("test", truth, np.eye(3)[truth]), problem, scores, seed=0)[0]
    assert found.pop("log_loss") == pytest.approx((0.0, 0.0), abs=1e-12)
    assert set(found.values()) == {(1.0, 1.0)}


def test_the_baseline_of_classification_is_guessing(binary):
    assert binary.baseline["AUC_weighted"] == binary.baseline["AUC_binary"] == 0.5
    assert binary.baseline["accuracy"] == pytest.approx(400 / 600)
    assert binary.baseline["matthews_correlation"] == 0.0
    shares = np.array([400, 200]) / 600
    assert binary.baseline["log_loss"] == pytest.approx(-(shares * np.log(shares)).sum())


def test_the_baseline_of_regression_explains_nothing(regression):
    assert regression.baseline["r2_score"] == pytest.approx(0.0)
    assert regression.baseline["spearman_correlation"] == 0.0


@pytest.mark.parametrize(
    "metric", ["root_mean_squared_error", "mean_absolute_error", "median_absolute_error", "root_mean_squared_log_error"]
)
def test_the_baseline_is_the_constant_that_suits_the_metric(metric):
    """No constant near it does better; the median absolute error has no closed form and takes the median."""
    truth = np.random.default_rng(0).lognormal(1.0, 1.0, 999)
    problem = Problem("regression", metric, target_range=(0.0, 1.0))
    guess = baseline_prediction(truth, len(truth), problem)
    if metric == "median_absolute_error":
        assert guess[0] == np.median(truth)
    else:
        near = [score(metric, truth, guess * factor, None, problem) for factor in (0.95, 1.0, 1.05)]
        assert near[1] == min(near)


def test_the_baseline_is_learnt_from_training_rows_only():
    problem = Problem("regression", "r2_score", target_range=(0.0, 1.0))
    assert baseline_prediction(np.array([1.0, 3.0]), 2, problem).tolist() == [2.0, 2.0]


def test_a_guess_is_decided_at_one_half():
    """The threshold that suits the model's answers says nothing of a guess."""
    answers = class_answers(600, 2, rarest=200)
    problem = replace(BINARY, threshold=0.2)
    evaluation = evaluate(answers, problem, answers.truth, seed=1)
    assert evaluation.baseline["accuracy"] == pytest.approx(400 / 600)
    assert evaluation.metrics["accuracy"] == score("accuracy", answers.truth, answers.prediction, None, problem)
    assert evaluation.metrics["accuracy"] != score("accuracy", answers.truth, answers.prediction, None, BINARY)


def test_coverage_is_that_of_test_rows():
    """Out-of-fold rows have set the bounds, and prove nothing."""
    answers, problem = value_answers(500)
    conformal = Conformal((0.8,), (float(np.quantile(np.abs(answers.prediction - answers.truth), 0.7)),))
    found = evaluate(answers, problem, answers.truth, 1, conformal)
    assert found.coverage == pytest.approx({"coverage_80": 0.7, "width_80": 2 * conformal.bounds[0]}, abs=0.01)
    assert evaluate(replace(answers, rows="out_of_fold"), problem, answers.truth, 1, conformal).coverage == {}


def test_beats_baseline_knows_the_direction_of_a_metric(binary):
    assert beats_baseline(binary, "AUC_weighted") and beats_baseline(binary, "log_loss")
    worse = Evaluation("test", 1, {"log_loss": 0.9}, {}, {"log_loss": 0.7}, ())
    assert not beats_baseline(worse, "log_loss")
    assert not beats_baseline(worse, "AUC_weighted")


def test_same_seed_same_interval_other_seed_other_interval():
    answers = class_answers(300, 2)
    scores = {"accuracy": 0.8, "log_loss": 0.5}
    first, again, other = (intervals(answers, BINARY, scores, seed)[0] for seed in (3, 3, 4))
    assert first == again
    assert first["log_loss"] != other["log_loss"]


def test_resamples_that_lack_a_class_say_nothing_of_a_mean_over_classes():
    """Of one row about exp(-1) of them do: they are counted, and left out."""
    truth = np.array([2] + [0, 1] * 50)
    prediction = np.tile([0.6, 0.4, 0.0], (101, 1))
    prediction[0] = [0.0, 0.0, 1.0]
    problem = Problem("classification", "recall_score_macro", ("a", "b", "c"))
    found, told = intervals(Answers("test", truth, prediction), problem, {"recall_score_macro": 2 / 3}, seed=0)
    assert found["recall_score_macro"] == pytest.approx((2 / 3, 2 / 3))
    assert told.without_value["recall_score_macro"] / told.n_resamples == pytest.approx(np.exp(-1), abs=0.08)


def test_intervals_are_those_that_theory_gives():
    """The share of right answers is binomial, the mean absolute error nearly normal."""
    random = np.random.default_rng(0)
    truth = np.zeros(4000, dtype=int)
    right = random.random(4000) < 0.8
    answers = Answers("test", truth, np.eye(2)[np.where(right, 0, 1)])
    low, high = intervals(answers, BINARY, {"accuracy": right.mean()}, seed=0)[0]["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 4000), rel=0.15)


def test_many_rows_give_narrow_intervals_although_only_a_sample_is_drawn_from():
    answers, problem = value_answers(80_000)
    errors = np.abs(answers.prediction - answers.truth)
    low, high = intervals(answers, problem, {"mean_absolute_error": errors.mean()}, seed=0)[0]["mean_absolute_error"]
    assert high - low == pytest.approx(2 * 1.96 * errors.std() / np.sqrt(80_000), rel=0.2)


def test_the_sample_drawn_from_keeps_the_shares_and_the_rarest_class():
    answers = class_answers(60_000, 3, rarest=2)
    rows, scale = sampled_rows(answers.units, answers.truth, 20_000, np.random.default_rng(0))
    first, second, third = np.bincount(answers.truth[rows])
    assert len(rows) == pytest.approx(20_000, abs=3) and len(np.unique(rows)) == len(rows)
    assert first == pytest.approx(second, rel=0.03)
    assert third == 1
    assert scale == pytest.approx(np.sqrt(1 / 3), rel=0.001)


def _covered(n_rows: int, share: float, seeds: range) -> float:
    """How often the interval of the accuracy holds the true one: a rare class that is found in 4 of 10 cases."""
    true, held = 0.99 * (1 - share) + 0.4 * share, []
    for seed in seeds:
        random = np.random.default_rng(seed)
        truth = (random.random(n_rows) < share).astype(int)
        is_right = random.random(n_rows) < np.where(truth == 1, 0.4, 0.99)
        answers = Answers("test", truth, np.eye(2)[np.where(is_right, truth, 1 - truth)])
        low, high = intervals(answers, replace(BINARY, metric="accuracy"), {"accuracy": is_right.mean()}, seed)[0][
            "accuracy"
        ]
        held.append(low <= true <= high)
    return float(np.mean(held))


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_intervals_hold_the_truth_although_the_shares_of_classes_are_chance(share, monkeypatch):
    monkeypatch.setattr("automl_assets.steps.evaluate.MOST_RESAMPLES", 200)
    assert _covered(500, share, range(60)) >= 0.88


def grouped_answers(n_groups: int, n_each: int, seed: int) -> Answers:
    """Each group has a share of its own that is answered rightly."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), n_each)
    is_right = random.random(len(group)) < random.uniform(0.5, 0.9, n_groups)[group]
    return Answers("test", np.zeros(len(group), int), np.eye(2)[np.where(is_right, 0, 1)], tied=Units(group, GROUPS))


def test_rows_of_a_group_are_drawn_together(monkeypatch):
    """The spread is that of the groups, 0.4 / sqrt(12), however many rows each has."""
    monkeypatch.setattr("automl_assets.steps.evaluate.MOST_RESAMPLES", 200)
    held = []
    for seed in range(60):
        answers = grouped_answers(20, 50, seed)
        scores = {"accuracy": float((answers.prediction[:, 0] > 0.5).mean())}
        ends, told = intervals(answers, BINARY, scores, seed)
        held.append(ends["accuracy"][0] <= 0.7 <= ends["accuracy"][1])
    assert np.mean(held) >= 0.88
    assert (told.unit, told.n_units) == (GROUPS, 20)


@pytest.mark.parametrize(("n_groups", "n_each"), [(10, 6_000), (15_000, 4)])
def test_a_sample_of_many_grouped_rows_spreads_as_all_do(n_groups, n_each):
    answers = grouped_answers(n_groups, n_each, seed=0)
    is_right = answers.prediction[:, 0] > 0.5
    of_groups = is_right.reshape(n_groups, n_each).mean(axis=1)
    (low, high) = intervals(answers, BINARY, {"accuracy": is_right.mean()}, seed=0)[0]["accuracy"]
    expected = 2 * 1.96 * of_groups.std(ddof=1) / np.sqrt(n_groups)
    assert high - low == pytest.approx(expected * (1.15 if n_groups == 10 else 1.0), rel=0.25)


def test_one_group_tells_no_interval():
    ends, told = intervals(grouped_answers(1, 50, seed=0), BINARY, {"accuracy": 0.7}, seed=0)
    assert (ends, told.n_units) == ({}, 1)


def test_a_metric_that_most_resamples_give_no_value_has_no_interval():
    truth = np.repeat(np.arange(30), 1)
    answers = Answers("test", truth, np.eye(30)[truth])
    problem = Problem("classification", "accuracy", tuple(f"c{code}" for code in range(30)))
    ends, told = intervals(answers, problem, {"accuracy": 1.0, "balanced_accuracy": 1.0}, seed=0)
    assert set(ends) == {"accuracy"}
    assert told.without_value["balanced_accuracy"] == told.n_resamples


def test_rows_close_in_time_are_drawn_together():
    units = Units.of_time(np.random.default_rng(0).permutation(np.repeat(np.arange(100), 3)))
    assert units.n_units == 20
    drawn = units.code[units.draw(np.random.default_rng(0))]
    assert set(np.unique(drawn, return_counts=True)[1] % 15) == {0}


def test_rows_without_weight_do_not_count():
    answers = class_answers(300, 2, rarest=100)
    weight = np.where(answers.prediction.argmax(axis=1) == answers.truth, 1.0, 0.0)
    weighted = Answers("out_of_fold", answers.truth, answers.prediction, weight)
    assert intervals(weighted, BINARY, {"accuracy": 1.0}, seed=0)[0]["accuracy"] == (1.0, 1.0)


def test_fifty_thousand_rows_take_seconds(monkeypatch):
    """Of rows that are scored there are so many, on any machine; a million take a quarter of a second on a quiet one."""
    answers, scored = class_answers(50_000, 2, rarest=5_000), []
    take = Answers.take
    monkeypatch.setattr(Answers, "take", lambda self, rows: scored.append(len(rows)) or take(self, rows))
    start = time.process_time()
    intervals(answers, BINARY, dict.fromkeys(METRICS, 0.5), seed=0)
    assert sum(scored) < 10_000_000
    assert time.process_time() - start < 20
