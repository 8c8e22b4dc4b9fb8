"""What flows between steps, from the rows to the ensemble: frozen values of plain data, arrays and tables.

Here belong shapes and small readings of a record's own fields. Not here: learning, reading, writing,
Dagster; and what is made of a finished ensemble (`model_records`).
Sequences in a record are tuples; every record can be stored and read back by `resources.store`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.boxes import FIELDS
from automl_assets.data.schema import NO_SCHEMA, Schema
from automl_assets.errors import LearningError

Kind = Literal["numeric", "categorical", "datetime", "text", "ignored"]
Label = str | int | bool | float
EnsembleKind = Literal["single", "voting", "stacking"]
AnswerName = Literal["classes", "label_sets", "boxes", "values"]

TRAIN, VALID = 1, 2  # marks in `Split.assignment`; 0 means the row takes no part in that fold
LEFT_OUT_SHARE = 0.05  # of the rows to learn from: fewer are left out by the chance of repeated hold-outs
SOURCE, VALIDATION_FILE, TEST_FILE = 0, 1, 2  # marks in `Dataset.part`


@dataclass(frozen=True)
class Roles:
    """Which column plays which part. `features` are the columns a model may look at."""

    target: str
    features: tuple[str, ...]
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    folds: tuple[str, ...] = ()
    series: tuple[str, ...] = ()  # of a forecast: columns that tell series apart
    known: tuple[str, ...] = ()  # features that are known for the stamps to be forecast
    past: tuple[str, ...] = ()  # features that are not
    static: tuple[str, ...] = ()  # features that never change within a series


@dataclass(frozen=True)
class Dataset:
    """Typed rows. `part` says where each row came from: the source, a validation file or a test file."""

    table: pl.DataFrame  # [n_rows, n_columns]
    part: np.ndarray  # int8 [n_rows]
    roles: Roles
    fingerprint: str
    schema: Schema = NO_SCHEMA  # by which the rows were read, and all later ones are
    unreadable: tuple[str, ...] = ()  # what could not be read so, of test and validation files, and counts as missing

    @property
    def n_rows(self) -> int:
        return self.table.height


@dataclass(frozen=True)
class ColumnProfile:
    """One column as it was found, and how it will be used. Statistics are over the training rows."""

    name: str
    dtype: str
    kind: Kind
    n_missing: int
    n_unique: int
    reason: str = ""  # why it is used this way
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    top: tuple[tuple[str, int], ...] = ()  # most frequent values with their counts
    histogram: tuple[int, ...] = ()  # counts in equal bins between minimum and maximum
    quantiles: tuple[float, ...] = ()  # middles of a hundred equal shares of rows, of numbers


@dataclass(frozen=True)
class Guardrail:
    """A check on the data, in Azure's words: passed, done (handled) or alerted (needs a person)."""

    name: str
    status: Literal["passed", "done", "alerted"]
    message: str
    figures: dict[str, Any] = field(default_factory=dict)
    severity: Literal["warning", "error"] = "warning"  # of an alert


@dataclass(frozen=True)
class Problem:
    """What is asked of every model: the task, the metric and the shape of an answer."""

    task: str
    metric: str
    classes: tuple[Label, ...] = ()  # in the order of their codes; empty for regression
    positive: int | None = None  # code of the positive class, two classes only
    threshold: float = 0.5  # the second of two classes is the answer where its probability is above
    target_range: tuple[float, float] = (0.0, 1.0)  # of the training rows; normalises the normalized_* metrics
    is_multilabel: bool = False  # whether an answer is a set of labels: any number of the classes, or none
    thresholds: tuple[float, ...] = ()  # of sets, one per label, which is in where its probability is above; empty: 0.5
    most_objects: int = 0  # of an image that an answer has room for, where it says which objects are in it

    @property
    def answers(self) -> AnswerName:
        """What an answer is; `answer_kinds` says what steps do with each."""
        if self.most_objects:
            return "boxes"
        return "label_sets" if self.is_multilabel else "classes" if self.classes else "values"

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def n_outputs(self) -> int:
        """Columns of a prediction: one per class or label, one value, or those of objects (`boxes`)."""
        return self.most_objects * FIELDS or max(1, self.n_classes)

    @property
    def is_binary(self) -> bool:
        """Whether one of two classes is the answer."""
        return self.answers == "classes" and self.n_classes == 2

    @property
    def has_threshold(self) -> bool:
        """Whether one number decides what is answered."""
        return self.is_binary or self.answers == "boxes"

    @property
    def n_scores(self) -> int:
        """Log-odds of a row: two classes share one."""
        return 1 if self.is_binary else self.n_outputs

    @property
    def label_thresholds(self) -> dict[str, float]:
        """Label -> its threshold; empty where none was chosen."""
        return dict(zip(map(str, self.classes), self.thresholds, strict=True)) if self.thresholds else {}

    @property
    def as_likely(self) -> "Problem":
        """The same question, answered by what is more likely than not."""
        return replace(self, threshold=0.5, thresholds=())

    def deciding_as(self, other: "Problem") -> "Problem":
        """The same question, decided by the thresholds of another; a label that it does not know has none of its own."""
        own = other.label_thresholds
        thresholds = tuple(own.get(str(label), 0.5) for label in self.classes) if own else ()
        return replace(self, threshold=other.threshold, thresholds=thresholds)


@dataclass(frozen=True)
class Profile:
    """The data set described: columns, guardrails and the problem it poses."""

    n_rows: int
    columns: tuple[ColumnProfile, ...]
    guardrails: tuple[Guardrail, ...]
    problem: Problem
    schema: Schema = NO_SCHEMA  # by which the rows were read
    left_out: tuple[int, ...] = ()  # numbers of rows of the data that take no part, whatever their target

    def of_kind(self, kind: Kind) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.kind == kind)


@dataclass(frozen=True)
class Split:
    """Who learns, who validates, who tests. A row in neither role lacks a target, or is left out."""

    is_test: np.ndarray  # bool [n_rows]
    assignment: np.ndarray  # int8 [n_rows, n_folds]: 0 unused, 1 train, 2 validation
    strategy: str
    is_ordered: bool = False  # whether each fold validates on rows later than those it learns from

    @property
    def n_folds(self) -> int:
        return self.assignment.shape[1]

    @property
    def is_training(self) -> np.ndarray:
        """Rows that at least one fold learns from or validates on, bool [n_rows]."""
        return np.any(self.assignment > 0, axis=1)

    @property
    def is_shown(self) -> np.ndarray:
        """Rows a finished model is tried on: the test rows, or where there are none those it learnt from."""
        return self.is_test if self.is_test.any() else self.is_training

    @property
    def leaves_out(self) -> bool:
        """Whether no fold learns from a share of the rows there are to learn from: the newest, or those of a hold-out."""
        left_out = self.is_training & ~np.any(self.assignment == TRAIN, axis=1)
        return self.is_ordered or left_out.sum() > LEFT_OUT_SHARE * self.is_training.sum()

    def take(self, rows: np.ndarray) -> "Split":
        """The same of some rows, by number, as often as they are named."""
        return replace(self, is_test=self.is_test[rows], assignment=self.assignment[rows])

    def fold(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of one fold: those to learn from, those to validate on."""
        column = self.assignment[:, index]
        return np.flatnonzero(column == TRAIN), np.flatnonzero(column == VALID)


@dataclass(frozen=True)
class FeatureColumn:
    """One engineered column and the raw column it comes from."""

    name: str
    source: str
    transformation: str


@dataclass(frozen=True)
class Ties:
    """Which rows hang together, so that chance cannot be told from single rows."""

    groups: np.ndarray | None = None  # int64 [n_rows], rows of one group share a number
    moments: np.ndarray | None = None  # int64 [n_rows], place of the row's time among all times


@dataclass(frozen=True)
class Truth:
    """What is known of every row's answer, and who learns from it: all that steps of every family look at."""

    y: (
        np.ndarray
    )  # int64 class codes or float64 values [n_rows]; -1 or NaN where the target is missing. Of sets of labels
    # int8 [n_rows, n_labels], 1 for each label of the row; -1 in the whole row where the target is missing. Of objects as in
    # `boxes`
    weight: np.ndarray | None  # float64 [n_rows]
    problem: Problem
    split: Split
    ties: Ties = field(default_factory=Ties)

    def weights_of(self, rows: np.ndarray) -> np.ndarray | None:
        """The weights of some rows, by number or mask; None where every row counts alike."""
        return None if self.weight is None else self.weight[rows]


@dataclass(frozen=True)
class Features:
    """Every row as the algorithms of its family take it, and the recipe that made it so."""

    truth: Truth
    inputs: Any  # a record of the family's own, which only its package looks into
    featurizer: Any  # the recipe, of the family's own: plain values, stored as JSON
    columns: tuple[FeatureColumn, ...] = ()  # engineered columns and where they come from; as far as there are any
    schema: Schema = NO_SCHEMA  # of the raw columns
    background: pl.DataFrame | None = None  # raw rows with which those are compared whose answers are explained


class Fitted:
    """Fitted models, opaque to everything but their own algorithm. Stored signed, and read when first looked at, or sent
    to another process.

    >>> Fitted(("model",)).models
    ('model',)
    """

    def __init__(self, models: tuple[Any, ...] | None = None, load: Callable[[], tuple[Any, ...]] | None = None):
        self._models, self._load = models, load

    @property
    def models(self) -> tuple[Any, ...]:
        if self._models is None and self._load is not None:
            self._models = self._load()
        return self._models or ()

    def __reduce__(self) -> tuple[type["Fitted"], tuple[tuple[Any, ...]]]:
        return Fitted, (self.models,)


@dataclass(frozen=True)
class Trial:
    """One algorithm with one configuration, fitted and scored on validation rows."""

    name: str
    algorithm: str
    config: dict[str, Any]
    status: Literal["finished", "failed"]
    reason: str = ""  # why it failed
    score: float | None = None  # the experiment's metric on out-of-fold predictions
    scores: dict[str, float] = field(default_factory=dict)  # further metrics, likewise
    fit_seconds: float = 0.0
    predictions: np.ndarray | None = None  # out-of-fold [n_rows, n_outputs], NaN where never validated
    fitted: Fitted | None = None

    @property
    def is_finished(self) -> bool:
        return self.status == "finished"

    @property
    def known_score(self) -> float:
        """The score of a trial that has one. Raises LearningError for one that failed."""
        if self.score is None:
            raise LearningError(f"{self.name} has no score: {self.reason}")
        return self.score

    @property
    def known_predictions(self) -> np.ndarray:
        """The predictions of a trial that has them. Raises LearningError for one that failed."""
        if self.predictions is None:
            raise LearningError(f"{self.name} has no predictions: {self.reason}")
        return self.predictions


@dataclass(frozen=True)
class Candidate:
    """All trials of one algorithm in one experiment."""

    algorithm: str
    trials: tuple[Trial, ...]
    seconds: float


@dataclass(frozen=True)
class LeaderboardRow:
    """One line of the leaderboard."""

    rank: int | None  # None for a trial that failed
    trial: str
    algorithm: str
    score: float | None
    scores: dict[str, float]
    fit_seconds: float
    config: dict[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class Leaderboard:
    """Every trial, best first; those that failed come last, with their reason."""

    metric: str
    greater_is_better: bool
    standings: tuple[LeaderboardRow, ...]

    @property
    def finished(self) -> tuple[LeaderboardRow, ...]:
        return tuple(standing for standing in self.standings if standing.rank is not None)


@dataclass(frozen=True)
class Member:
    """A trial that takes part in an ensemble. Holds its models, so that an ensemble stands on its own."""

    trial: str
    algorithm: str
    weight: float  # share of the vote, or mean absolute coefficient in a stack
    fitted: Fitted


@dataclass(frozen=True)
class Stack:
    """A linear learner over its members' link-space predictions: scores = inputs @ coefficients + intercept."""

    coefficients: np.ndarray  # float64 [n_inputs, n_scores]
    intercept: np.ndarray  # float64 [n_scores]


@dataclass(frozen=True)
class Calibration:
    """Makes probabilities honest: their logarithms are scaled, and the second of two classes gets a head start."""

    scale: float  # inverse of the temperature; above one makes answers surer
    bias: float = 0.0  # added to the log-odds of two classes, or of every label
    labels: tuple[tuple[float, float], ...] = ()  # of sets of labels: scale and bias of the log-odds of each


@dataclass(frozen=True)
class Spread:
    """How large errors are at each level of the prediction: straight lines between knots, level beyond them."""

    knots: np.ndarray  # float64 [n_knots], predicted values, ascending
    sizes: np.ndarray  # float64 [n_knots], mean absolute error there


@dataclass(frozen=True)
class Conformal:
    """What makes an answer hold the truth as often as each level says (Vovk 2005).

    `bounds` are half widths of an interval (in units of `spread` where there is one), or the least probability with
    which a class is in the set; each class has one of its own where it has rows enough, so that its own rows are held as
    often as promised, too.
    """

    levels: tuple[float, ...]  # share of rows, ascending
    bounds: tuple[float, ...]  # one per level
    spread: Spread | None = None
    least: float | None = None  # no end of an interval lies below
    most: float | None = None  # or above
    class_bounds: tuple[tuple[float, ...], ...] = ()  # of each level one per class; empty: `bounds` are those of all
    pooled: tuple[int, ...] = ()  # codes of classes of too few rows, whose bounds are those of all rows


@dataclass(frozen=True)
class Ensemble:
    """The model that answers: a weighted vote or a stack over trials, chosen on validation rows."""

    kind: EnsembleKind
    members: tuple[Member, ...]
    stack: Stack | None
    score: float
    scores_by_kind: dict[EnsembleKind, float]  # the metric of every kind tried, on validation rows
    predictions: np.ndarray  # out-of-fold [n_rows, n_outputs], of members and weights that other rows chose
    featurizer: Any
    problem: Problem  # with the threshold that decides
    calibration: Calibration | None = None
    conformal: Conformal | None = None
    schema: Schema = NO_SCHEMA  # by which rows to be answered are read
    background: pl.DataFrame | None = None  # as in Features
