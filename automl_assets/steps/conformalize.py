"""conformalize: intervals and sets that hold the truth as often as they say, from out-of-fold errors (Vovk 2005).

For a number an interval around it, its width following the level of the prediction where that makes intervals narrower
(Lei 2018); for classes those probable enough (Sadinle 2019), each by the rows of its own where these are enough (Mondrian,
Vovk 2003), and the one that is answered always among them. Of a set of labels each that a row has is held so. A row counts as much as it weighs (Tibshirani 2019).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.answer_kinds import answers_of
from automl_assets.records import Conformal, Ensemble, Problem, Spread, Truth
from automl_assets.steps.calibrate import Judged, judged

MIN_SPREAD_ROWS = 500
MIN_CLASS_ROWS = 20  # for a bound of its own
N_KNOTS = 10
LEAST_SIZE = 0.05  # of the mean error: where the rows seen had none at all, a new one may
RANK_SLACK = 1e-6  # rounding of a sum puts no row behind its rank
SLACK = 1e-6  # of a probability: rounding in float32 puts no class out of its set
NARROWER = 0.98  # of the mean width, for a spread to be worth having


def conformalize(ensemble: Ensemble, truth: Truth, levels: Sequence[float], seed: int) -> Ensemble:
    """The ensemble with a bound for each level that has rows enough: 0.95 takes 19."""
    if ensemble.problem.answers == "boxes":  # which hold no truth: boxes are right or not
        return ensemble
    rows = judged(ensemble, truth)
    possible = tuple(sorted(level for level in levels if level <= rows.n_rows / (rows.n_rows + 1)))
    if not possible:
        return ensemble
    if rows.problem.classes:
        return replace(ensemble, conformal=_by_class(rows, possible))
    least, most = _natural_ends(truth.y[truth.split.is_training])
    return replace(ensemble, conformal=replace(_around(rows, possible, seed), least=least, most=most))


def _by_class(rows: Judged, levels: tuple[float, ...]) -> Conformal | None:
    """The least probability of each class, or label; one of few rows shares that of all."""
    n_classes = rows.problem.n_classes
    place, code_of = np.nonzero(answers_of(rows.problem).indicator(rows.y, n_classes))  # every class that a row has
    doubts, weight = 1.0 - rows.predictions[place, code_of], None if rows.weight is None else rows.weight[place]
    if levels[-1] > len(place) / (len(place) + 1):  # few rows have a label
        return None
    shared = _least(doubts, levels, weight)
    own = {code: _own(code_of == code, doubts, levels, weight) for code in range(n_classes)}
    pooled = tuple(code for code, bounds in own.items() if not bounds)
    if len(pooled) == n_classes:
        return Conformal(levels, shared)
    bounds = tuple(zip(*(found or shared for found in own.values()), strict=True))
    return Conformal(levels, shared, class_bounds=bounds, pooled=pooled)


def _own(
    is_class: np.ndarray, doubts: np.ndarray, levels: tuple[float, ...], weight: np.ndarray | None
) -> tuple[float, ...]:
    """Nothing where the class has too few rows for the highest level."""
    n_rows, own = int(is_class.sum()), None if weight is None else weight[is_class]
    if n_rows < MIN_CLASS_ROWS or levels[-1] > n_rows / (n_rows + 1) or (own is not None and not own.any()):
        return ()
    return _least(doubts[is_class], levels, own)


def _least(doubts: np.ndarray, levels: tuple[float, ...], weight: np.ndarray | None) -> tuple[float, ...]:
    return tuple(1.0 - SLACK - bound for bound in _bounds(doubts, levels, weight))


def _natural_ends(y: np.ndarray) -> tuple[float | None, float | None]:
    """Nothing is below 0 where no training row is: a price, a count; and the other way round.

    >>> _natural_ends(np.array([0.0, 3.0])), _natural_ends(np.array([-1.0, 1.0]))
    ((0.0, None), (None, None))
    """
    return 0.0 if np.nanmin(y) >= 0 else None, 0.0 if np.nanmax(y) <= 0 else None


def _around(rows: Judged, levels: tuple[float, ...], seed: int) -> Conformal:
    """Half widths, in units of a spread where that makes the intervals of held-out rows narrower."""
    errors = _errors(rows)
    plain = Conformal(levels, _bounds(errors, levels, rows.weight))
    if rows.n_rows < MIN_SPREAD_ROWS:
        return plain
    sizes = np.empty(rows.n_rows)
    for learn, judge in rows.folds(seed):
        sizes[judge] = spread_at(_spread(rows.take(learn)), rows.predictions[judge, 0])
    bounds = _bounds(errors / sizes, levels, rows.weight)
    is_narrower = sum(bounds) * np.average(sizes, weights=rows.weight) < NARROWER * sum(plain.bounds)
    return Conformal(levels, bounds, _spread(rows)) if is_narrower else plain


def _errors(rows: Judged) -> np.ndarray:
    return np.abs(rows.y - rows.predictions[:, 0])


def _bounds(scores: np.ndarray, levels: tuple[float, ...], weight: np.ndarray | None = None) -> tuple[float, ...]:
    """Of n ordered scores the one at rank level * (n + 1), rounded up: the next score is below it as often as promised.
    Ranks are sums of weights, whose mean is one; the row to come weighs as much as a mean one."""
    n_rows, order = len(scores), np.argsort(scores, kind="stable")
    ranks = np.cumsum(np.ones(n_rows) if weight is None else weight[order] / weight.mean())
    wanted = np.array(levels) * (n_rows + 1)
    places = np.minimum(np.searchsorted(ranks, wanted - RANK_SLACK), n_rows - 1)
    return tuple(scores[order][places].tolist())


def _spread(rows: Judged) -> Spread:
    """Mean absolute error of equal shares of the rows, ordered by their predictions."""
    order = np.argsort(rows.predictions[:, 0], kind="stable")
    parts = [rows.take(part) for part in np.array_split(order, N_KNOTS)]
    knots = np.array([part.predictions[:, 0].mean() for part in parts], np.float32).astype(float)  # as ONNX has them
    sizes = np.array([_mean(_errors(part), part.weight) for part in parts])
    distinct = np.append(True, np.diff(knots) > 0)
    least = max(LEAST_SIZE * float(sizes.mean()), float(np.finfo(np.float32).tiny))
    return Spread(knots[distinct], np.maximum(sizes[distinct], least))


def _mean(values: np.ndarray, weight: np.ndarray | None) -> float:
    """Each value counts as much as its row weighs; where no row weighs anything, all count alike."""
    return float(np.average(values, weights=weight if weight is not None and weight.any() else None))


def spread_at(spread: Spread | None, values: np.ndarray) -> np.ndarray:
    """How large an error is usual at predicted values [n_rows]; one where nothing is known.

    >>> spread_at(Spread(np.array([0.0, 10.0]), np.array([1.0, 2.0])), np.array([-5.0, 5.0]))
    array([1. , 1.5])
    """
    return np.ones(len(values)) if spread is None else np.interp(values, spread.knots, spread.sizes)


def intervals(conformal: Conformal, values: np.ndarray) -> dict[str, np.ndarray]:
    """Lower and upper ends for predicted values [n_rows], as `prediction_80_low` and `prediction_80_high`."""
    size = spread_at(conformal.spread, values)
    ends: dict[str, np.ndarray] = {}
    for level, bound in zip(conformal.levels, conformal.bounds, strict=True):
        ends[f"prediction_{percent(level)}_low"] = values - bound * size
        ends[f"prediction_{percent(level)}_high"] = values + bound * size
    if conformal.least is None and conformal.most is None:
        return ends
    return {name: np.clip(end, conformal.least, conformal.most) for name, end in ends.items()}


def class_sets(conformal: Conformal, probabilities: np.ndarray, problem: Problem) -> dict[str, np.ndarray]:
    """Which classes are in the set of each row, bool [n_rows, n_classes], as `prediction_set_80`."""
    answered = answers_of(problem).answered(probabilities, problem)
    return {
        f"prediction_set_{percent(level)}": (probabilities >= least) | answered
        for level, least in zip(conformal.levels, least_probabilities(conformal), strict=True)
    }


def least_probabilities(conformal: Conformal) -> np.ndarray:
    """With which a class is in the set of each level, [n_levels, n_classes], or [n_levels, 1] where all share one."""
    return np.array(conformal.class_bounds) if conformal.class_bounds else np.array(conformal.bounds)[:, None]


def percent(level: float) -> str:
    """A level as a part of a name.

    >>> percent(0.8), percent(0.995)
    ('80', '99_5')
    """
    return f"{100 * level:.10g}".replace(".", "_")


def coverage(
    conformal: Conformal | None,
    truth: np.ndarray,
    answers: np.ndarray,
    problem: Problem,
    weight: np.ndarray | None = None,
) -> dict[str, float]:
    """Share of rows whose truth lies inside, as `coverage_80`, and the mean `width_80` or `set_size_80`. Of sets of labels
    it is the share of the labels that rows have."""
    if conformal is None:
        return {}
    if not problem.classes:
        return _interval_coverage(conformal, truth, answers.reshape(-1), weight)
    found: dict[str, float] = {}
    for name, inside in class_sets(conformal, answers, problem).items():
        level = name.removeprefix("prediction_set_")
        place, code = np.nonzero(answers_of(problem).indicator(truth, problem.n_classes))
        if len(place):
            found[f"coverage_{level}"] = _mean(inside[place, code], None if weight is None else weight[place])
        found[f"set_size_{level}"] = _mean(inside.sum(axis=1), weight)
    return found


def coverage_by_class(
    conformal: Conformal | None,
    truth: np.ndarray,
    answers: np.ndarray,
    problem: Problem,
    weight: np.ndarray | None = None,
) -> pl.DataFrame | None:
    """How often the sets of the rows of each class hold it, as `coverage_80`; None where there are no classes or sets."""
    if conformal is None or not problem.classes:
        return None
    has, sets = answers_of(problem).indicator(truth, problem.n_classes), class_sets(conformal, answers, problem)
    codes = np.flatnonzero(has.any(axis=0))
    rows = [np.flatnonzero(has[:, code]) for code in codes]
    is_shared = [not conformal.class_bounds or code in conformal.pooled for code in codes]
    found = {
        f"coverage_{name.removeprefix('prediction_set_')}": [
            _mean(inside[some, code], None if weight is None else weight[some])
            for code, some in zip(codes, rows, strict=True)
        ]
        for name, inside in sets.items()
    }
    bounds = ["shared" if shared else "own" for shared in is_shared]
    classes = [str(problem.classes[code]) for code in codes]
    return pl.DataFrame({"class": classes, "n_rows": [len(some) for some in rows], "bound": bounds, **found})


def _interval_coverage(
    conformal: Conformal, truth: np.ndarray, values: np.ndarray, weight: np.ndarray | None
) -> dict[str, float]:
    found, ends = {}, intervals(conformal, values)
    for level in map(percent, conformal.levels):
        low, high = ends[f"prediction_{level}_low"], ends[f"prediction_{level}_high"]
        found[f"coverage_{level}"] = _mean((low <= truth) & (truth <= high), weight)
        found[f"width_{level}"] = _mean(high - low, weight)
    return found
