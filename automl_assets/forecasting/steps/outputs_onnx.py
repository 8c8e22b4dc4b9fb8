"""ONNX nodes from what forecasters take to the answer of an ensemble: its point forecast and quantiles.

The same arithmetic as in `forecast`, for one series. Not here: raw columns, and what a member computes.
"""

import numpy as np

from automl_assets import registry
from automl_assets.forecasting.records import MEDIAN, ForecastEnsemble, ForecastMember, ForecastProblem
from automl_assets.forecasting.steps.raw_columns_onnx import RawSeries
from automl_assets.forecasting.steps.safe_forecast import REACH
from automl_assets.onnx.graph import Graph

DOUBLE, INT64 = 11, 7  # onnx.TensorProto element types
NAN, INFINITY = float("nan"), float("inf")


def add_point(graph: Graph, raw: RawSeries, ensemble: ForecastEnsemble, fallback: ForecastMember) -> str:
    """The point forecast, float64 [horizon]: members together, and where none has an answer that of `fallback`."""
    points = [_member_point(graph, raw, member, ensemble.problem) for member in ensemble.members]
    joined = graph.node("Concat", *(graph.node("Unsqueeze", point, _ints(graph, 0)) for point in points), axis=0)
    together = add_together(graph, joined, ensemble)
    other = _member_point(graph, raw, fallback, ensemble.problem)
    return graph.node("Where", graph.node("IsNaN", together), other, together)


def _tamed(graph: Graph, point: str, y: str, problem: ForecastProblem) -> str:
    """As `safe_forecast.tamed`: nothing infinite, nothing far beyond all the series ever was, or below its floor."""
    low, high = (graph.node(op, y, _ints(graph, 0)) for op in ("ReduceMin", "ReduceMax"))
    size = graph.node("Max", graph.node("Sub", high, low), graph.node("Abs", low), graph.node("Abs", high))
    room = graph.node("Mul", size, _number(graph, REACH))
    least = _floored(graph, graph.node("Sub", low, room), y, problem)
    inside = graph.node("Min", graph.node("Max", point, least), graph.node("Add", high, room))
    is_lost = graph.node("Or", graph.node("IsNaN", point), graph.node("IsInf", point))
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


def _member_point(graph: Graph, raw: RawSeries, member: ForecastMember, problem: ForecastProblem) -> str:
    """A member's point forecast [horizon]; NaN for a series that it has not learnt from and so cannot forecast."""
    part = registry.algorithms("forecasting")[member.algorithm]
    heads = part.to_onnx(member.fitted.models[0], graph, raw.tensors)
    middle = problem.quantiles.index(MEDIAN) if part.heads == "quantiles" else 0
    point = _tamed(graph, graph.node("Gather", heads, graph.constant(np.int64(middle)), axis=1), raw.tensors.y, problem)
    return point if part.has_cold_start else graph.node("Where", raw.is_known, point, _number(graph, NAN))


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


def add_quantiles(graph: Graph, raw: RawSeries, point: str, ensemble: ForecastEnsemble) -> str:
    """Point and calibrated margins in units of the series' scale, ascending: float64 [horizon, n_quantiles]."""
    scale = graph.node("Gather", graph.constant(np.append(ensemble.scales, NAN)), raw.tensors.series)
    scale = graph.node("Where", raw.is_known, scale, _scale(graph, raw.tensors.y, ensemble.problem.season))
    margins = graph.node("Mul", graph.constant(ensemble.margins), scale)
    spread = graph.node("Add", graph.node("Unsqueeze", point, _ints(graph, 1)), margins)
    n_quantiles = _ints(graph, len(ensemble.problem.quantiles))
    ascending, _ = graph.node("TopK", spread, n_quantiles, axis=1, largest=0, n_outputs=2)
    return _floored(graph, ascending, raw.tensors.y, ensemble.problem)


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
