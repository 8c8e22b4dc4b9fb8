"""The threshold suits the metric, where rows that did not choose it agree; else one half stays."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from automl_assets import metrics
from automl_assets.metrics import METRICS, metric_names
from automl_assets.metrics.classes import decided
from automl_assets.records import Problem
from automl_assets.steps.calibrate import Judged
from automl_assets.steps.choose_threshold import MIN_MINORITY, _best_threshold, choose_threshold

AUTO = SimpleNamespace(threshold="auto", seed=0)


def _problem(metric: str) -> Problem:
    return Problem("classification", metric, classes=("no", "yes"), positive=1)


def _rare(n_rows: int = 2_000, share: float = 0.15, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Honest probabilities of a class that is hardly ever the more probable one."""
    random = np.random.default_rng(seed)
    odds = random.normal(np.log(share / (1 - share)), 1.0, n_rows)
    yes = 1 / (1 + np.exp(-odds))
    return (random.random(n_rows) < yes).astype(np.int64), np.column_stack([1 - yes, yes])


@pytest.mark.parametrize(
    "metric", ["f1_score_binary", "balanced_accuracy", "norm_macro_recall", "matthews_correlation"]
)
def test_a_rare_class_gets_a_lower_threshold(answered, metric: str) -> None:
    problem = _problem(metric)
    made = choose_threshold(*answered(problem, *_rare()), AUTO)
    assert 0.1 < made.problem.threshold < 0.4
    y, predictions = _rare(seed=1)
    before, after = (metrics.score(metric, y, predictions, None, p) for p in (problem, made.problem))
    assert after > before + 0.05
    assert made.score == pytest.approx(after, abs=0.05)


def test_one_half_is_best_for_the_accuracy_of_honest_answers(answered) -> None:
    chosen = [
        choose_threshold(*answered(_problem("accuracy"), *_rare(seed=seed)), AUTO).problem.threshold
        for seed in range(8)
    ]
    assert sum(threshold == 0.5 for threshold in chosen) >= 7


def test_a_biased_answer_is_set_right(answered) -> None:
    """The share that is answered is half of what it should be: accuracy, too, wants another threshold."""
    y, predictions = _rare(share=0.5)
    yes = predictions[:, 1] / 2
    made = choose_threshold(*answered(_problem("accuracy"), y, np.column_stack([1 - yes, yes])), AUTO)
    assert made.problem.threshold == pytest.approx(0.25, abs=0.04)


def test_few_rows_of_a_class_choose_nothing(answered) -> None:
    y, predictions = _rare(4_000)
    order = np.argsort(y, kind="stable")[::-1]
    for n_rare, is_chosen in ((MIN_MINORITY - 1, False), (MIN_MINORITY, True)):
        rows = order[y.sum() - n_rare :]
        given = answered(_problem("balanced_accuracy"), y[rows], predictions[rows])
        assert (choose_threshold(*given, AUTO).problem.threshold != 0.5) == is_chosen


LABEL_METRICS = [name for name in metric_names("classification") if METRICS[name].is_of_labels]


@pytest.mark.parametrize("metric", LABEL_METRICS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_no_other_threshold_is_better(metric: str, is_weighted: bool) -> None:
    """Among all there are, with many ties."""
    y, predictions = _rare(300)
    shares = predictions[:, 1].round(2)
    weight = np.random.default_rng(1).random(300) if is_weighted else None
    rows = Judged(y, np.column_stack([1 - shares, shares]), weight, _problem(metric))
    every = np.append(np.unique(shares) + 0.005, 0.0)
    tried = [metrics.score(metric, y, rows.predictions, weight, replace(rows.problem, threshold=t)) for t in every]
    found = replace(rows.problem, threshold=_best_threshold(rows))
    assert metrics.score(metric, y, rows.predictions, weight, found) == pytest.approx(max(tried), abs=1e-12)


def _very_rare(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Honest probabilities of a class that three rows in a thousand are of."""
    random = np.random.default_rng(seed)
    y = (random.random(n_rows) < 0.003).astype(np.int64)
    evidence = 2.8 * (random.normal(size=n_rows) + 2.8 * y) - 2.8**2 / 2
    yes = 1 / (1 + np.exp(np.log(0.997 / 0.003) - evidence))
    return y, np.column_stack([1 - yes, yes])


def test_a_very_rare_class_gets_the_threshold_that_finds_it(answered) -> None:
    """One hundred thresholds at equal shares of the rows do not see it."""
    problem, (y, predictions) = _problem("f1_score_binary"), _very_rare(200_000, seed=9)
    made = choose_threshold(*answered(problem, *_very_rare(50_000, seed=0)), AUTO)
    before, after = (metrics.score("f1_score_binary", y, predictions, None, p) for p in (problem, made.problem))
    assert after > before + 0.05


@pytest.mark.parametrize("metric", ["AUC_weighted", "log_loss", "average_precision_score_binary"])
def test_a_metric_of_probabilities_needs_no_threshold(answered, metric: str) -> None:
    given = answered(_problem(metric), *_rare())
    assert choose_threshold(*given, AUTO) is given[0]


def test_what_the_experiment_says_stays(answered) -> None:
    given = answered(_problem("f1_score_binary"), *_rare())
    assert choose_threshold(*given, SimpleNamespace(threshold=0.7, seed=0)) is given[0]


def test_more_classes_have_no_threshold(answered) -> None:
    problem = Problem("classification", "balanced_accuracy", classes=("a", "b", "c"))
    y = np.array([0, 1, 2] * 200)
    given = answered(problem, y, np.tile([0.6, 0.3, 0.1], (600, 1)))
    assert choose_threshold(*given, AUTO) is given[0]


@pytest.mark.parametrize("name", metric_names("classification"))
def test_metrics_of_labels_follow_the_threshold_and_others_do_not(name: str) -> None:
    y, predictions = _rare()
    at = {t: metrics.score(name, y, predictions, None, Problem("classification", name, ("no", "yes"), 1, threshold=t))
          for t in (0.5, 0.2)}  # fmt: skip
    assert (at[0.5] != at[0.2]) == METRICS[name].is_of_labels


def test_the_first_of_equals_is_answered() -> None:
    """At any threshold: a share has to be above it."""
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]])
    assert decided(shares).tolist() == [0, 0, 1]
    assert decided(shares, 0.25).tolist() == [0, 1, 1]
    assert decided(shares, 0.75).tolist() == [0, 0, 0]
