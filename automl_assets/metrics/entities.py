"""Metrics of entities: how many are found with their bounds and their label, or at least in part.

Truth is int codes of tags [n_tokens], predictions are probabilities [n_tokens, n_tags], of which the best sequence is
answered. Strictly bounds and label are right; leniently the label is, and a token is shared.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl_assets import tagging
from automl_assets.metrics.label_sets import ratio
from automl_assets.metrics.metric import ENTITIES, Metric, Need, counted


@dataclass(frozen=True)
class _Rate:
    """A rate of entities, averaged as `seqeval` does: over the labels that are there or were found."""

    count: Callable[..., tagging.Counts]
    rate: Callable[[tagging.Counts], np.ndarray]
    average: str

    def __call__(self, truth, prediction, weight, problem) -> float:
        found = tagging.decoded_tags(prediction, problem.threshold)
        counts = self.count(truth, found, weight, problem.n_classes)
        if self.average == "micro":
            return float(self.rate(counts.pooled)[0])
        rates, is_seen = self.rate(counts), counts.true + counts.found > 0
        return float(np.average(rates[is_seen], weights=counts.true[is_seen] if self.average == "weighted" else None))


def precisions(counts: tagging.Counts) -> np.ndarray:
    """Of the entities found how many are right, float64 [n_labels]; zero where none is found."""
    return ratio(counts.right, counts.found)


def recalls(counts: tagging.Counts) -> np.ndarray:
    """Of the entities that are there how many are found, float64 [n_labels]; zero where there is none."""
    return ratio(counts.met, counts.true)


def f1s(counts: tagging.Counts) -> np.ndarray:
    """Harmonic mean of both, float64 [n_labels]."""
    precision, recall = precisions(counts), recalls(counts)
    return ratio(2 * precision * recall, precision + recall)


def _has_entity(truth, prediction, weight, problem) -> bool:
    return bool((counted(truth, weight) > 0).any())


_ENTITY = Need("rows with an entity", _has_entity)
_RATES = {"precision": precisions, "recall": recalls, "f1": f1s}
_KINDS = (
    *((tagging.counts, average, average) for average in ("micro", "macro", "weighted")),
    (tagging.lenient_counts, "micro", "lenient"),
)

METRICS = tuple(
    Metric(
        f"entity_{name}_{ending}",
        _Rate(count, rate, average),
        True,
        ENTITIES,
        needs=(_ENTITY,),
        is_over_classes=average == "macro",
    )
    for name, rate in _RATES.items()
    for count, average, ending in _KINDS
)
