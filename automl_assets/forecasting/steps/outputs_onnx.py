"""ONNX nodes from what forecasters take to the answer of an ensemble: its point forecast and quantiles.

The same arithmetic as in `forecast`, for one series. Not here: raw columns, and what a member computes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets import registry
from automl_assets.forecasting.records import MEDIAN, ForecastEnsemble, ForecastMember, ForecastProblem, QuantileShape
from automl_assets.forecasting.steps.raw_columns_onnx import RawSeries
from automl_assets.forecasting.steps.safe_forecast import REACH
from automl_assets.onnx.graph import Graph

DOUBLE, INT64 = 11, 7  # onnx.TensorProto element types
NAN, INFINITY = float("nan"), float("inf")


@dataclass(frozen=True)
class Heads:
    """Names of what one member says of a series."""

    point: str  # [horizon], NaN where it has no answer
    quantiles: str | None  # [horizon, n_quantiles] of a member that brings them


def add_members(graph: Graph, raw: RawSeries, ensemble: ForecastEnsemble) -> list[Heads]:
    """What each member says."""
    return [_member(graph, raw, member, ensemble.problem) for member in ensemble.members]


def add_point(
    graph: Graph, raw: RawSeries, ensemble: ForecastEnsemble, said: Sequence[Heads], fallback: ForecastMember
) -> str:
    """The point forecast, float64 [horizon]: members together, and where none has an answer that of `fallback`."""
    together = add_together(graph, _stacked(graph, [one.point for one in said]), ensemble)
    other = _member(graph, raw, fallback, ensemble.problem).point
    return graph.node("Where", graph.node("IsNaN", together), other, together)


def _stacked(graph: Graph, tensors: Sequence[str]) -> str:
    return graph.node("Concat", *(graph.node("Unsqueeze", one, _ints(graph, 0)) for one in tensors), axis=0)


def _tamed(graph: Graph, heads: str, y: str, problem: ForecastProblem) -> str:
    """As `safe_forecast.tamed`: nothing infinite, nothing far beyond all the series ever was, or below its floor."""
    low, high = (graph.node(op, y, _ints(graph, 0)) for op in ("ReduceMin", "ReduceMax"))
    size = graph.node("Max", graph.node("Sub", high, low), graph.node("Abs", low), graph.node("Abs", high))
    room = graph.node("Mul", size, _number(graph, REACH))
    least = _floored(graph, graph.node("Sub", low, room), y, problem)
    inside = graph.node("Min", graph.node("Max", heads, least), graph.node("Add", high, room))
    is_lost = graph.node("Or", graph.node("IsNaN", heads), graph.node("IsInf", heads))
    return graph.node("Where", is_lost, _number(graph, NAN), inside)


def _floored(graph: Graph, values: str, y: str, problem: ForecastProblem) -> str:
    """As `safe_forecast.floors`: values that do not fall below zero where the series never did."""
    if not np.isfinite(problem.floor):
        return values
    has_been_below = graph.node("Less", graph.node("ReduceMin", y, _ints(graph, 0)), _number(graph, problem.floor))
    floor = graph.node("Where", has_been_below, _number(graph, -INFINITY), _number(graph, problem.floor))
    return graph.node("Max", values, floor)


def add_together(graph: Graph, points: str, ensemble: ForecastEnsemble) -> str:
    """What members that have an answer say together, [horizon] of [n_members, horizon]; NaN where none has."""
    if ensemble.kind == "median":
        return _median(graph, points, len(ensemble.members))
    return _mean(graph, points, np.array([member.weight for member in ensemble.members]))


def _member(graph: Graph, raw: RawSeries, member: ForecastMember, problem: ForecastProblem) -> Heads:
    """What a member says; NaN for a series that it has not learnt from and so cannot forecast."""
    part = registry.algorithms("forecasting")[member.algorithm]
    heads = _tamed(graph, part.to_onnx(member.fitted.models[0], graph, raw.tensors), raw.tensors.y, problem)
    if not part.has_cold_start:
        heads = graph.node("Where", raw.is_known, heads, _number(graph, NAN))
    middle = problem.quantiles.index(MEDIAN) if part.heads == "quantiles" else 0
    point = graph.node("Gather", heads, graph.constant(np.int64(middle)), axis=1)
    return Heads(point, heads if part.heads == "quantiles" else None)


def _mean(graph: Graph, points: str, weights: np.ndarray) -> str:
    """The mean of those that have an answer, by their weights."""
    is_known = graph.node("Not", graph.node("IsNaN", points))
    shares = graph.node("Mul", graph.node("Cast", is_known, to=DOUBLE), graph.constant(weights[:, None]))
    shared = graph.node("Mul", graph.node("Where", is_known, points, _number(graph, 0.0)), shares)
    return graph.node("Div", _sum(graph, shared), _sum(graph, shares))


def _median(graph: Graph, points: str, n_points: int) -> str:
    """The median of those that have an answer, which is the mean of the two in the middle."""
    is_known = graph.node("Not", graph.node("IsNaN", points))
    known_first = graph.node("Where", is_known, points, _number(graph, INFINITY))
    ordered, _ = graph.node("TopK", known_first, _ints(graph, n_points), axis=0, largest=0, n_outputs=2)
    n_known = _sum(graph, graph.node("Cast", is_known, to=INT64))
    below = graph.node("Max", graph.node("Sub", n_known, _ints(graph, 1)), _ints(graph, 0))
    middles = [_taken(graph, ordered, graph.node("Div", place, _ints(graph, 2))) for place in (below, n_known)]
    middle = graph.node("Mul", graph.node("Add", *middles), _number(graph, 0.5))
    return graph.node("Where", graph.node("IsInf", middle), _number(graph, NAN), middle)


def _taken(graph: Graph, points: str, places: str) -> str:
    """Of each stamp the value at its place, [horizon] of [n_points, horizon]; a place beyond the last is the last."""
    last = graph.node("Sub", graph.node("Shape", points, start=0, end=1), _ints(graph, 1))
    row = graph.node("Unsqueeze", graph.node("Min", places, last), _ints(graph, 0))
    return graph.node("Squeeze", graph.node("GatherElements", points, row, axis=0), _ints(graph, 0))


def add_quantiles(graph: Graph, raw: RawSeries, point: str, ensemble: ForecastEnsemble, said: Sequence[Heads]) -> str:
    """Point and calibrated margins in units of the series' scale, or what members say of their own quantiles, ascending:
    float64 [horizon, n_quantiles]."""
    scale = graph.node("Gather", graph.constant(np.append(ensemble.scales, NAN)), raw.tensors.series)
    scale = graph.node("Where", raw.is_known, scale, _scale(graph, raw.tensors.y, ensemble.problem.season))
    distances = graph.node("Mul", graph.constant(ensemble.margins), scale)
    if ensemble.shape:
        distances = _shaped(graph, ensemble, ensemble.shape, said, (distances, scale))
    spread = graph.node("Add", graph.node("Unsqueeze", point, _ints(graph, 1)), distances)
    return _floored(graph, _ascending(graph, spread, ensemble.problem), raw.tensors.y, ensemble.problem)


def _ascending(graph: Graph, quantiles: str, problem: ForecastProblem) -> str:
    n_quantiles = _ints(graph, len(problem.quantiles))
    ascending, _ = graph.node("TopK", quantiles, n_quantiles, axis=1, largest=0, n_outputs=2)
    return ascending


def _shaped(
    graph: Graph,
    ensemble: ForecastEnsemble,
    shape: QuantileShape,
    said: Sequence[Heads],
    margins_scale: tuple[str, str],
) -> str:
    """As `conformalize_quantiles.Spread.corrected`: distances from the point [horizon, n_quantiles]."""
    (margins, scale), zero, one = margins_scale, _number(graph, 0.0), _number(graph, 1.0)
    own, weight = _spread(graph, ensemble, said)
    has_own = graph.node("Greater", weight, zero)
    if shape.is_alone:
        own = graph.node("Div", own, graph.node("Where", has_own, weight, one))
        weight = graph.node("Cast", has_own, to=DOUBLE)
    found = graph.node("Add", own, graph.node("Mul", graph.node("Sub", one, weight), margins))
    found = graph.node("Add", found, graph.node("Mul", graph.constant(shape.corrections), scale))
    sides = graph.constant(np.sign(np.array(ensemble.problem.quantiles) - MEDIAN))
    is_beside = graph.node("Greater", graph.node("Mul", found, sides), zero)
    ordered = _ascending(graph, graph.node("Where", is_beside, found, zero), ensemble.problem)
    return graph.node("Where", has_own, ordered, margins)


def _spread(graph: Graph, ensemble: ForecastEnsemble, said: Sequence[Heads]) -> tuple[str, str]:
    """As `conformalize_quantiles.Spread.of`: [horizon, n_quantiles] and [horizon, 1]."""
    zero, shares, own, with_own = _number(graph, 0.0), [], [], []
    for heads, member in zip(said, ensemble.members, strict=True):
        point = graph.node("Unsqueeze", heads.point, _ints(graph, 1))
        share = graph.node("Where", graph.node("IsNaN", point), zero, _number(graph, member.weight))
        shares.append(share)
        if heads.quantiles:
            distances = graph.node("Sub", heads.quantiles, point)
            is_lost = graph.node("IsNaN", graph.node("ReduceSum", distances, _ints(graph, 1)))
            own.append(graph.node("Mul", graph.node("Where", is_lost, zero, distances), share))
            with_own.append(graph.node("Where", is_lost, zero, share))
    total = graph.node("Max", graph.node("Sum", *shares), _number(graph, float(np.finfo(float).tiny)))
    return graph.node("Div", graph.node("Sum", *own), total), graph.node("Div", graph.node("Sum", *with_own), total)


def _scale(graph: Graph, y: str, season: int) -> str:
    """As `metrics.error_scales`: mean absolute seasonal difference [1], of a short series from one value to the next; where
    it never changes its own size, or 1, as one step among all there were and one more."""
    length, one = graph.node("Shape", y), _ints(graph, 1)
    lag = graph.node("Where", graph.node("Greater", length, _ints(graph, season)), _ints(graph, season), one)
    n_differences = graph.node("Sub", length, lag)
    earlier = graph.node("Slice", y, _ints(graph, 0), n_differences)
    change = _mean_size(graph, graph.node("Sub", graph.node("Slice", y, lag, length), earlier), n_differences)
    own = _mean_size(graph, y, length)
    zero = _number(graph, 0.0)
    own = graph.node("Where", graph.node("Greater", own, zero), own, _number(graph, 1.0))
    ends = (graph.node(end, y, _ints(graph, 0), keepdims=1) for end in ("ReduceMax", "ReduceMin"))
    n_still = graph.node("Where", graph.node("Equal", *ends), length, graph.node("Add", n_differences, one))
    own = graph.node("Div", own, graph.node("Cast", n_still, to=DOUBLE))
    return graph.node("Where", graph.node("Greater", change, zero), change, own)


def _mean_size(graph: Graph, values: str, n_values: str) -> str:
    count = graph.node("Cast", graph.node("Max", n_values, _ints(graph, 1)), to=DOUBLE)
    return graph.node("Div", _sum(graph, graph.node("Abs", values), keepdims=1), count)


def _sum(graph: Graph, values: str, keepdims: int = 0) -> str:
    return graph.node("ReduceSum", values, _ints(graph, 0), keepdims=keepdims)


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float64))


def _ints(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))
