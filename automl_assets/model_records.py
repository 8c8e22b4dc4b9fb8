"""What is made of a finished ensemble: how good it is and why, pictures, files, versions, predictions.

As in `records`, which has what leads to it: frozen values of plain data, arrays and tables.
"""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.data.schema import NO_SCHEMA, Schema
from automl_assets.records import Problem


@dataclass(frozen=True)
class Picture:
    """A drawing for the UI, kept under 100 kB because Dagster stores it in its event log."""

    name: str
    title: str
    image: bytes  # PNG or SVG

    @property
    def address(self) -> str:
        """The image as a URL that holds it."""
        kind = "png" if self.image.startswith(b"\x89PNG") else "svg+xml"
        return f"data:image/{kind};base64,{b64encode(self.image).decode()}"


@dataclass(frozen=True)
class Resampling:
    """What intervals rest on: so many resamples of units that were drawn as one."""

    unit: str  # in words: rows, whole groups, stretches of time
    n_units: int
    n_resamples: int
    without_value: dict[str, int] = field(default_factory=dict)  # metric -> resamples that gave it none, left out


@dataclass(frozen=True)
class Evaluation:
    """How well the ensemble does on rows nobody has seen; out-of-fold rows where no test rows were asked for."""

    rows: Literal["test", "out_of_fold"]
    n_rows: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]  # 95 % bootstrap
    baseline: dict[str, float]
    pictures: tuple[Picture, ...]
    coverage: dict[str, float] = field(default_factory=dict)  # on test rows: share that held the truth, mean size
    resampling: Resampling | None = None  # None in what earlier versions wrote
    coverage_by_class: pl.DataFrame | None = None  # class, n_rows, bound (own or shared), coverage_80 and so on
    by_label: pl.DataFrame | None = None  # of sets: label, n_rows, n_answered, threshold, precision, recall, f1, AUC
    by_threshold: pl.DataFrame | None = None  # of sets: what they would be with one threshold for all labels


@dataclass(frozen=True)
class Figures:
    """How good a model is, and the score it is registered with."""

    metrics: dict[str, float]  # those that `rows` give a value, and what intervals hold there
    rows: str
    score: float  # the experiment's metric
    score_rows: str  # `rows`, or where these give the metric no value the ones that chose the model

    @property
    def is_of_validation(self) -> bool:
        """Whether the rows that were kept for the judgement give the metric no value."""
        return self.score_rows != self.rows


@dataclass(frozen=True)
class Importance:
    """How much the metric suffers when one column is shuffled: mean and standard deviation over repeats, which is NaN
    where there was time for one alone."""

    column: str
    mean: float
    std: float


@dataclass(frozen=True)
class Contributions:
    """SHAP values (Lundberg and Lee 2017): a row's contributions add up to its score minus the base of that output.

    Scores are log-odds of a class, or values for a regression; the base is their mean over the background of the model.
    The standard errors tell how sure contributions are that rest on `n_compared` of its `n_background` rows.
    """

    outputs: tuple[str, ...]  # the positive class of two, every class of more, "value" for a regression
    base: tuple[float, ...]  # one per output
    table: pl.DataFrame  # row, output, column, value, contribution, standard_error (NaN after one comparison)
    n_compared: int
    n_background: int

    @property
    def strengths(self) -> pl.DataFrame:
        """Column and mean size of its contributions, over rows and outputs; the greatest first."""
        size = pl.col("contribution").abs().mean()
        return self.table.group_by("column", maintain_order=True).agg(size).sort("contribution", descending=True)


@dataclass(frozen=True)
class Explanation:
    """What the ensemble leans on: permutation importances (Breiman 2001), SHAP values, partial dependence.

    Importances come most important first. `engineered` holds those that time allowed, `dependence` the mean answer
    [column, value, output, mean] as the values of the most important columns change (Friedman 2001).
    """

    metric: str
    importances: tuple[Importance, ...]  # of the raw columns
    engineered: tuple[Importance, ...]
    contributions: Contributions
    dependence: pl.DataFrame
    pictures: tuple[Picture, ...]
    terms: pl.DataFrame | None = None  # of texts: output, term, n_rows, push (log-odds lost where the term is cut out)


@dataclass(frozen=True)
class Cohort:
    """Rows alike in some columns on which the ensemble does worse than on all others, every row counting alike."""

    conditions: tuple[str, ...]  # in words; all of them hold
    n_rows: int
    share: float  # of all judged rows
    loss: float  # mean
    rest_loss: float  # mean of all other rows
    metric: float | None  # None where these rows give it no value
    rest_metric: float | None


@dataclass(frozen=True)
class ErrorAnalysis:
    """Where the ensemble is wrong: the cohorts with the highest loss, and the mean loss by groups of two columns.

    Losses and metrics of cohorts are those of rows that had no say in finding them.
    """

    rows: Literal["test", "out_of_fold"]
    n_rows: int
    metric: str
    loss: str  # what is averaged
    mean_loss: float
    cohorts: tuple[Cohort, ...]  # worst first; only those that are surely worse
    heat_columns: tuple[str, ...]  # the two whose groups differ most, or fewer
    heat: pl.DataFrame  # first, second (groups of the heat columns), n_rows, loss
    pictures: tuple[Picture, ...]
    left_out: tuple[str, ...] = ()  # for want of time
    label_errors: pl.DataFrame | None = None  # rows whose label is likely wrong, see `steps.find_label_errors`
    confusions: pl.DataFrame | None = None  # what is answered in the place of what, see `steps.tabulate_confusions`
    by_group: pl.DataFrame | None = None  # column, group, n_rows, loss: of the columns whose groups differ most


@dataclass(frozen=True)
class GroupComparison:
    """Metrics of the groups of one sensitive column, and how far they lie apart (names after fairlearn)."""

    column: str
    table: pl.DataFrame  # group, n_rows, is_compared, then the metrics
    overall: dict[str, float]
    disparities: dict[str, float]  # between groups of enough rows; empty when fewer than two have them
    worries: tuple[str, ...]  # what surely lies beyond its limit, in words
    sure: dict[str, float] = field(
        default_factory=dict
    )  # disparities that have a limit: the near end of 95 % intervals


@dataclass(frozen=True)
class Fairness:
    """Whether the ensemble treats the groups of each sensitive column alike."""

    rows: Literal["test", "out_of_fold"]
    n_rows: int
    comparisons: tuple[GroupComparison, ...]
    pictures: tuple[Picture, ...]
    left_out: tuple[str, ...] = ()  # for want of time


@dataclass(frozen=True)
class OnnxModel:
    """The whole pipeline in one file, with the proof that it answers as Python does."""

    onnx: bytes
    inputs: dict[str, str]  # raw column -> ONNX element type
    n_checked: int
    max_difference: float  # largest absolute difference from Python (relative to the target range for regression)
    latency_milliseconds: float  # median of one row, by the matrix where there is one
    example: dict[str, Any] = field(default_factory=dict)  # one row as JSON takes it
    schema: Schema = NO_SCHEMA  # by which raw columns are read before the model is asked
    matrix_onnx: bytes | None = None  # of a wide table: the same with one input for many columns of a kind
    matrices: dict[str, tuple[str, ...]] = field(default_factory=dict)  # such an input -> its columns, in their order


@dataclass(frozen=True)
class TrainingCode:
    """A program that trains the ensemble again without this system, as a script and as a notebook."""

    script: bytes  # Python
    notebook: bytes  # of Jupyter
    requirements: tuple[str, ...]  # packages it imports, with the versions in use
    ensembles: bytes | None = None  # JSON that it reads, of a forecast: what was chosen for each group


@dataclass(frozen=True)
class Unavailable:
    """In the place of a record that could not be made and that nothing but the page is made of."""

    reason: str


@dataclass(frozen=True)
class Report:
    """One page about an experiment that needs nothing else."""

    page: bytes  # HTML


@dataclass(frozen=True)
class TrainingData:
    """What a registered model answers, and from which rows: by them a later model is compared on others."""

    problem: Problem
    target: str
    columns: dict[str, str]  # those that `rows` follow from -> kind, see `data.row_ids`
    rows: np.ndarray  # uint64, the identities of the rows it learnt from


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the same rows, and how sure the difference is: a paired bootstrap over them."""

    champion: str  # its version
    rows: str  # which they are, in words
    n_rows: int
    champion_score: float
    challenger_score: float
    difference: float  # above zero where the challenger is better, whatever the direction of the metric
    interval: tuple[float, float]  # 95 %, of the difference
    share: float  # of resamples in which the challenger is better
    unknown: tuple[str, ...] = ()  # classes of these rows, or groups, that the champion has never met
    unit: str = ""  # what was drawn as one, where that is not a single row or series
    n_units: int = 0
    confidence: float | None = None  # that the challenger is better; None in what earlier versions wrote: the share
    sample: tuple[int, ...] = ()  # identities of some of the rows, by which these are known again
    judgement: int = 1  # 2 where most of these rows have judged a challenger once before, and so on

    @property
    def sureness(self) -> float:
        """Confidence that the challenger is better."""
        return self.share if self.confidence is None else self.confidence


@dataclass(frozen=True)
class Registration:
    """A version of the registered model, and whether it now answers."""

    model: str
    version: str
    is_champion: bool
    reason: str
    comparison: Comparison | None = None  # None where there was no champion, or none that could answer


@dataclass(frozen=True)
class ColumnDrift:
    """How far a column of rows to be predicted lies from the rows learnt from, or a group's forecasts from what came."""

    column: str  # or group
    measure: Literal["wasserstein", "jensen_shannon", "missing", "error"]
    distance: float
    chance: float  # distance that so many rows of one and the same distribution have in the mean
    limit: float

    @property
    def excess(self) -> float:
        """What neither the limit nor chance explains; a false alarm costs more than one that comes a little later."""
        return self.distance - self.limit - 3 * self.chance

    @property
    def is_drifted(self) -> bool:
        return self.excess > 0


@dataclass(frozen=True)
class Predictions:
    """Scores for unlabelled rows, beside the rows' own columns."""

    table: pl.DataFrame
