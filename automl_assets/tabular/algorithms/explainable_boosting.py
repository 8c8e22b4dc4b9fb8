"""Explainable boosting machine: a sum of learnt curves, one per column, and of surfaces over pairs of columns.

InterpretML's native booster learns them, over bins that are made here, so that Python and ONNX cut a column alike.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from automl_assets.learning.fitting import EarlyStopping, TargetScale, on_scale, prepared
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import LEAF, Trees, add_trees, rounded_down
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as

MAX_BINS = 256  # of a curve
MAX_PAIR_BINS = 24  # of each side of a surface: a tree of at most 625 leaves
MAX_RANKED = 40  # columns whose pairs are looked at; those with the strongest curves
BASE_RATE = 0.04
ROUNDS_TIMES_RATE = 60.0  # at most 1,500 rounds at that rate
RANDOM_ROUNDS = 20  # first rounds that cut at random: smooths the curves
TRAIN, VALID = 1, -1  # in the booster's language
SPLITTING = {"min_samples_leaf": 4, "min_hessian": 1e-4, "reg_alpha": 0.0, "reg_lambda": 0.0, "max_delta_step": 0.0}
CATEGORIES = {"min_cat_samples": 10, "cat_smooth": 10.0, "max_cat_threshold": 2**63 - 1, "cat_include": 1.0}

Columns = tuple[int, ...]


@stored_as("tabular.explainable_boosting.Term")
@dataclass(frozen=True)
class Term:
    """A function of one or two columns, constant within bins: bin 0 holds missing values, bin i + 1 those up to cut i."""

    columns: Columns
    cuts: tuple[np.ndarray, ...]  # float32 [n_cuts], ascending, for each column
    table: np.ndarray  # float64 [n_cuts + 2, ..., n_scores], one axis of bins for each column

    def scores(self, x: np.ndarray) -> np.ndarray:
        """float64 [n_rows, n_scores]"""
        return self.table[tuple(_bins(x[:, c], cuts) for c, cuts in zip(self.columns, self.cuts, strict=True))]


@stored_as("tabular.explainable_boosting.Model")
@dataclass(frozen=True)
class Additive:
    """A row's score is the sum of the terms and the base, on the scale its target was learnt on."""

    terms: tuple[Term, ...]
    base: np.ndarray  # float64 [n_scores]
    scale: TargetScale
    rounds: tuple[int, ...] = ()  # that made the terms: those of single columns, then of pairs

    def scores(self, x: np.ndarray) -> np.ndarray:
        """float64 [n_rows, n_scores]"""
        return sum((term.scores(x) for term in self.terms), np.tile(self.base, (len(x), 1)))


def _portfolio(problem: Problem) -> Sequence[Config]:
    """One bag, because folds bag already. Cuts in two were better than more where tried (abalone, credit-g, car)."""
    pairs = 1.0 if problem.n_classes <= 2 else 0.5  # for every column; dear with many classes
    default = {"relative_rate": 1.0, "rounds": 400, "max_leaves": 2, "pairs_per_column": pairs}
    return [
        default,
        default | {"pairs_per_column": 3 * pairs, "relative_rate": 0.5},
        default | {"pairs_per_column": 0.0, "relative_rate": 0.5},
        default | {"max_leaves": 4, "relative_rate": 0.5},
    ]


def _space(trial: Any, problem: Problem) -> Config:
    most_pairs = 4.0 if problem.n_classes <= 2 else 1.5
    return {
        "relative_rate": trial.suggest_float("relative_rate", 0.3, 2.0, log=True),
        "rounds": 400,
        "max_leaves": trial.suggest_int("max_leaves", 2, 4),
        "pairs_per_column": trial.suggest_float("pairs_per_column", 0.0, most_pairs),
    }


# --- bins


def _cuts(values: np.ndarray, n_levels: int | None, most: int) -> np.ndarray:
    """Where a column is cut into at most `most` bins, float32: between codes, distinct values, or quantiles.

    Codes are ordered by frequency, so that what shares the last bin is rare.
    """
    if n_levels is not None:
        return np.arange(max(0, min(n_levels, most) - 1), dtype=np.float32) + np.float32(0.5)
    known = values[~np.isnan(values)]
    distinct = np.unique(known).astype(np.float64)
    following = np.arange(1, len(distinct))
    if len(distinct) > most:
        inner = np.quantile(known, np.linspace(0, 1, most + 1)[1:-1], method="lower")
        following = np.unique(np.searchsorted(distinct, inner, side="right"))
    following = following[following < len(distinct)]
    return rounded_down((distinct[following - 1] + distinct[following]) / 2)


def _bins(values: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), 0, np.searchsorted(cuts, values, side="left") + 1)


# --- learning


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Additive:
    rows, scale = prepared(training, context.problem)
    both = _joined(rows, on_scale(validation, scale) if validation else None)
    boosting = _Boosting(both, len(rows.y), config, context)
    model = Additive((), _base(rows, context.problem), scale)
    model = boosting.extended(model, [(column,) for column in range(rows.x.shape[1])], MAX_BINS)
    n_pairs = round(config["pairs_per_column"] * rows.x.shape[1])
    if n_pairs and time.monotonic() < context.deadline:
        model = boosting.extended(model, boosting.strongest_pairs(model, n_pairs), MAX_PAIR_BINS)
    return model


def _joined(rows: Rows, validation: Rows | None) -> Rows:
    if validation is None:
        return rows
    weights = [np.ones(len(part.y)) if part.weight is None else part.weight for part in (rows, validation)]
    x, y = np.concatenate([rows.x, validation.x]), np.concatenate([rows.y, validation.y])
    return Rows(x, y, np.concatenate(weights))


def _base(rows: Rows, problem: Problem) -> np.ndarray:
    """The score every row starts from, [n_scores]: the log-odds of the classes; zero for a centred target."""
    if not problem.classes:
        return np.zeros(1)
    shares = np.bincount(rows.y, rows.weight, minlength=problem.n_classes)
    logs = np.log(shares / shares.sum())
    return logs[1:] - logs[0] if problem.n_classes == 2 else logs


class _Boosting:
    """What both stages share: the rows in the booster's own format, and when to end."""

    def __init__(self, rows: Rows, n_training: int, config: Config, context: FitContext):
        from interpret.utils._native import Native

        self.rows, self.config, self.context = rows, config, context
        self.native = Native.get_native_singleton()
        self.random = self.native.create_rng(context.seed)
        self.bag = np.where(np.arange(len(rows.y)) < n_training, TRAIN, VALID).astype(np.int8)
        self.has_validation = n_training < len(rows.y)

    def extended(self, model: Additive, columns: Sequence[Columns], most_bins: int) -> Additive:
        """The model and one more term for each of `columns`, learnt on what the model leaves unexplained."""
        if not columns:
            return model
        cuts = self._all_cuts(most_bins)
        with self._booster(model, columns, cuts) as booster:
            tables, n_rounds = self._boosted(booster, len(columns), stage=len(model.rounds))
        terms = (
            _compact(Term(each, tuple(cuts[c] for c in each), _known_bins(table, len(each))))
            for each, table in zip(columns, tables, strict=True)
        )
        kept = (term for term in terms if term.table.any())
        return replace(model, terms=(*model.terms, *kept), rounds=(*model.rounds, n_rounds))

    def strongest_pairs(self, model: Additive, n_pairs: int) -> list[Columns]:
        """The pairs that explain most of what the model leaves (FAST, Lou et al. 2013), as far as there is time."""
        spread = {term.columns[0]: float(term.scores(self.rows.x).std()) for term in model.terms}
        ranked = sorted(spread, key=lambda column: -spread[column])[:MAX_RANKED]
        pairs = self._in_time(combinations(sorted(ranked), 2))
        strength = dict(self._strengths(model, pairs))
        return sorted(strength, key=lambda pair: -strength[pair])[:n_pairs]

    def _in_time(self, pairs: Iterable[Columns]) -> Iterator[Columns]:
        for pair in pairs:
            if time.monotonic() >= self.context.deadline:
                return
            yield pair

    def _strengths(self, model: Additive, pairs: Iterable[Columns]) -> Iterator[tuple[Columns, float]]:
        from interpret.utils._native import InteractionDetector, Native

        flags = Native.CalcInteractionFlags_Default
        shared = self._shared(model, self._all_cuts(MAX_PAIR_BINS))
        settings = (Native.CreateInteractionFlags_Default, self._objective, Native.AccelerationFlags_ALL, None)
        with InteractionDetector(*shared, *settings) as detector:
            for pair in pairs:
                yield pair, detector.calc_interaction_strength(pair, flags, 2**63 - 1, *SPLITTING.values())

    def _booster(self, model: Additive, columns: Sequence[Columns], cuts: Sequence[np.ndarray]) -> Any:
        from interpret.utils._native import Booster, Native

        n_inner_bags, flags = 0, Native.CreateBoosterFlags_Default
        settings = (n_inner_bags, self.random, flags, self._objective, Native.AccelerationFlags_ALL, None)
        return Booster(*self._shared(model, cuts), columns, *settings)

    def _boosted(self, booster: Any, n_terms: int, stage: int) -> tuple[list[np.ndarray], int]:
        """Boosts the terms in turn, and returns their tables at the best moment, and after how many rounds that was."""
        rate = BASE_RATE * self.config["relative_rate"]
        n_rounds = round(ROUNDS_TIMES_RATE / rate) if self.has_validation else _rounds(self.config, stage)
        patience = EarlyStopping(self.context.deadline)
        for number in range(n_rounds):
            losses = [self._step(booster, term, rate, number) for term in range(n_terms)]
            if patience.is_over(number, losses[-1] if self.has_validation else None):
                break
        tables = booster.get_best_model() if self.has_validation else booster.get_current_model()
        return tables, patience.best_round + 1

    def _step(self, booster: Any, term: int, rate: float, number: int) -> float:
        """One small tree for one term. Returns the loss on validation rows."""
        from interpret.utils._native import Native

        flags = Native.TermBoostFlags_MissingSeparate
        if number < RANDOM_ROUNDS:
            flags |= Native.TermBoostFlags_RandomSplits
        booster.generate_term_update(
            self.random,
            term_idx=term,
            term_boost_flags=flags,
            learning_rate=rate,
            max_leaves=self.config["max_leaves"],
            monotone_constraints=None,
            **SPLITTING,
            **CATEGORIES,
        )
        return booster.apply_term_update()

    @property
    def _objective(self) -> str:
        return "log_loss" if self.context.problem.classes else "rmse"

    def _all_cuts(self, most_bins: int) -> list[np.ndarray]:
        x, levels = self.rows.x[self.bag == TRAIN], self.context.categories
        return [_cuts(x[:, column], levels.get(column), most_bins) for column in range(x.shape[1])]

    def _shared(self, model: Additive, cuts: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """What booster and detector of interactions begin with: data, intercept, bag, scores so far."""
        scores = model.scores(self.rows.x)
        so_far = scores[:, 0] if scores.shape[1] == 1 else scores
        return self._data(cuts), None, self.bag, np.ascontiguousarray(so_far)

    def _data(self, cuts: Sequence[np.ndarray]) -> np.ndarray:
        """Bins, weights and target in the library's own bytes, which are measured first and then filled."""
        parts = [*self._feature_parts(cuts), *self._target_parts()]
        header = (len(cuts), int(self.rows.weight is not None), 1)
        measured = [self.native.measure_dataset_header(*header)]
        measured += [getattr(self.native, f"measure_{kind}")(*values) for kind, values in parts]
        data = np.empty(sum(measured), np.ubyte)
        self.native.fill_dataset_header(*header, data)
        for kind, values in parts:
            getattr(self.native, f"fill_{kind}")(*values, data)
        return data

    def _feature_parts(self, cuts: Sequence[np.ndarray]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for column, own in enumerate(cuts):
            bins = _bins(self.rows.x[:, column], own).astype(np.int64)
            has_missing, has_unseen, is_category = not bins.all(), False, column in self.context.categories
            yield "feature", (len(own) + 3, has_missing, has_unseen, is_category, bins)

    def _target_parts(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        if self.rows.weight is not None:
            yield "weight", (self.rows.weight.astype(np.float64),)
        if self.context.problem.classes:
            yield "classification_target", (self.context.problem.n_classes, self.rows.y.astype(np.int64))
        else:
            yield "regression_target", (self.rows.y.astype(np.float64),)


def _known_bins(table: np.ndarray, n_columns: int) -> np.ndarray:
    """The library's table as ours: without its last bins, which are for unseen values, and with an axis of scores."""
    known = table[(slice(-1),) * n_columns]
    return known[..., None] if known.ndim == n_columns else known


def _compact(term: Term) -> Term:
    """The same function with as few bins as it needs."""
    for axis in range(len(term.columns)):
        rows = np.moveaxis(term.table, axis, 0)
        is_needed = (rows[2:] != rows[1:-1]).any(axis=tuple(range(1, rows.ndim)))
        table = np.concatenate([rows[:2], rows[2:][is_needed]])
        cuts = tuple(own[is_needed] if i == axis else own for i, own in enumerate(term.cuts))
        term = Term(term.columns, cuts, np.moveaxis(table, 0, axis))
    return term


def _rounds(config: Config, stage: int) -> int:
    """One number, or one for each stage."""
    rounds = np.atleast_1d(config["rounds"])
    return int(rounds[min(stage, len(rounds) - 1)])


def _with_rounds_of(config: Config, model: Additive) -> Config:
    return config | {"rounds": list(model.rounds)}


def _predict(model: Additive, x: np.ndarray) -> np.ndarray:
    return model.scale.undo(model.scores(x))


# --- ONNX


def _to_onnx(models: Sequence[Additive], graph: Graph, x: str) -> str:
    base = np.mean([model.scale.undo(model.base) for model in models], axis=0)
    shares = [
        replace(term, table=term.table * model.scale.spread / len(models)) for model in models for term in model.terms
    ]
    return add_trees(graph, x, _term_trees(_summed(shares), base))


def _summed(terms: Sequence[Term]) -> list[Term]:
    """Curves over the same column become one, so that more folds make deeper trees, not more."""
    curves = [term for term in terms if len(term.columns) == 1]
    columns = sorted({term.columns for term in curves})
    sums = [_sum_of([curve for curve in curves if curve.columns == own]) for own in columns]
    return [*sums, *(term for term in terms if len(term.columns) > 1)]


def _sum_of(curves: Sequence[Term]) -> Term:
    cuts = np.unique(np.concatenate([curve.cuts[0] for curve in curves]))
    upper = np.append(cuts, np.float32(np.inf))  # a value that stands for each bin
    every = np.insert(upper, 0, np.float32(np.nan))
    table = np.sum([curve.table[_bins(every, curve.cuts[0])] for curve in curves], axis=0)
    return Term(curves[0].columns, (cuts,), table)


def _term_trees(terms: Sequence[Term], base: np.ndarray) -> Trees:
    """Every term as a balanced tree over its cuts."""
    grown = _Growth()
    roots = [grown.tree(list(zip(term.columns, term.cuts, strict=True)), term.table) for term in terms]
    nodes = np.array(grown.nodes, np.float64).reshape(-1, 4)
    leaf, n_scores = np.array(grown.leaves, np.int64), len(base)
    return Trees(
        roots=np.array(roots, np.int64),
        feature=nodes[:, 0].astype(np.int64),
        threshold=nodes[:, 1].astype(np.float32),
        left=nodes[:, 2].astype(np.int64),
        right=nodes[:, 3].astype(np.int64),
        missing_left=np.zeros(len(nodes), bool),
        leaf=np.repeat(leaf, n_scores),
        score=np.tile(np.arange(n_scores), len(leaf)),
        weight=np.array(grown.values, np.float64).ravel(),
        base=base,
    )


class _Growth:
    """Nodes of trees under construction, each tree's root first."""

    def __init__(self) -> None:
        self.nodes: list[list[float]] = []  # column, threshold, left, right
        self.leaves: list[int] = []
        self.values: list[np.ndarray] = []

    def tree(self, axes: Sequence[tuple[int, np.ndarray]], table: np.ndarray) -> int:
        """Adds a tree that asks for the bin of one column after another; returns its first node."""
        if (table == table.reshape(-1, table.shape[-1])[0]).all():
            return self._leaf(table.reshape(-1, table.shape[-1])[0])
        column = axes[0][0]
        is_known = self._node(column, np.inf)  # every value is below infinity, but a missing one goes right
        self.nodes[is_known][2:] = self._between(axes, table[1:]), self.tree(axes[1:], table[0])
        return is_known

    def _between(self, axes: Sequence[tuple[int, np.ndarray]], table: np.ndarray) -> int:
        (column, cuts), *others = axes
        if len(table) == 1:
            return self.tree(others, table[0])
        middle = len(table) // 2
        node = self._node(column, cuts[middle - 1])
        low = self._between([(column, cuts[: middle - 1]), *others], table[:middle])
        high = self._between([(column, cuts[middle:]), *others], table[middle:])
        self.nodes[node][2:] = low, high
        return node

    def _node(self, column: int, threshold: float) -> int:
        self.nodes.append([column, threshold, LEAF, LEAF])
        return len(self.nodes) - 1

    def _leaf(self, value: np.ndarray) -> int:
        self.leaves.append(self._node(0, 0.0))
        self.values.append(value)
        return self.leaves[-1]


PART = Algorithm(
    name="explainable_boosting",
    title="Explainable boosting machine",
    tasks=frozenset({"classification", "regression"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Lou et al. 2013, Nori et al. 2019; the booster of the interpret-core package.",
    kinds=frozenset({"interpret"}),
    requires="interpret",
    preload=("interpret.utils",),
)
