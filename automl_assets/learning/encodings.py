"""Columns learnt from the target inside a fold: categories and texts as what they say about it; and distances to
clusters of rows.

Each encoder appends columns to `codes`. What looks at the target is cross-fitted: the encoding of a training row comes
from other rows, so that it never saw its own target (Micci-Barreca 2001; Prokhorenkova et al. 2018 on why).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows
from automl_assets.stored import stored_as

FLOAT, DOUBLE, INT64 = 1, 11, 7  # onnx.TensorProto element types
ENCODED_LEVELS = 10  # categories above which a column is encoded
MAX_CLASSES = 10  # that get a column of their own; for naive Bayes the others are one more
SMOOTHING = 10.0  # rows with the mean of all that every category is given
N_CROSS_FOLDS = 5
N_TARGET_BINS = 4  # a value becomes a class so, for naive Bayes
N_CLUSTERS = 6
CLUSTERED_ROWS = 10_000
CLIP = 10.0  # standard deviations
TINY = 1e-12


@stored_as("learning.CategoryEncoding")
@dataclass(frozen=True)
class Lookup:
    """A table per column of categories; its last line is for missing values."""

    columns: tuple[int, ...]
    tables: tuple[np.ndarray, ...]  # float32 [n_categories + 1, n_encoded]

    def apply(self, x: np.ndarray) -> np.ndarray:
        found = [
            table[np.where(np.isnan(x[:, column]), len(table) - 1, x[:, column]).astype(np.int64)]
            for column, table in zip(self.columns, self.tables, strict=True)
        ]
        return np.hstack([x, *found])

    def add(self, graph: Graph, x: str) -> str:
        found = [_add_lookup(graph, x, *pair) for pair in zip(self.columns, self.tables, strict=True)]
        return graph.node("Concat", x, *found, axis=1)


def _add_lookup(graph: Graph, x: str, column: int, table: np.ndarray) -> str:
    code = graph.node("Gather", x, graph.constant(np.array(column)), axis=1)
    missing = graph.constant(np.float32(len(table) - 1))
    filled = graph.node("Where", graph.node("IsNaN", code), missing, code)
    return graph.node("Gather", graph.constant(table), graph.node("Cast", filled, to=INT64), axis=0)


@stored_as("learning.TermScores")
@dataclass(frozen=True)
class TermScores:
    """Linear in which terms occur: (x[columns] > 0) @ coefficients + intercept."""

    columns: np.ndarray  # int64 [n_terms]
    coefficients: np.ndarray  # float64 [n_terms, n_encoded]
    intercept: np.ndarray  # float64 [n_encoded]

    def apply(self, x: np.ndarray) -> np.ndarray:
        scores = (x[:, self.columns] > 0).astype(np.float64) @ self.coefficients + self.intercept
        return np.hstack([x, scores.astype(np.float32)])

    def add(self, graph: Graph, x: str) -> str:
        found = graph.node("Gather", x, graph.constant(self.columns), axis=1)
        is_there = graph.node("Cast", graph.node("Greater", found, graph.constant(np.float32(0))), to=DOUBLE)
        scores = graph.node("MatMul", is_there, graph.constant(self.coefficients))
        shifted = graph.node("Add", scores, graph.constant(self.intercept))
        return graph.node("Concat", x, graph.node("Cast", shifted, to=FLOAT), axis=1)


@stored_as("learning.ClusterDistances")
@dataclass(frozen=True)
class Distances:
    """Euclidean distances to cluster centres, over numbers that are imputed, standardised and clipped."""

    columns: np.ndarray  # int64 [n_numbers]
    mean: np.ndarray  # float64 [n_numbers]
    spread: np.ndarray  # float64 [n_numbers]
    centres: np.ndarray  # float64 [n_clusters, n_numbers]

    def standardised(self, x: np.ndarray) -> np.ndarray:
        numbers = x[:, self.columns].astype(np.float64)
        return np.clip((np.where(np.isnan(numbers), self.mean, numbers) - self.mean) / self.spread, -CLIP, CLIP)

    def apply(self, x: np.ndarray) -> np.ndarray:
        z = self.standardised(x)
        squared = (z * z).sum(axis=1, keepdims=True) - 2.0 * z @ self.centres.T + (self.centres**2).sum(axis=1)
        return np.hstack([x, np.sqrt(np.maximum(squared, 0.0)).astype(np.float32)])

    def add(self, graph: Graph, x: str) -> str:
        mean, spread = graph.constant(self.mean), graph.constant(self.spread)
        numbers = graph.node("Cast", graph.node("Gather", x, graph.constant(self.columns), axis=1), to=DOUBLE)
        filled = graph.node("Where", graph.node("IsNaN", numbers), mean, numbers)
        bounds = (graph.constant(np.array(bound)) for bound in (-CLIP, CLIP))
        z = graph.node("Clip", graph.node("Div", graph.node("Sub", filled, mean), spread), *bounds)
        own = graph.node("ReduceSum", graph.node("Mul", z, z), graph.constant(np.array([1])), keepdims=1)
        cross = graph.node("MatMul", z, graph.constant(-2.0 * self.centres.T))
        squared = graph.node("Add", graph.node("Add", own, cross), graph.constant((self.centres**2).sum(axis=1)))
        distance = graph.node("Sqrt", graph.node("Max", squared, graph.constant(np.array(0.0))))
        return graph.node("Concat", x, graph.node("Cast", distance, to=FLOAT), axis=1)


Encoder = Lookup | TermScores | Distances
Fit = Callable[[Rows, FitContext], Encoder]


def fit_encoder(name: str, rows: Rows, context: FitContext) -> tuple[Encoder, np.ndarray]:
    """The encoder for new rows, and the training rows encoded, float32 [n_rows, n_features + n_encoded].

    `rows` are in the view `codes`, which tells by `context` where categories and terms of texts are.
    """
    fit = ENCODERS[name]
    encoder = fit(rows, context)
    return encoder, encoder.apply(rows.x) if name in WITHOUT_TARGET else _cross_fitted(fit, rows, context)


def _cross_fitted(fit: Fit, rows: Rows, context: FitContext) -> np.ndarray:
    n_rows = len(rows.y)
    part = np.random.default_rng(context.seed).permutation(n_rows) % N_CROSS_FOLDS
    encoded: list[np.ndarray] = []
    for held_out in range(N_CROSS_FOLDS):
        encoder = fit(rows.take(part != held_out), context)
        encoded.append(encoder.apply(rows.x[part == held_out]))
    order = np.argsort(part, kind="stable")
    return np.concatenate(encoded)[np.argsort(order)]


def _fit_target(rows: Rows, context: FitContext) -> Lookup:
    """Mean target of each category, drawn towards the mean of all."""
    weight, outcomes = _weights(rows), _outcomes(rows, context)
    mean = np.average(outcomes, axis=0, weights=weight + TINY)

    def table(codes: np.ndarray, n_lines: int) -> np.ndarray:
        total, count = _sums(codes, weight[:, None] * outcomes, n_lines), _sums(codes, weight[:, None], n_lines)
        return (total + SMOOTHING * mean) / (count + SMOOTHING)

    return _lookup(rows, context, table)


def _fit_weight_of_evidence(rows: Rows, context: FitContext) -> Lookup:
    """Log of how much more often a category occurs with a class than without it. A value counts as above its median."""
    weight, outcomes = _weights(rows), _outcomes(rows, context)
    if not context.problem.classes:
        outcomes = (outcomes > np.median(outcomes)).astype(np.float64)
    share = np.average(outcomes, axis=0, weights=weight + TINY)

    def table(codes: np.ndarray, n_lines: int) -> np.ndarray:
        with_it = _sums(codes, weight[:, None] * outcomes, n_lines) + SMOOTHING * share + TINY
        without = _sums(codes, weight[:, None] * (1 - outcomes), n_lines) + SMOOTHING * (1 - share) + TINY
        return np.log(with_it / without) - np.log((share + TINY) / (1 - share + TINY))

    return _lookup(rows, context, table)


def _lookup(rows: Rows, context: FitContext, table: Callable[[np.ndarray, int], np.ndarray]) -> Lookup:
    wide = {column: n for column, n in context.categories.items() if n > ENCODED_LEVELS}
    tables = []
    for column, n_codes in wide.items():
        codes = np.where(np.isnan(rows.x[:, column]), n_codes, rows.x[:, column]).astype(np.int64)
        tables.append(table(codes, n_codes + 1).astype(np.float32))
    return Lookup(tuple(wide), tuple(tables))


def _sums(codes: np.ndarray, values: np.ndarray, n_lines: int) -> np.ndarray:
    """Sums of `values` [n_rows, n] by code, [n_lines, n]."""
    return np.column_stack([np.bincount(codes, column, n_lines) for column in values.T])


def _weights(rows: Rows) -> np.ndarray:
    return np.ones(len(rows.y)) if rows.weight is None else rows.weight / max(rows.weight.mean(), TINY)


def _outcomes(rows: Rows, context: FitContext) -> np.ndarray:
    """What is averaged, float64 [n_rows, n_encoded]: the value, or 1 for rows of a class. Two classes need but one."""
    n_classes = context.problem.n_classes
    if not n_classes:
        return rows.y[:, None].astype(np.float64)
    shown = np.array([1]) if n_classes == 2 else np.arange(min(n_classes, MAX_CLASSES))
    return (rows.y[:, None] == shown).astype(np.float64)


def _fit_naive_bayes(rows: Rows, context: FitContext) -> TermScores:
    """Log-odds of each class by which terms occur (multinomial naive Bayes); values are put into bins of equal size."""
    columns = np.concatenate([np.arange(start, start + n) for start, n in context.terms.items()])
    classes, n_classes = _as_classes(rows.y, context)
    weight = _weights(rows)
    is_there = (rows.x[:, columns] > 0) * weight[:, None]
    counts = np.vstack([is_there[classes == one].sum(axis=0) for one in range(n_classes)]) + 1.0
    likelihood = np.log(counts / counts.sum(axis=1, keepdims=True))
    prior = np.log(np.bincount(classes, weight, n_classes) + 1.0)
    if n_classes == 2:
        return TermScores(columns, (likelihood[1:] - likelihood[:1]).T, prior[1:] - prior[:1])
    return TermScores(columns, (likelihood - likelihood.mean(axis=0)).T, prior - prior.mean())


def _as_classes(y: np.ndarray, context: FitContext) -> tuple[np.ndarray, int]:
    n_classes = context.problem.n_classes
    if not n_classes:
        return np.searchsorted(np.quantile(y, np.linspace(0, 1, N_TARGET_BINS + 1)[1:-1]), y), N_TARGET_BINS
    return np.minimum(y, MAX_CLASSES) if n_classes > MAX_CLASSES else y, min(n_classes, MAX_CLASSES + 1)


def _fit_distances(rows: Rows, context: FitContext) -> Distances:
    from sklearn.cluster import KMeans

    terms = [np.arange(start, start + n) for start, n in context.terms.items()]
    others = np.concatenate([np.array([*context.categories], np.int64), *terms])
    columns = np.setdiff1d(np.arange(rows.x.shape[1]), others)
    numbers = rows.x[:, columns].astype(np.float64)
    is_known = ~np.isnan(numbers)
    n_known = np.maximum(1, is_known.sum(axis=0))
    mean = np.where(is_known, numbers, 0.0).sum(axis=0) / n_known
    spread = np.sqrt((np.where(is_known, numbers - mean, 0.0) ** 2).sum(axis=0) / n_known)
    scaled = Distances(columns, mean, np.where(spread > TINY, spread, 1.0), np.zeros((0, len(columns))))
    z = scaled.standardised(rows.x[:: max(1, -(-len(rows.x) // CLUSTERED_ROWS))])
    n_clusters = min(N_CLUSTERS, len(np.unique(z, axis=0)))
    fitted = KMeans(n_clusters, n_init=3, random_state=context.seed).fit(z)
    return Distances(columns, scaled.mean, scaled.spread, fitted.cluster_centers_)


ENCODERS: dict[str, Fit] = {
    "target": _fit_target,
    "weight_of_evidence": _fit_weight_of_evidence,
    "text_naive_bayes": _fit_naive_bayes,
    "cluster_distance": _fit_distances,
}
WITHOUT_TARGET = ("cluster_distance",)
