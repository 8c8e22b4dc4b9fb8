"""EVALUATE: how good the answers are on given rows, how sure we are of it, and what guessing would have reached.

Here belong the bootstrap and the baseline. Not here: formulas (`metrics`), drawings (`pictures`), predicting.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.answer_kinds import answers_of
from automl_assets.metrics import all_scores, metric_names, needs_of, oriented, scores_of
from automl_assets.model_records import Evaluation, Figures, Picture, Resampling
from automl_assets.pictures import (
    classification_pictures,
    label_set_pictures,
    object_pictures,
    regression_pictures,
)
from automl_assets.records import AnswerName, Conformal, Problem
from automl_assets.steps.conformalize import coverage, coverage_by_class
from automl_assets.steps.resample import ROWS, Units, acceleration, interval, sampled_rows
from automl_assets.steps.tabulate_labels import tabulate_labels, tabulate_thresholds
from automl_assets.steps.tabulate_objects import tabulate_object_thresholds, tabulate_objects

CLASS_INTERVALS = ("accuracy", "AUC_weighted", "log_loss", "f1_score_macro", "balanced_accuracy")
LABEL_SET_INTERVALS = ("accuracy", "f1_score_micro", "f1_score_macro", "f1_score_samples", "hamming_loss", "log_loss")
MOST_RESAMPLES, FEWEST_RESAMPLES = 500, 100
LEAST_SHARE = 0.5  # of the resamples that have to give a metric a value
MOST_ROWS = 20_000  # the bootstrap draws from a seeded sample of so many rows
MOST_CELLS = 16_000_000  # resamples x rows x outputs: about two seconds


@dataclass(frozen=True)
class Answers:
    """Rows whose truth is known, with what was predicted for them."""

    rows: Literal["test", "out_of_fold"]
    truth: np.ndarray  # int class codes or float values [n_rows], or int8 [n_rows, n_labels]
    prediction: np.ndarray  # probabilities [n_rows, n_classes] or values [n_rows] or [n_rows, 1]
    weight: np.ndarray | None = None  # float64 [n_rows]
    tied: Units | None = None  # which rows hang together; None: none do

    @property
    def n_rows(self) -> int:
        return len(self.truth)

    @property
    def units(self) -> Units:
        """What chance draws."""
        return Units.of_rows(self.n_rows) if self.tied is None else self.tied

    @property
    def has_weight(self) -> bool:
        """Whether any row counts."""
        return self.weight is None or bool((self.weight > 0).any())

    def take(self, rows: np.ndarray) -> "Answers":
        """The answers of some rows, by their numbers."""
        weight = None if self.weight is None else self.weight[rows]
        tied = None if self.tied is None else self.tied.take(rows)
        return Answers(self.rows, self.truth[rows], self.prediction[rows], weight, tied)


def evaluate(
    answers: Answers,
    problem: Problem,
    training_truth: np.ndarray,
    seed: int,
    conformal: Conformal | None = None,
    has_pictures: bool = True,
) -> Evaluation:
    """Every metric with its interval, the baseline learnt from the training truth, the pictures, and on test rows how
    often the truth was inside (out-of-fold rows set the bounds, so that they prove nothing).

    >>> problem = Problem("regression", "r2_score", target_range=(0.0, 3.0))
    >>> truth = np.array([0.0, 1.0, 2.0, 3.0])
    >>> evaluation = evaluate(Answers("test", truth, truth), problem, truth, seed=0)
    >>> evaluation.metrics["r2_score"], evaluation.intervals["r2_score"], evaluation.baseline["r2_score"]
    (1.0, (1.0, 1.0), 0.0)
    """
    scores = all_scores(answers.truth, answers.prediction, answers.weight, problem)
    guess = baseline_prediction(training_truth, answers.n_rows, problem)
    ends, resampling = intervals(answers, problem, scores, seed)
    is_proven = answers.rows == "test" and answers.has_weight
    known = (answers.truth, answers.prediction, problem, answers.weight)
    return Evaluation(
        rows=answers.rows,
        n_rows=answers.n_rows,
        metrics=scores,
        intervals=ends,
        baseline=all_scores(answers.truth, guess, answers.weight, problem.as_likely),
        pictures=_pictures(answers, problem) if answers.has_weight and has_pictures else (),
        coverage=coverage(conformal, *known) if is_proven else {},
        resampling=resampling,
        coverage_by_class=coverage_by_class(conformal, *known) if is_proven else None,
        **_tables(answers, problem),
    )


def beats_baseline(evaluation: Evaluation, metric: str) -> bool:
    """Whether the metric is better than that of guessing; False when these rows give one of them no value."""
    if metric not in evaluation.metrics or metric not in evaluation.baseline:
        return False
    return oriented(metric, evaluation.metrics[metric]) > oriented(metric, evaluation.baseline[metric])


def figures(evaluation: Evaluation, metric: str, validation_score: float) -> Figures:
    """What a model is registered with. Where the test rows give the metric no value, its score is that of validation.

    >>> one_class = Evaluation("test", 8, {"accuracy": 1.0}, {}, {}, ())
    >>> found = figures(one_class, "AUC_weighted", 0.9)
    >>> found.score, found.score_rows, figures(one_class, "accuracy", 0.9).score_rows
    (0.9, 'out_of_fold', 'test')
    """
    every, rows = evaluation.metrics | evaluation.coverage, evaluation.rows
    if metric in evaluation.metrics:
        return Figures(every, rows, evaluation.metrics[metric], rows)
    return Figures(every, rows, validation_score, "out_of_fold")


def without_value(evaluation: Evaluation, metric: str, task: str) -> str:
    """Why the rows give the metric no value; empty where they give it one.

    >>> without_value(Evaluation("test", 8, {"accuracy": 1.0}, {}, {}, ()), "AUC_weighted", "classification")
    'AUC_weighted has no value on these 8 test rows: it needs rows of at least two classes'
    """
    if metric in evaluation.metrics:
        return ""
    rows = f"{evaluation.n_rows} {evaluation.rows.replace('_', '-')} rows"
    return f"{metric} has no value on these {rows}: it needs {needs_of(metric, task)}"


def _pictures(answers: Answers, problem: Problem) -> tuple[Picture, ...]:
    return PICTURES[problem.answers](answers, problem)


def _tables(answers: Answers, problem: Problem) -> dict[str, pl.DataFrame]:
    """Of sets of labels and of objects how well each label is found, and what other thresholds would do."""
    if not answers.has_weight:
        return {}
    known = (answers.truth, answers.prediction, answers.weight, problem)
    return {name: tabulate(*known) for name, tabulate in TABLES.get(problem.answers, {}).items()}


TABLES: dict[AnswerName, dict[str, Callable[..., pl.DataFrame]]] = {
    "label_sets": {"by_label": tabulate_labels, "by_threshold": tabulate_thresholds},
    "boxes": {"by_label": tabulate_objects, "by_threshold": tabulate_object_thresholds},
}


PICTURES: dict[AnswerName, Callable[[Answers, Problem], tuple[Picture, ...]]] = {
    "classes": lambda all, problem: classification_pictures(all.truth, all.prediction, all.weight, problem),
    "label_sets": lambda all, problem: label_set_pictures(all.truth, all.prediction, all.weight, problem),
    "boxes": lambda all, problem: object_pictures(all.truth, all.prediction, all.weight, problem),
    "values": lambda all, problem: regression_pictures(all.truth, all.prediction.reshape(-1)),
}


# Baseline


def baseline_prediction(training_truth: np.ndarray, n_rows: int, problem: Problem) -> np.ndarray:
    """The best answer that looks at no column: the shares of the classes or labels, or the value that the metric likes best.

    >>> baseline_prediction(np.array([0, 0, 0, 1]), 1, Problem("classification", "accuracy", classes=("no", "yes")))
    array([[0.75, 0.25]])
    >>> baseline_prediction(np.array([1.0, 2.0, 9.0]), 1, Problem("regression", "mean_absolute_error"))
    array([2.])
    """
    if problem.n_classes:
        return np.tile(answers_of(problem).shares(training_truth, problem.n_classes), (n_rows, 1))
    return np.full(n_rows, _typical_value(training_truth, problem.metric))


def _typical_value(values: np.ndarray, metric: str) -> float:
    if "absolute" in metric:
        return float(np.median(values))
    if "log" in metric and values.min() > -1:
        return float(np.expm1(np.log1p(values).mean()))
    return float(values.mean())


# Intervals


def intervals(
    answers: Answers, problem: Problem, scores: dict[str, float], seed: int
) -> tuple[dict[str, tuple[float, float]], Resampling]:
    """95 % bootstrap intervals of the metrics in `scores` that deserve one, and what they rest on.

    A resample that gives a metric no value, or lacks a class of a mean over classes, is left out and counted; where most
    are, there is no interval.
    """
    names, random = [name for name in _interval_names(problem) if name in scores], np.random.default_rng(seed)
    rows, scale = sampled_rows(answers.units, _strata(answers, problem), most_rows(problem), random)
    drawn = answers.take(rows)
    units, n_resamples = drawn.units, _n_resamples(drawn.n_rows * problem.n_outputs)
    if units.n_units < 2:
        return {}, Resampling(units.name, units.n_units, 0)
    found = _scores_of_draws(drawn, problem, names, (units.draw(random) for _ in range(n_resamples)))
    skewed = _scores_of_draws(drawn, problem, names, units.left_out(random))
    middles = _scores_of_draws(drawn, problem, names, [np.arange(drawn.n_rows)])
    ends: dict[str, tuple[float, float]] = {}
    for name, values in found.items():
        if len(middles[name]) and len(values) >= LEAST_SHARE * n_resamples:
            middle = float(middles[name][0])
            inner = interval(values, middle, acceleration(skewed[name]), units.n_units)
            ends[name] = _moved(inner, middle, scores[name], scale)
    lacking = {name: n_resamples - len(values) for name, values in found.items() if len(values) < n_resamples}
    return ends, Resampling(answers.units.name, answers.units.n_units, n_resamples, lacking)


def intervals_told(resampling: Resampling | None) -> str:
    """What the intervals are, in a sentence or two.

    >>> intervals_told(Resampling("groups", 20, 500, {"AUC_weighted": 3}))
    '95 % bootstrap intervals (BCa) from 500 resamples of 20 groups, each drawn whole. Left out, because they gave no value or lacked a class: 3 for AUC_weighted.'
    """
    if resampling is None:
        return "95 % bootstrap intervals."
    n_units, unit = f"{resampling.n_units:,}", resampling.unit
    if resampling.n_units < 2:
        return f"No intervals: a single one of these {unit} shows no spread."
    whole = "" if unit == ROWS else ", each drawn whole"
    told = f"95 % bootstrap intervals (BCa) from {resampling.n_resamples} resamples of {n_units} {unit}{whole}."
    lacking = ", ".join(f"{count} for {name}" for name, count in resampling.without_value.items())
    return told + (f" Left out, because they gave no value or lacked a class: {lacking}." if lacking else "")


def _interval_names(problem: Problem) -> tuple[str, ...]:
    of_kind: dict[AnswerName, tuple[str, ...]] = {
        "classes": (problem.metric, *CLASS_INTERVALS),
        "label_sets": (problem.metric, *LABEL_SET_INTERVALS),
        "boxes": metric_names(problem.task),
        "values": metric_names(problem.task),
    }
    return tuple(dict.fromkeys(of_kind[problem.answers]))


def most_rows(problem: Problem) -> int:
    """Of more a sample is drawn from."""
    return min(MOST_ROWS, max(2_000, MOST_CELLS // (FEWEST_RESAMPLES * problem.n_outputs)))


def _strata(answers: Answers, problem: Problem) -> np.ndarray:
    """Rows of one class each, so that the rarest is in a sample too, int [n_rows]."""
    return answers_of(problem).strata(answers.truth)


def _scores_of_draws(
    drawn: Answers, problem: Problem, names: list[str], draws: Iterable[np.ndarray]
) -> dict[str, np.ndarray]:
    """The values of each metric in the draws that give it one."""
    found: dict[str, list[float]] = {name: [] for name in names}
    n_classes = _n_present(drawn, problem)
    for draw in draws:
        again = drawn.take(draw)
        lacks_class = _n_present(again, problem) < n_classes
        possible = [name for name in names if not (lacks_class and metrics.metric(name, problem.task).is_over_classes)]
        for name, value in scores_of(possible, again.truth, again.prediction, again.weight, problem).items():
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def _n_present(answers: Answers, problem: Problem) -> int:
    """Classes of which a row counts."""
    return int(np.count_nonzero(answers_of(problem).totals(answers.truth, answers.weight, problem.n_classes)))


def _n_resamples(n_cells: int) -> int:
    return int(np.clip(MOST_CELLS // n_cells, FEWEST_RESAMPLES, MOST_RESAMPLES))


def _moved(ends: tuple[float, float], middle: float, point: float, scale: float) -> tuple[float, float]:
    """The interval of all rows from that of a sample of them, which has a middle of its own."""
    low, high = (point + scale * (end - middle) for end in ends)
    return min(low, point), max(high, point)
