"""What is learnt inside a fold between the features and the algorithm, alike for every algorithm.

A trial's configuration asks for it under the keys of `KEYS`. Here belong scaling, weights of classes and when what is
learnt from the target is added (how, is in `encodings`). Not here: what needs no fold (`featurizer`), and what one
algorithm alone does to its rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from automl_assets.learning.encodings import fit_encoder
from automl_assets.learning.fitting import sampled
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

ENCODING, SCALER, CLASS_WEIGHT = "encoding", "scaler", "class_weight"
SAMPLED_ROWS = "sampled_rows"  # how many rows are learnt from where time allows no more
KEYS = (ENCODING, SCALER, CLASS_WEIGHT, SAMPLED_ROWS)
BALANCED = "balanced"
IMBALANCE_RATIO = 0.2  # rarest class to most frequent, up to which weights of classes are worth a trial, as in Azure
QUANTILES = (10, 90)  # of the robust scaler, as in Azure
MAX_COMPONENTS = 50
TINY = 1e-12


class Transform(Protocol):
    """A fitted step before the algorithm: rows in, rows out, in Python and in ONNX."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        """float32 [n_rows, n_features] -> float32 [n_rows, n_prepared]."""
        ...

    def add(self, graph: Graph, x: str) -> str:
        """Adds the same computation to an ONNX graph."""
        ...


@stored_as("learning.Scaling")
@dataclass(frozen=True)
class Scaling:
    """x becomes (x - shift) * scale, clipped to [low, high]."""

    shift: np.ndarray  # float32 [n_features]
    scale: np.ndarray  # float32 [n_features]
    low: float = -np.inf
    high: float = np.inf

    def apply(self, x: np.ndarray) -> np.ndarray:
        return np.clip((x - self.shift) * self.scale, np.float32(self.low), np.float32(self.high))

    def add(self, graph: Graph, x: str) -> str:
        moved = graph.node("Sub", x, graph.constant(self.shift))
        scaled = graph.node("Mul", moved, graph.constant(self.scale))
        if not np.isfinite(self.high):
            return scaled
        return graph.node("Clip", scaled, *(graph.constant(np.float32(bound)) for bound in (self.low, self.high)))


@stored_as("learning.Projection")
@dataclass(frozen=True)
class Projection:
    """x becomes (x - shift) @ components."""

    shift: np.ndarray  # float32 [n_features]
    components: np.ndarray  # float32 [n_features, n_components]

    def apply(self, x: np.ndarray) -> np.ndarray:
        return (x - self.shift) @ self.components

    def add(self, graph: Graph, x: str) -> str:
        moved = graph.node("Sub", x, graph.constant(self.shift))
        return graph.node("MatMul", moved, graph.constant(self.components))


@stored_as("learning.UnitNorm")
@dataclass(frozen=True)
class UnitNorm:
    """Every row is divided by its norm; a row of zeros stays."""

    norm: str  # l1, l2 or max

    def apply(self, x: np.ndarray) -> np.ndarray:
        lengths = {"l1": np.abs(x).sum(1), "l2": np.sqrt((x**2).sum(1)), "max": np.abs(x).max(1)}[self.norm]
        return x / np.maximum(lengths, np.float32(TINY))[:, None]

    def add(self, graph: Graph, x: str) -> str:
        axes = graph.constant(np.array([1]))
        if self.norm == "max":
            length = graph.node("ReduceMax", graph.node("Abs", x), axes, keepdims=1)
        else:
            length = graph.node({"l1": "ReduceL1", "l2": "ReduceL2"}[self.norm], x, axes, keepdims=1)
        return graph.node("Div", x, graph.node("Max", length, graph.constant(np.float32(TINY))))


def _min_max(x: np.ndarray, seed: int) -> Scaling:
    return Scaling(x.min(0), _inverse(np.ptp(x, axis=0)), 0.0, 1.0)


def _max_abs(x: np.ndarray, seed: int) -> Scaling:
    return Scaling(np.zeros(x.shape[1], np.float32), _inverse(np.abs(x).max(0)))


def _robust(x: np.ndarray, seed: int) -> Scaling:
    low, high = np.percentile(x, QUANTILES, axis=0)
    return Scaling(np.median(x, axis=0).astype(np.float32), _inverse(high - low))


def _inverse(spread: np.ndarray) -> np.ndarray:
    """One over the spread; a column without any is left as it is."""
    return np.where(spread > TINY, 1.0 / np.maximum(spread, TINY), 1.0).astype(np.float32)


def _pca(x: np.ndarray, seed: int) -> Projection:
    from sklearn.decomposition import PCA

    fitted = PCA(_n_components(x), random_state=seed).fit(x)
    return Projection(fitted.mean_.astype(np.float32), fitted.components_.T.astype(np.float32))


def _truncated_svd(x: np.ndarray, seed: int) -> Projection:
    from sklearn.decomposition import TruncatedSVD

    fitted = TruncatedSVD(_n_components(x), random_state=seed).fit(x)
    return Projection(np.zeros(x.shape[1], np.float32), fitted.components_.T.astype(np.float32))


def _n_components(x: np.ndarray) -> int:
    return max(1, min(MAX_COMPONENTS, x.shape[1] // 2, len(x) - 1))


# Names follow Azure's preprocessors; the dense view is standardised already.
SCALERS: dict[str, Callable[[np.ndarray, int], Transform]] = {
    "min_max": _min_max,
    "max_abs": _max_abs,
    "robust": _robust,
    "pca": _pca,
    "truncated_svd": _truncated_svd,
    "l1": lambda x, seed: UnitNorm("l1"),
    "l2": lambda x, seed: UnitNorm("l2"),
    "max": lambda x, seed: UnitNorm("max"),
}


@stored_as("learning.PreparedModel")
@dataclass(frozen=True)
class Prepared:
    """A model and what was learnt before it in the same fold, in the order in which it is applied."""

    transforms: tuple[Transform, ...]
    model: Any

    def apply(self, x: np.ndarray) -> np.ndarray:
        for transform in self.transforms:
            x = transform.apply(x)
        return x


def fit(algorithm: Algorithm, config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Any:
    """Prepares the rows as the configuration asks and fits: a `Prepared`, or the bare model when nothing is to be kept."""
    own = {key: value for key, value in config.items() if key not in KEYS}
    if SAMPLED_ROWS in config:
        training = training.take(sampled(np.arange(len(training.y)), config[SAMPLED_ROWS], context.seed))
    if config.get(CLASS_WEIGHT) == BALANCED:
        of_class = class_weights(training, context.problem.n_classes)
        training, validation = _weighted(training, of_class), validation and _weighted(validation, of_class)
    transforms: list[Transform] = []
    if ENCODING in config:
        encoder, encoded = fit_encoder(config[ENCODING], training, context)
        training, validation = replace(training, x=encoded), validation and _applied(encoder, validation)
        transforms.append(encoder)
    if SCALER in config:
        scaling = SCALERS[config[SCALER]](training.x, context.seed)
        training, validation = _applied(scaling, training), validation and _applied(scaling, validation)
        transforms.append(scaling)
    model = algorithm.fit(own, training, validation, context)
    return Prepared(tuple(transforms), model) if transforms else model


def with_rounds_of(algorithm: Algorithm, config: Config, model: Any) -> Config:
    """The configuration with which all rows are learnt as long as `model` of `fit` found best."""
    return algorithm.with_rounds_of(config, model.model if isinstance(model, Prepared) else model)


def predict_raw(algorithm: Algorithm, model: Any, x: Any) -> np.ndarray:
    """Raw scores of a model of `fit`, [n_rows, n_scores]."""
    if isinstance(model, Prepared):
        return algorithm.predict(model.model, model.apply(x))
    return algorithm.predict(model, x)


def mean_raw(algorithm: Algorithm, models: Sequence[Any], x: Any) -> np.ndarray:
    """Mean raw score of several models of `fit`, float64 [n_rows, n_scores]."""
    total = predict_raw(algorithm, models[0], x).astype(np.float64)
    for model in models[1:]:
        total = total + predict_raw(algorithm, model, x)
    return total / len(models)


def add_raw(algorithm: Algorithm, models: Sequence[Any], graph: Graph, x: Any) -> str:
    """The same in ONNX. Models without preparation go to the algorithm together, so that it can fuse them."""
    if not any(isinstance(model, Prepared) for model in models):
        return algorithm.to_onnx(models, graph, x)
    raws = [_add_prepared(algorithm, model, graph, x) for model in models]
    return raws[0] if len(raws) == 1 else graph.node("Mean", *raws)


def _add_prepared(algorithm: Algorithm, model: Prepared, graph: Graph, x: str) -> str:
    for transform in model.transforms:
        x = transform.add(graph, x)
    return algorithm.to_onnx([model.model], graph, x)


def class_weights(rows: Rows, n_classes: int) -> np.ndarray:
    """Weights that make the classes weigh alike (scikit-learn's `balanced`), float64 [n_classes].

    >>> class_weights(Rows(np.zeros((4, 1)), np.array([0, 0, 0, 1])), 2)
    array([0.66666667, 2.        ])
    """
    counts = np.bincount(rows.y, weights=rows.weight, minlength=n_classes)
    return counts.sum() / (n_classes * np.maximum(counts, TINY)) * (counts > 0)


def _weighted(rows: Rows, of_class: np.ndarray) -> Rows:
    weight = of_class[rows.y] if rows.weight is None else rows.weight * of_class[rows.y]
    return replace(rows, weight=weight)


def _applied(transform: Transform, rows: Rows) -> Rows:
    return replace(rows, x=transform.apply(rows.x))


# Variants


def is_imbalanced(y: np.ndarray, problem: Problem) -> bool:
    """Whether the rarest class is so rare that weights of classes may help."""
    if problem.answers != "classes":
        return False
    counts = np.bincount(y[y >= 0], minlength=problem.n_classes)
    return bool(counts[counts > 0].min() <= IMBALANCE_RATIO * counts.max())


def choices(
    algorithm: Algorithm, problem: Problem, imbalanced: bool, encodings: tuple[str, ...] = ()
) -> dict[str, tuple[str, ...]]:
    """Key of a configuration -> the values worth trying beside leaving it out, in the order of expected gain. Encodings
    are made of `codes`."""
    is_learning = not algorithm.is_fallback
    found = {
        CLASS_WEIGHT: (BALANCED,) if imbalanced and is_learning else (),
        ENCODING: encodings if is_learning and algorithm.view == "codes" else (),
        SCALER: algorithm.scalers,
    }
    return {key: values for key, values in found.items() if values}


def variants(default: Config, found: dict[str, tuple[str, ...]]) -> list[Config]:
    """The default with one thing changed at a time; what is better is kept because the leaderboard ranks it so."""
    return [default | {key: value} for key, values in found.items() for value in values if default.get(key) != value]
