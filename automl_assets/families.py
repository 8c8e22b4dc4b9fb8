"""What a family must say about itself: everything that tables, series, texts and images do each in their own way.

A family is a package with a module `family` that declares FAMILY, and is found: those here, and those that other
distributions offer under the entry points `automl_assets.families`. Outside of its package no code asks which family an
experiment is of; it calls what the family has.
"""

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from automl_assets.errors import DiscoveryError

HERE = __name__.rpartition(".")[0]
ENTRY_POINTS = "automl_assets.families"


def _matrix(folder: Path) -> Any:
    """Rows that `learning.fit_fold.lay_out` wrote, mapped from their file."""
    import numpy as np

    return np.load(folder / "x.npy", mmap_mode="r")


def _unchanged(ensemble: Any, *others: Any) -> Any:
    return ensemble


@dataclass(frozen=True)
class RowSteps:
    """The steps that look at raw input, of a family whose rows stand for themselves. All others it shares.

    `guardrails` names what `describe(dataset, experiment)` looks at, which gives the Profile; name -> in words.
    `featurize(dataset, profile, split, experiment)` gives the Features.
    `choices(algorithm, features)` are keys of a configuration with the values worth trying beside leaving them out.
    `lay_out(folder, features, algorithm)` writes what fits read there; `fit_context(features, seed)` is what every fit is
    told; `fit_fold(folder, family, algorithm, config, fold, context)` gives a `learning.fit_fold.FoldFit`, in a child, where
    `read_inputs(folder)` are the rows that were laid out, which give some of themselves by `inputs[row_numbers]`.
    `cells_a_row(features, algorithm)` is how many cells of a row an algorithm looks at, by which its time is guessed.
    `prune(ensemble, candidates, features, most_milliseconds)` may leave models out, so that one row is answered in time.
    `answer(ensemble, table)` gives probabilities [n_rows, n_classes], values [n_rows, 1] or packed objects for rows as they come, and
    `answer_inputs(ensemble, inputs)` for rows that are features already; inputs have `take(rows)`, and `sizes` to be shown.
    `unanswerable(ensemble, table)` says of each row why it cannot be answered, "" where it can; where reading is not strict, such
    rows get no answer instead of an error.
    `answer_columns(ensemble, table)` are the columns that stand beside rows, where an answer is no class and no value.
    `explain(ensemble, dataset, features, seed, seconds)` gives an Explanation, and
    `explain_rows(ensemble, dataset, features, table, seconds)` a table of contributions.
    `onnx_bytes(ensemble)` is the whole pipeline from raw columns to answers as a serialised ONNX model, and
    `matrix_onnx(ensemble)` is the same with one input for many columns of a kind, and which these are; None where none is.
    `input_types(featurizer)` names its raw columns: -> float, double, string or image.
    `label_errors(dataset, features, ensemble)` is a table of likely errors of labels, and
    `review_label_errors(dataset, features, ensemble)` the same for Label Studio, where a row has no label of its own, or more to show.
    Where one of the others is None the asset of its name is not there.
    """

    guardrails: Mapping[str, str]
    describe: Callable[..., Any]
    featurize: Callable[..., Any]
    lay_out: Callable[..., None]
    fit_context: Callable[..., Any]
    fit_fold: Callable[..., Any]
    answer: Callable[..., Any]
    answer_inputs: Callable[..., Any]
    onnx_bytes: Callable[[Any], bytes]
    input_types: Callable[[Any], dict[str, str]]
    read_inputs: Callable[[Path], Any] = _matrix
    matrix_onnx: Callable[[Any], tuple[bytes, dict[str, tuple[str, ...]]] | None] = lambda ensemble: None
    choices: Callable[..., dict[str, tuple[str, ...]]] = lambda algorithm, features: {}
    cells_a_row: Callable[..., int] = lambda features, algorithm: len(features.columns)
    prune: Callable[..., Any] = _unchanged
    most_milliseconds: float = 0.5  # that one row may take in ONNX at the median without a warning
    unanswerable: Callable[..., Sequence[str]] | None = None
    answer_columns: Callable[..., Any] | None = None
    explain: Callable[..., Any] | None = None
    explain_rows: Callable[..., Any] | None = None
    analyse_errors: Callable[..., Any] | None = None
    assess_fairness: Callable[..., Any] | None = None
    write_training_code: Callable[..., Any] | None = None
    label_errors: Callable[..., Any] | None = None
    review_label_errors: Callable[..., bytes] | None = None


@dataclass(frozen=True)
class Family:
    """One kind of data that questions are asked of.

    `check(experiment)` raises ValueError for settings that contradict each other or mean nothing here.
    `load(experiment, tables, places, schema)` makes of the rows of each source, by the marks of `Dataset.part`, one table
    with roles; `places` says where rows are from, and by `schema` they were read.
    `time_formats(experiment, rows)` names the columns that `data.timestamps` reads, with how they are written, and
    `text_columns(experiment)` those whose cells stay as they are written, whatever they look like.
    `graph(experiment)` gives its assets, `triggers(experiment)` sensors of its own, `result()` the type that holds what
    came of a run.
    `group_keys(dataset, experiment)` names the groups that are made each by itself, a partition each; None where an
    experiment is made as a whole.
    """

    name: str
    check: Callable[[Any], None]
    load: Callable[..., Any]
    graph: Callable[[Any], list[Any]]
    triggers: Callable[[Any], list[Any]]
    result: Callable[[], type[Any]]
    least_rows: int  # with a target, to begin with
    group_keys: Callable[[Any, Any], Mapping[str, Any]] | None = None
    is_target_imputed: bool = False  # whether gaps of the target may be filled
    draft: Callable[[Any], str | None] | None = (
        None  # of a `steps.draft.DraftRequest`; None for what is of no such kind
    )
    time_formats: Callable[[Any, Any], Mapping[str, str]] = lambda experiment, rows: {}
    text_columns: Callable[[Any], frozenset[str]] = lambda experiment: frozenset()
    row_steps: RowSteps | None = None  # None where the family has a graph of its own
    preload: tuple[str, ...] = ()  # modules that its child processes need beside those of all others

    @property
    def steps(self) -> RowSteps:
        """What the shared steps call. Raises DiscoveryError for a family with a graph of its own."""
        if self.row_steps is None:
            raise DiscoveryError(f"the family {self.name!r} has no row_steps; its graph makes its own assets")
        return self.row_steps


@cache
def packages() -> dict[str, str]:
    """Family -> its package, in the order of names."""
    here = (info.name for info in pkgutil.iter_modules(importlib.import_module(HERE).__path__) if info.ispkg)
    found = {name: f"{HERE}.{name}" for name in here if importlib.util.find_spec(f"{HERE}.{name}.family")}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.name in found:
            raise DiscoveryError(f"two packages are the family {point.name!r}: {found[point.name]} and {point.value}")
        found[point.name] = point.value
    return dict(sorted(found.items()))


@cache
def family(name: str) -> Family:
    """What the package of a family declares. Raises DiscoveryError where it declares none."""
    module = importlib.import_module(f"{packages()[name]}.family")
    declared = getattr(module, "FAMILY", None)
    if not isinstance(declared, Family) or declared.name != name:
        raise DiscoveryError(
            f"{module.__name__} must declare FAMILY, a families.Family named {name!r}; got {declared!r}"
        )
    return declared


def families() -> list[Family]:
    """Every family there is."""
    return [family(name) for name in packages()]
