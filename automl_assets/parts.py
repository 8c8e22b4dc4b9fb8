"""What an algorithm, a source and a task must say about themselves to become part of the system.

Each is a frozen value of names and functions; there is no base class to inherit. A module in
`algorithms/`, `sources/` or `tasks/` declares such a value (PART, or PARTS for a family) and is found by `registry`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import polars as pl
from pydantic import BaseModel

from automl_assets.records import Problem

Config = dict[str, Any]
View = Literal[  # each family's own
    "codes",
    "dense",
    "words",
    "characters",
    "terms",
    "texts",
    "tokens",
    "descriptors",
    "vectors",
    "images",
    "squares",
]
Link = Literal["value", "logit", "sigmoid", "probability"]


@dataclass(frozen=True)
class Rows:
    """Rows to learn from or to be scored on, in the view the algorithm asked for."""

    x: Any  # float32 [n_rows, n_features], or a record of the family's own that gives some rows by x[row_numbers]
    y: np.ndarray  # int64 class codes, or float64 values [n_rows]; of sets of labels int8 [n_rows, n_labels]
    weight: np.ndarray | None = None  # float64 [n_rows]

    def take(self, chosen: np.ndarray) -> "Rows":
        """The rows of these numbers, or those where a mask is true."""
        return Rows(self.x[chosen], self.y[chosen], None if self.weight is None else self.weight[chosen])


@dataclass(frozen=True)
class FitContext:
    """All a fit may know besides its rows."""

    problem: Problem
    categories: dict[int, int] = field(default_factory=dict)  # column of `codes` -> number of categories
    terms: dict[int, int] = field(default_factory=dict)  # column of `codes` where a text's terms begin -> their number
    n_threads: int = 1
    seed: int = 0
    deadline: float = float("inf")  # time.monotonic() by which the fit must have returned
    encoder: Any = None  # `encoders.reference.Reference` of the pretrained network that reads texts; None: what is here
    backbones: tuple[Any, ...] = ()  # `backbones.reference.Reference` of those that read images
    is_exported: bool = False  # whether models become part of an ONNX file, so that one that cannot is of no use


@runtime_checkable
class AlgorithmInfo(Protocol):
    """What the algorithms of all families say about themselves; how they learn is each family's own matter."""

    name: str
    title: str
    reference: str
    tasks: frozenset[str]  # that it can answer
    kinds: frozenset[str]  # Dagster's icons
    is_fallback: bool  # always tried, and answers only where nothing else does
    is_essential: bool  # one of the few that are tried first, and alone where time is scarce
    time_share: float  # how much of the search's time it deserves, relative to its peers
    requires: str  # the package it needs
    preload: tuple[str, ...]  # modules that its fits import, beside those of all (`execution.preload`)
    max_rows: int | None  # learns from a seeded sample of so many rows when there are more
    trial_seconds: Callable[[int], float]  # rows -> of one core, roughly; 0 where fits stop when time is up
    lacks: Callable[
        [Any], str
    ]  # experiment -> what is not here that it needs beside its package, and what to do; or ""


def lacks_nothing(experiment: Any) -> str:
    """Of an algorithm that needs its package alone."""
    return ""


def no_seconds(n_rows: int) -> float:
    """What a trial takes whose fits stop when time is up."""
    return 0.0


def same_config(config: Config, model: Any) -> Config:
    """Of an algorithm that learns from validation rows nothing to go by."""
    return config


@dataclass(frozen=True)
class Algorithm:
    """A way to learn.

    `fit(config, training, validation, context)` returns any picklable model; `validation` serves early stopping only
    and is None when the model is fitted again on all rows, with `with_rounds_of(config, model)`: as many rounds as the
    model that was watched found best. What is the same for every algorithm (scaling inside a fold,
    weights of classes) is done before by `preparation`, whose keys are not in `config`.
    `predict(model, x)` returns raw scores, float [n_rows, n_scores], whose meaning `link` tells:
      value         n_scores = 1, the predicted value (every algorithm under regression)
      logit         log-odds [n_rows, 1] for two classes, unnormalised log-probabilities [n_rows, n_classes] for more
      probability   [n_rows, n_classes], rows sum to one
    Where answers are sets of labels, `logit` stands for `sigmoid`, the log-odds of each label [n_rows, n_labels], and
    rows of probabilities [n_rows, n_labels] need not sum to one.
    The models of several folds are averaged in this raw space, so that averaged trees and linear models fuse exactly.
    `to_onnx(models, graph, x)` adds nodes that compute the mean raw score of the models and returns its tensor's name; `x`
    names the tensors of the view.
    """

    name: str
    title: str
    tasks: frozenset[str]
    view: View
    portfolio: Callable[[Problem], Sequence[Config]]  # in the order of expected gain, the first is the default
    fit: Callable[[Config, Rows, Rows | None, FitContext], Any]
    predict: Callable[[Any, Any], np.ndarray]
    to_onnx: Callable[[Sequence[Any], Any, Any], str]
    link: Link  # for classification; regression always answers in values
    reference: str
    kinds: frozenset[str]  # Dagster's icons
    fills_time: bool = (
        False  # learns the better the longer it may: one fit of much time is worth more than many of little
    )
    is_refitted: bool = False  # one model on all rows answers, instead of the average of the fold models
    with_rounds_of: Callable[[Config, Any], Config] = same_config
    is_fallback: bool = False  # always tried, and answers only where nothing else does
    is_essential: bool = False  # one of the few that are tried first, and alone where time is scarce
    space: Callable[[Any, Problem], Config] | None = None  # (optuna.Trial, problem) -> a configuration to try next
    scalers: tuple[str, ...] = ()  # of `preparation.SCALERS`: worth trying in place of the dense view's own scale
    time_share: float = 1.0  # how much of the search's time it deserves, relative to its peers
    requires: str = "sklearn"  # the package it needs
    preload: tuple[str, ...] = ()  # modules that its fits import, beside those of all (`execution.preload`)
    max_rows: int | None = None  # learns from a seeded sample of so many rows when there are more
    trial_seconds: Callable[[int], float] = no_seconds  # of one core, roughly; 0 where fits stop when time is up
    lacks: Callable[[Any], str] = lacks_nothing  # experiment -> what is not here that it needs beside its package


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    `read(options)` returns all rows; `fingerprint(options)` a short text that changes when and only when the content
    does. Both raise SourceError with advice. `stamp(options)` is a text that changes with every write, found out without
    reading: files have one, and may be seen half-written; what has none is always whole, and says by `read_marked` which
    rows it gave, where they may be others a moment later. `options` is a frozen pydantic model that refuses unknown keys.
    `claims(text)` says whether a bare `source: TEXT` in a YAML belongs to it, and `text_option` is the option it fills.
    `claims_folder(text)` says that of a folder in which no file is of a kind that is claimed by its name.
    `read` and `batches(options, most_rows)` give rows as they are written, cells of text formats as texts; a schema types
    them (`data.schema`). Without `batches` the rows are known to fit into memory. `dialect(options)` are the options that
    say how texts are written, and `like(options, dialect)` those of a further place whose texts are written so.
    `correct(options, rows, column, cells)` writes cells anew, by the numbers of the rows as they were read, and says where.
    """

    name: str
    title: str
    options: type[BaseModel]
    read: Callable[[Any], pl.DataFrame]
    fingerprint: Callable[[Any], str]
    describe: Callable[[Any], str]  # where the data lies, without secrets
    code: Callable[[Any], str]  # body of a function that reads all rows by public packages (`pl` and `os` are there)
    claims: Callable[[str], bool] = lambda text: False
    claims_folder: Callable[[str], bool] = lambda text: False
    text_option: str = "path"  # the option that a bare text fills
    batches: Callable[[Any, int], Iterator[pl.DataFrame]] | None = None
    dialect: Callable[[Any], dict[str, Any]] = lambda options: {}
    like: Callable[[Any, dict[str, Any]], Any] = lambda options, dialect: options.model_copy(update=dialect)
    stamp: Callable[[Any], str] | None = None
    read_marked: Callable[[Any], tuple[pl.DataFrame, str]] | None = None  # all rows, and the fingerprint of just these
    add: Callable[[Any, pl.DataFrame], str] | None = None  # keeps further rows, and says where; whole, or not at all
    correct: Callable[[Any, pl.DataFrame, str, Mapping[int, Any]], str] | None = (
        None  # other cells in a column of its rows
    )
    alone: Callable[[Any], AbstractContextManager[None]] = lambda options: nullcontext()  # nobody else adds meanwhile


@dataclass(frozen=True)
class LabelFormat:
    """How labels come back from where people gave them.

    `read(content, name, target)` gives a row for each label, which stands in the column `target`; it raises SourceError
    for what is not of the format. `is_of(content)` says whether a file with one of the extensions is.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    is_of: Callable[[bytes], bool]
    read: Callable[[bytes, str, str], pl.DataFrame]


@dataclass(frozen=True)
class AnnotationFormat:
    """How images and what is said of them lie in files.

    `holds` are the `data.annotated_images.KINDS` that it can tell. `is_at(location)` says whether a file or a folder is of
    the format, found out without reading more than names and a beginning. `read(location)` gives the Annotations; it raises
    SourceError for what is not of the format. `write(annotations, location)` writes new files, and images where the format
    wants them at a place of their own; `lacks(annotations)` names what the format has no place for. What `is_last` is taken
    only where no other format is found: there names of folders tell everything.
    """

    name: str
    title: str
    holds: frozenset[str]
    is_at: Callable[[Any], bool]
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], None]
    lacks: Callable[[Any], tuple[str, ...]]
    is_last: bool = False


def one_label(target: pl.Series) -> list[tuple[str, ...] | None]:
    """A target that is a label by itself."""
    return [None if text is None else (text,) for text in target.cast(pl.String).to_list()]


@dataclass(frozen=True)
class RowParts:
    """How rows are seen that have an answer for each of their parts, as texts have for each token.

    `rows_of(target)` is the number of each answer's row, int64 [n_answers], in order; a row without a target has none.
    `row_codes(target, problem)` is the class of each row as a whole, by which rows are divided; -1 where it has no target.
    """

    rows_of: Callable[[pl.Series], np.ndarray]
    row_codes: Callable[[pl.Series, Problem], np.ndarray]


@dataclass(frozen=True)
class Task:
    """A kind of question. The functions are the task's way to take each step that differs between tasks.

    `labels_like(rows, known, target)` gives rows with labels, written as the known rows of the source write theirs.
    """

    name: str
    title: str
    family: str  # the folder of algorithms that can answer it
    default_metric: str
    further_metrics: tuple[str, ...]  # shown on the leaderboard beside the experiment's own
    problem: Callable[..., Problem]  # from target values and settings to what is asked of a model
    encode_target: Callable[..., np.ndarray]  # target column to class codes or values
    metric_kinds: frozenset[
        str
    ]  # which metrics can judge it: those of `classes`, `label_sets`, `entity_tags`, `boxes`, `values`, `series`
    stratify: bool  # whether folds keep the class shares
    sample: Callable[[int], tuple[pl.DataFrame, str]]  # tiny seeded data and its target, for contract tests
    labels_of: Callable[[pl.Series], list[tuple[str, ...] | None]] = one_label  # that each target names; None: it lacks
    labels_like: Callable[[pl.DataFrame, pl.DataFrame, str], pl.DataFrame] = lambda rows, known, target: rows
    parts: RowParts | None = None  # where a row has several answers, one below the other in what `encode_target` gives

    def encode_rows(self, target: pl.Series, problem: Problem) -> np.ndarray:
        """The target of each row, by which rows are divided."""
        return (self.parts.row_codes if self.parts else self.encode_target)(target, problem)

    @property
    def is_numeric(self) -> bool:
        """Whether the target is a number."""
        return "values" in self.metric_kinds


def link_of(own: Link, problem: Problem) -> Link:
    """What raw scores mean where an algorithm of this link answers a problem.

    >>> link_of("logit", Problem("any", "accuracy", ("a", "b"), is_multilabel=True))
    'sigmoid'
    """
    if problem.answers == "values":
        return "value"
    return "sigmoid" if problem.is_multilabel and own == "logit" else own


def link_scores(raw: np.ndarray, link: Link) -> np.ndarray:
    """Raw scores as an answer: probabilities [n_rows, n_classes] or values [n_rows, 1].

    >>> link_scores(np.array([[0.0]]), "logit"), link_scores(np.array([[0.0, 0.0]]), "sigmoid")
    (array([[0.5, 0.5]]), array([[0.5, 0.5]]))
    """
    if link == "sigmoid":
        return 1.0 / (1.0 + np.exp(-np.clip(raw.astype(np.float64), -500, 500)))
    if link == "logit" and raw.shape[1] == 1:
        positive = 1.0 / (1.0 + np.exp(-np.clip(raw.astype(np.float64), -500, 500)))
        return np.hstack([1.0 - positive, positive])
    if link == "logit":
        powers = np.exp(raw.astype(np.float64) - raw.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return raw.astype(np.float64)
