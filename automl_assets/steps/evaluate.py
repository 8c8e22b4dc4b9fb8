"""EVALUATE: how good the answers are on given rows, how sure we are of it, and what guessing would have reached.

Here belong the bootstrap and the baseline. Not here: formulas (`metrics`), drawings (`pictures`), predicting.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from automl_assets.metrics import all_scores, metric_names, needs_of, oriented, scores_of
from automl_assets.model_records import Evaluation, Figures, Picture
from automl_assets.pictures import classification_pictures, regression_pictures
from automl_assets.records import Conformal, Problem
from automl_assets.steps.conformalize import coverage

CLASS_INTERVALS = ("accuracy", "AUC_weighted", "log_loss", "f1_score_macro", "balanced_accuracy")
MOST_RESAMPLES, FEWEST_RESAMPLES = 400, 100
MOST_ROWS = 20_000  # the bootstrap draws from a seeded sample of so many rows
MOST_CELLS = 16_000_000  # resamples x rows x outputs: about two seconds


@dataclass(frozen=True)
class Answers:
    """Rows whose truth is known, with what was predicted for them."""

    rows: Literal["test", "out_of_fold"]
    truth: np.ndarray  # int class codes or float values [n_rows]
    prediction: np.ndarray  # probabilities [n_rows, n_classes] or values [n_rows] or [n_rows, 1]
    weight: np.ndarray | None = None  # float64 [n_rows]

    @property
    def n_rows(self) -> int:
        return len(self.truth)

    @property
    def has_weight(self) -> bool:
        """Whether any row counts."""
        return self.weight is None or bool((self.weight > 0).any())

    def take(self, rows: np.ndarray) -> "Answers":
        """The answers of some rows, by their numbers."""
        weight = None if self.weight is None else self.weight[rows]
        return Answers(self.rows, self.truth[rows], self.prediction[rows], weight)


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
    is_proven = answers.rows == "test" and answers.has_weight
    known = (answers.truth, answers.prediction, problem, answers.weight)
    return Evaluation(
        rows=answers.rows,
        n_rows=answers.n_rows,
        metrics=scores,
        intervals=intervals(answers, problem, scores, seed),
        baseline=all_scores(answers.truth, guess, answers.weight, replace(problem, threshold=0.5)),
        pictures=_pictures(answers, problem) if answers.has_weight and has_pictures else (),
        coverage=coverage(conformal, *known) if is_proven else {},
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


def without_value(evaluation: Evaluation, metric: str) -> str:
    """Why the rows give the metric no value; empty where they give it one.

    >>> without_value(Evaluation("test", 8, {"accuracy": 1.0}, {}, {}, ()), "AUC_weighted")
    'AUC_weighted has no value on these 8 test rows: it needs rows of at least two classes'
    """
    if metric in evaluation.metrics:
        return ""
    rows = f"{evaluation.n_rows} {evaluation.rows.replace('_', '-')} rows"
    return f"{metric} has no value on these {rows}: it needs {needs_of(metric)}"


def _pictures(answers: Answers, problem: Problem) -> tuple[Picture, ...]:
    if problem.n_classes:
        return classification_pictures(answers.truth, answers.prediction, answers.weight, problem)
    return regression_pictures(answers.truth, answers.prediction.reshape(-1))


# Baseline


def baseline_prediction(training_truth: np.ndarray, n_rows: int, problem: Problem) -> np.ndarray:
    """The best answer that looks at no column: the class shares, or the value that the metric likes best.

    >>> baseline_prediction(np.array([0, 0, 0, 1]), 1, Problem("classification", "accuracy", classes=("no", "yes")))
    array([[0.75, 0.25]])
    >>> baseline_prediction(np.array([1.0, 2.0, 9.0]), 1, Problem("regression", "mean_absolute_error"))
    array([2.])
    """
    if problem.n_classes:
        shares = np.bincount(training_truth, minlength=problem.n_classes) / len(training_truth)
        return np.tile(shares, (n_rows, 1))
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
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals (Efron 1979) of the metrics in `scores` that deserve one.

    Classes keep their sizes in every resample. When only a sample of the rows is drawn from, the spread around its
    centre is scaled to all rows (Politis and Romano 1994).
    """
    names = [name for name in _interval_names(problem) if name in scores]
    random = np.random.default_rng(seed)
    drawn = answers.take(sampled_rows(answers, problem, random))
    resampled = _resampled_scores(drawn, problem, names, random)
    shrink = np.sqrt(drawn.n_rows / answers.n_rows)
    return {name: _interval(np.array(resampled[name]), scores[name], shrink) for name in names}


def _interval_names(problem: Problem) -> tuple[str, ...]:
    if problem.n_classes:
        return tuple(dict.fromkeys((problem.metric, *CLASS_INTERVALS)))
    return metric_names(problem.task)


def sampled_rows(answers: Answers, problem: Problem, random: np.random.Generator) -> np.ndarray:
    """Numbers of the rows that are drawn from: all, or of very many a sample with the class shares kept."""
    most = min(MOST_ROWS, max(2_000, MOST_CELLS // (FEWEST_RESAMPLES * problem.n_outputs)))
    if answers.n_rows <= most:
        return np.arange(answers.n_rows)
    order = random.permutation(answers.n_rows)
    if problem.n_classes:  # every k-th row of each class, so that the rarest is there too
        order = order[np.argsort(answers.truth[order], kind="stable")]
        return _spread(order, answers.truth[order], most)
    return order[:most]


def _spread(order: np.ndarray, classes: np.ndarray, most: int) -> np.ndarray:
    """The same share of each class, at least one row, from rows ordered by class."""
    sizes = np.bincount(classes)
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(order)) - starts[classes]
    return order[rank < np.ceil(sizes * most / len(order))[classes]]


def _resampled_scores(
    drawn: Answers, problem: Problem, names: list[str], random: np.random.Generator
) -> dict[str, list[float]]:
    strata = drawn.truth if problem.n_classes else np.zeros(drawn.n_rows, dtype=int)
    drawn = drawn.take(np.argsort(strata, kind="stable"))
    sizes = np.bincount(strata)
    first, size = np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes)
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(_n_resamples(drawn.n_rows * problem.n_outputs)):
        again = drawn.take(first + (random.random(drawn.n_rows) * size).astype(int))
        for name, value in scores_of(names, again.truth, again.prediction, again.weight, problem).items():
            found[name].append(value)
    return found


def _n_resamples(n_cells: int) -> int:
    return int(np.clip(MOST_CELLS // n_cells, FEWEST_RESAMPLES, MOST_RESAMPLES))


def _interval(values: np.ndarray, point: float, shrink: float) -> tuple[float, float]:
    """The middle 95 %, which always holds the point estimate."""
    if not len(values):
        return point, point
    low, high = np.quantile(values, (0.025, 0.975))
    if shrink < 1:
        centre = np.median(values)
        low, high = point + shrink * (low - centre), point + shrink * (high - centre)
    return float(min(low, point)), float(max(high, point))
