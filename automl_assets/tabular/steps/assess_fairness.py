"""assess_fairness: whether the ensemble treats the groups of a sensitive column alike, by fairlearn's metrics and definitions.

Groups of few rows differ by chance: what is told is that they surely differ by more than the limit.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from automl_assets.execution.time_shares import TimeShares
from automl_assets.explanation.group_rates import GroupMeans, sure_difference, sure_ratio
from automl_assets.explanation.groups import Groups, grouped
from automl_assets.metrics.classes import decided
from automl_assets.model_records import Fairness, GroupComparison
from automl_assets.pictures import fairness_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.holdout_predictions import CHUNK, holdout_predictions_until, judged_rows

MOST_ROWS = 20_000  # a seeded sample of more: fairlearn takes a second for that many
ROWS_PER_SECOND = 5_000  # of one column, with room to spare
ENDS = {"answers": 0.4, "columns": 0.8, "pictures": 0.9}  # of the time, by when a part has to begin
MOST_GROUPS = 10  # texts, or values of a number; more numbers are put into NUMBER_GROUPS ranges
NUMBER_GROUPS = 4
FEWEST_ROWS, FEWEST_OF_CLASS = 20, 10  # that a group needs to be compared, and a rate to be a figure
LEAST_CLASS_SHARE = 0.05  # of three classes and more, those that are rarer are not compared
FALSE_ALARMS = "false_positive_rate"
Measure = Callable[..., float]


@dataclass(frozen=True)
class Limit:
    """How far apart groups may be."""

    bound: float
    is_least: bool  # a ratio must be at least, a difference at most so much
    rate: str  # whose groups are named

    def is_broken(self, value: float) -> bool:
        return value < self.bound if self.is_least else value > self.bound


# Four fifths after the Uniform Guidelines on Employee Selection Procedures (EEOC 1978).
LIMITS = {
    "demographic_parity_ratio": Limit(0.8, is_least=True, rate="selection_rate"),
    "equalized_odds_difference": Limit(0.1, is_least=False, rate="recall"),
    "mean_absolute_error_ratio": Limit(0.8, is_least=True, rate="mean_absolute_error"),
}


def assess_fairness(
    dataset: Dataset,
    features: Features,
    ensemble: Ensemble,
    columns: tuple[str, ...],
    seed: int,
    seconds: float = float("inf"),
) -> Fairness:
    """Each sensitive column on the rows the ensemble is judged on; those that time allows, in the order they are named."""
    pace = TimeShares(seconds, ENDS)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(judged_rows(features, ensemble)))
    most = max(CHUNK, int(min(MOST_ROWS, seconds * ROWS_PER_SECOND / len(columns))))
    answers, drawn = holdout_predictions_until(features, ensemble, rows[:most], pace.end_of("answers"))
    comparisons = tuple(_in_time(columns, dataset.table[drawn], answers, ensemble.problem, pace))
    drawings = tuple(
        fairness_picture(one) for one in comparisons if pace.allows("pictures", name=f"{one.column} (picture)")
    )
    return Fairness(answers.rows, answers.n_rows, comparisons, drawings, tuple(pace.left_out))


def _in_time(
    columns: tuple[str, ...], table: pl.DataFrame, answers: Answers, problem: Problem, pace: TimeShares
) -> Iterator[GroupComparison]:
    """A comparison begins where there is time for one as long as the one before."""
    longest = 0.0
    for column in columns:
        if pace.allows("columns", longest, column):
            started = time.monotonic()
            yield _comparison(table[column], answers, problem)
            longest = max(longest, time.monotonic() - started)


def _comparison(column: pl.Series, answers: Answers, problem: Problem) -> GroupComparison:
    groups = _groups(column)
    sizes = np.bincount(groups.codes)
    is_compared = sizes >= FEWEST_ROWS
    rows = _Grouped(answers, groups.codes, problem)
    shown = rows.shown()
    table = pl.DataFrame({"group": groups.names, "n_rows": sizes, "is_compared": is_compared})
    table = table.with_columns(pl.Series(name, shown.by_group[name].to_numpy(float)) for name in shown.by_group)
    kept = np.flatnonzero(is_compared[groups.codes])
    compared = rows.take(kept)
    disparities, sure = (_disparities(compared), _sure(compared)) if is_compared.sum() > 1 else ({}, {})
    overall = {name: float(value) for name, value in shown.overall.items()}
    worries = tuple(_worries(column.name, table.filter("is_compared"), disparities, sure))
    return GroupComparison(column.name, table, overall, disparities, worries, sure)


def _groups(column: pl.Series) -> Groups:
    is_wide = column.dtype.is_numeric() and column.n_unique() > MOST_GROUPS
    return grouped(column, NUMBER_GROUPS if is_wide or column.dtype.is_temporal() else MOST_GROUPS)


def _worries(
    column: str, table: pl.DataFrame, disparities: Mapping[str, float], sure: Mapping[str, float]
) -> list[str]:
    """The disparities whose interval lies beyond the limit with both its ends."""
    told = []
    for name, limit in LIMITS.items():
        if name not in disparities or name not in sure or not limit.is_broken(sure[name]):
            continue
        ends = ("most", "least") if limit.is_least else ("least", "most")
        value = f"{disparities[name]:.3g} (with 95 % certainty at {ends[0]} {sure[name]:.3g})"
        told.append(f"{column}: {name} is {value}, at {ends[1]} {limit.bound} is wanted{_ends(table, limit.rate)}")
    return told


def _ends(table: pl.DataFrame, rate: str) -> str:
    """The groups with the lowest and the highest rate, where one rate tells."""
    if rate not in table.columns:
        return ""
    known = table.filter(pl.col(rate).is_finite()).sort(rate)
    low, high = known.row(0, named=True), known.row(-1, named=True)
    return f' ({rate}: {low[rate]:.3g} for "{low["group"]}", {high[rate]:.3g} for "{high["group"]}")'


@dataclass(frozen=True)
class _Grouped:
    """Answers of rows and the group of each."""

    answers: Answers
    codes: np.ndarray  # int [n_rows]
    problem: Problem

    def take(self, rows: np.ndarray) -> "_Grouped":
        return _Grouped(self.answers.take(rows), self.codes[rows], self.problem)

    def shown(self) -> Any:
        """The metrics a person looks at: of the positive class of two, over all classes, or errors."""
        if not self.problem.classes:
            return self._frame(_errors(), self.answers.truth, self.answers.prediction.reshape(-1))
        if self.problem.n_classes == 2:
            return self.against_rest(1 if self.problem.positive is None else self.problem.positive)
        return self._frame(_averages(), self.answers.truth, self.labels())

    def against_rest(self, code: int) -> Any:
        """The rates of one class against all others."""
        return self._frame(_rates(), (self.answers.truth == code).astype(int), (self.labels() == code).astype(int))

    def compared_codes(self) -> list[int]:
        """Two classes mirror each other; of more, the rare ones are left out."""
        if self.problem.n_classes == 2:
            return [1 if self.problem.positive is None else self.problem.positive]
        shares = np.bincount(self.answers.truth, minlength=self.problem.n_classes) / self.answers.n_rows
        return np.flatnonzero(shares >= LEAST_CLASS_SHARE).tolist()

    def means(self, values: np.ndarray) -> GroupMeans:
        """Of values of rows [n_rows]."""
        return GroupMeans.of(values, *self._known(np.ones(len(values), bool)))

    def shares(self, is_inside: np.ndarray, among: np.ndarray) -> list[GroupMeans]:
        """Of the rows `among` those inside (bool [n_rows]); of groups that have enough of these rows, nothing of fewer
        than two."""
        among = among & (np.bincount(self.codes[among], minlength=self.codes.max() + 1) >= FEWEST_OF_CLASS)[self.codes]
        if len(np.unique(self.codes[among])) < 2:
            return []
        return [GroupMeans.of_shares(is_inside[among], *self._known(among))]

    def _known(self, among: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Group, weight and unit of some rows."""
        weight = np.ones(len(among)) if self.answers.weight is None else self.answers.weight
        group = np.unique(self.codes[among], return_inverse=True)[1].reshape(-1)
        return group, weight[among], self.answers.units.place[among]

    def labels(self) -> np.ndarray:
        return decided(self.answers.prediction, self.problem.threshold)

    def _frame(self, measures: dict[str, Measure], truth: np.ndarray, answer: np.ndarray) -> Any:
        from fairlearn.metrics import MetricFrame

        weight = self.answers.weight
        params = None if weight is None else {name: {"sample_weight": weight} for name in measures}
        return MetricFrame(
            metrics=measures, y_true=truth, y_pred=answer, sensitive_features=self.codes, sample_params=params
        )


def _disparities(rows: _Grouped) -> dict[str, float]:
    """How far apart groups are; of several classes the one where they are farthest. What has no value is left out."""
    found = _rate_disparities(rows) if rows.problem.classes else _error_disparities(rows)
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}


def _sure(rows: _Grouped) -> dict[str, float]:
    """The near end of the interval of each disparity that has a limit. Rows that count for nothing are left out."""
    if rows.answers.weight is not None:
        rows = rows.take(np.flatnonzero(rows.answers.weight > 0))
    if len(np.unique(rows.codes)) < 2:
        return {}
    if not rows.problem.classes:
        errors = np.abs(rows.answers.prediction.reshape(-1) - rows.answers.truth)
        return {"mean_absolute_error_ratio": sure_ratio([rows.means(errors)])}
    selected, recalls, false_alarms = [], [], []
    labels, truth = rows.labels(), rows.answers.truth
    for code in rows.compared_codes():
        selected += rows.shares(labels == code, np.ones(len(labels), bool))
        recalls += rows.shares(labels == code, truth == code)
        false_alarms += rows.shares(labels == code, truth != code)
    rates = recalls + false_alarms
    differing = {"equalized_odds_difference": sure_difference(rates, n_tests=2)} if rates else {}
    return {"demographic_parity_ratio": sure_ratio(selected, n_tests=2), **differing}


def _rate_disparities(rows: _Grouped) -> dict[str, float]:
    frames = [rows.against_rest(code) for code in rows.compared_codes()]
    differences, ratios = [frame.difference() for frame in frames], [frame.ratio() for frame in frames]
    difference = {name: max(one[name] for one in differences) for name in differences[0].index}
    ratio = {name: min(one[name] for one in ratios) for name in ratios[0].index}
    return {
        "demographic_parity_difference": difference["selection_rate"],
        "demographic_parity_ratio": ratio["selection_rate"],
        "equalized_odds_difference": max(difference["recall"], difference[FALSE_ALARMS]),
        "equalized_odds_ratio": min(ratio["recall"], ratio[FALSE_ALARMS]),
        "accuracy_difference": difference["accuracy"],
    }


def _error_disparities(rows: _Grouped) -> dict[str, float]:
    frame = rows.shown()
    difference = frame.difference()
    return {
        "mean_absolute_error_difference": difference["mean_absolute_error"],
        "mean_absolute_error_ratio": frame.ratio()["mean_absolute_error"],
        "mean_error_difference": difference["mean_error"],
    }


def _rates() -> dict[str, Measure]:
    """Measures of 0 and 1."""
    from fairlearn.metrics import false_negative_rate, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score, precision_score

    return {
        "selection_rate": selection_rate,
        "accuracy": accuracy_score,
        "recall": partial(_among, true_positive_rate, 1),
        "precision": partial(precision_score, zero_division=np.nan),
        FALSE_ALARMS: partial(_among, false_positive_rate, 0),
        "false_negative_rate": partial(_among, false_negative_rate, 1),
    }


def _among(rate: Measure, code: int, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """A rate, or NaN where too few rows are of the class that it is a share of; of none at all fairlearn would say 0."""
    n_rows = int((np.asarray(y_true) == code).sum())
    return math.nan if n_rows < FEWEST_OF_CLASS else rate(y_true, y_pred, sample_weight=sample_weight, pos_label=1)


def _averages() -> dict[str, Measure]:
    """Measures of class codes, over all classes."""
    from sklearn.metrics import accuracy_score, precision_score, recall_score

    return {
        "accuracy": accuracy_score,
        "recall_macro": partial(recall_score, average="macro", zero_division=np.nan),
        "precision_macro": partial(precision_score, average="macro", zero_division=np.nan),
    }


def _errors() -> dict[str, Measure]:
    from fairlearn.metrics import mean_prediction
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    return {
        "mean_prediction": mean_prediction,
        "mean_error": _mean_error,
        "mean_absolute_error": mean_absolute_error,
        "root_mean_squared_error": root_mean_squared_error,
    }


def _mean_error(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    """Above 0 where predictions are too high."""
    return float(np.average(np.asarray(y_pred) - np.asarray(y_true), weights=sample_weight))
