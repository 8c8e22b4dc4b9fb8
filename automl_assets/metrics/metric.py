"""What a metric says about itself, and what the rows must hold for any of them to have a value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl_assets.records import Problem

Formula = Callable[[np.ndarray, np.ndarray, np.ndarray | None, Problem], float]

CLASSES, VALUES, SERIES = "classes", "values", "series"  # what metrics judge; a task names those that can judge it
LABEL_SETS, ENTITIES, BOXES = "label_sets", "entity_tags", "boxes"


@dataclass(frozen=True)
class Need:
    """A condition on truth, prediction, weight and problem without which a metric has no value."""

    reason: str
    is_met: Callable[[np.ndarray, np.ndarray, np.ndarray | None, Problem], bool]


@dataclass(frozen=True)
class Metric:
    """A formula with a name.

    Classes: truth int codes [n_rows], prediction probabilities [n_rows, n_classes].
    Sets of labels: truth int8 [n_rows, n_labels] of 0 and 1, prediction probabilities [n_rows, n_labels].
    Entities: truth int codes of tags [n_tokens], prediction probabilities [n_tokens, n_tags].
    Objects: truth and prediction as in `boxes`.
    Values: truth and prediction float64 [n_rows]. Weight is float64 [n_rows] or None.
    """

    name: str
    function: Formula
    greater_is_better: bool
    kind: str  # what it judges
    needs: tuple[Need, ...] = ()
    of_table: Callable[[np.ndarray, Problem], np.ndarray] | None = None  # the same of confusions [..., true, answered]
    is_over_classes: bool = False  # a mean of one value per class: of other classes it is another figure
    is_decided: bool = False  # looks at the sets of labels that are answered

    @property
    def is_of_sequences(self) -> bool:
        """Whether rows mean something together with those beside them alone, so that groups of them stay whole."""
        return self.kind == ENTITIES

    @property
    def is_of_labels(self) -> bool:
        """Whether it looks at the class that is answered, not at how probable it is."""
        return self.is_decided or self.of_table is not None


def counted(values: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Those whose rows have a weight."""
    return values if weight is None else values[weight > 0]


def truth_varies(truth, prediction, weight, problem) -> bool:
    """Whether the rows that count differ in their truth."""
    seen = counted(truth, weight)
    return len(seen) > 0 and seen.min() < seen.max()


def _has_weight(truth, prediction, weight, problem) -> bool:
    return weight is None or bool((weight > 0).any())


WEIGHED = Need("rows whose weight is not zero", _has_weight)  # of every metric
