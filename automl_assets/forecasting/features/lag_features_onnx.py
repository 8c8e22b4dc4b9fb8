"""What a regression over lags looks at, as ONNX nodes for one series: the same steps as `lag_features`, in double.

Rows are the stamps to be forecast. Here belongs the arithmetic of features; which model reads them is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.forecasting.features.calendar import DAY, Calendar
from automl_assets.forecasting.features.lag_features import LEAST_SCALE, SEASONS, TINY, LagFeatures, Scales, decay, span
from automl_assets.forecasting.features.regressors import add_local
from automl_assets.forecasting.features.stl import Decomposition
from automl_assets.forecasting.forecaster import SeriesTensors
from automl_assets.onnx.date_parts import Whole, calendar_parts
from automl_assets.onnx.graph import Graph

FLOAT, DOUBLE = 1, 11  # onnx.TensorProto element types


@dataclass(frozen=True)
class UnitTensors:
    """As `lagged.Unit`, for the rows of one series: [n, 1], or [1, 1] where all rows have the same."""

    anchor: str
    level: str
    scale: str


def add_values(graph: Graph, plan: LagFeatures, y: str) -> str:
    """Values as they are learnt."""
    return graph.node("Log", _plus(graph, _most(graph, y, 0.0), 1.0)) if plan.is_log else y


def add_answer(graph: Graph, unit: UnitTensors, raw: str, bounds: tuple[float, float]) -> str:
    """What a model answers, within bounds, as values of the learnt kind, [n, 1]."""
    wide = graph.node("Cast", raw, to=DOUBLE)
    bounded = graph.node("Clip", wide, *(graph.constant(np.float64(bound)) for bound in bounds))
    return graph.node("Add", unit.anchor, graph.node("Mul", unit.scale, bounded))


def add_given(graph: Graph, plan: LagFeatures, values: str) -> str:
    """Values as they were given."""
    return _plus(graph, graph.node("Exp", values), -1.0) if plan.is_log else values


def add_recent(graph: Graph, plan: LagFeatures, values: str) -> str:
    """The last values of the history, [1, depth]."""
    padded = graph.node("Concat", graph.constant(np.full(plan.depth, np.nan)), values, axis=0)
    tail = graph.node("Slice", padded, _ints(graph, -plan.depth), _ints(graph, np.iinfo(np.int64).max))
    return graph.node("Unsqueeze", tail, _ints(graph, 0))


def add_scales(graph: Graph, scales: Scales, series: str, values: str) -> tuple[str, str]:
    """Level and scale of the series learnt from, or of the history of another: [1, 1] each."""
    is_other = graph.node("Less", series, _ints(graph, 0))
    number = graph.node("Max", series, _ints(graph, 0))
    own = _own_scales(graph, graph.node("Unsqueeze", values, _ints(graph, 0)))
    known = (graph.node("Gather", graph.constant(learnt[:, None]), number) for learnt in (scales.level, scales.scale))
    level, scale = (graph.node("Where", is_other, *pair) for pair in zip(own, known, strict=True))
    return level, scale


def _own_scales(graph: Graph, values: str) -> tuple[str, str]:
    level = _mean(graph, values)
    spread = _deviation(graph, values)
    is_zero = graph.node("Equal", level, graph.constant(np.float64(0)))
    floor = graph.node("Where", is_zero, graph.constant(np.float64(1)), graph.node("Abs", level))
    is_spread = graph.node("Greater", spread, graph.node("Mul", floor, graph.constant(np.float64(TINY))))
    return level, graph.node("Where", is_spread, spread, floor)


def add_rows(graph: Graph, back: str, ahead: str) -> str:
    """Rows as a model takes them, float32 [n, n_features]."""
    return graph.node("Cast", _joined(graph, [back, ahead]), to=FLOAT)


def add_shifted(graph: Graph, recent: str, answer: str) -> str:
    """The recent values [1, depth] one stamp later, when the answer [1, 1] is the last of them."""
    later = _slice(graph, recent, 1, None)
    return graph.node("Concat", later, answer, axis=1)


# What is known at the origin


def add_look_back(
    graph: Graph, plan: LagFeatures, past: str, steps: str, scales: tuple[str, str]
) -> tuple[str, UnitTensors]:
    """Features of `past` [1, depth] for `steps` int64 [n], [n, n_features], and the unit of each row."""
    unit = _unit(graph, plan, past, steps, scales)
    still = [_from_level(graph, unit, _levels(graph, plan, past))]
    if plan.windows:
        spreads = [_deviation(graph, _tail(graph, past, window)) for window in plan.windows]
        still.append(graph.node("Div", _joined(graph, spreads), unit.scale))
    moving = [_from_level(graph, unit, _seasons(graph, plan, past, steps))] if plan.periods else []
    if plan.stl:
        moving += _decomposed(graph, plan.stl, past, steps, unit)
    last = []
    if plan.anchor:
        moving.append(graph.node("Div", _differences(graph, plan, past), unit.scale))
        moving.append(_from_level(graph, unit, unit.anchor))
    if plan.local:
        shift = graph.node("Sub", unit.level, scales[0])
        last = [graph.node("Div", shift, scales[1]), graph.node("Div", unit.scale, scales[1])]
    shape = graph.node("Concat", graph.node("Shape", steps), _ints(graph, 1), axis=0)
    return _joined(graph, [graph.node("Expand", block, shape) for block in (*still, *moving, *last)]), unit


def _from_level(graph: Graph, unit: UnitTensors, values: str) -> str:
    return graph.node("Div", graph.node("Sub", values, unit.level), unit.scale)


def _unit(graph: Graph, plan: LagFeatures, past: str, steps: str, scales: tuple[str, str]) -> UnitTensors:
    level, scale = scales
    if plan.local:
        tail = _tail(graph, past, plan.local)
        level = _mean(graph, tail)
        size = _mean(graph, graph.node("Abs", graph.node("Sub", tail, level)))
        scale = graph.node("Max", size, graph.node("Mul", scale, graph.constant(np.float64(LEAST_SCALE))))
    anchor = level
    if plan.anchor:
        same = _same_season(graph, past, steps, plan.anchor, 0)
        anchor = graph.node("Where", graph.node("IsNaN", same), _tail(graph, past, 1), same)
    return UnitTensors(anchor, level, scale)


def _levels(graph: Graph, plan: LagFeatures, past: str) -> str:
    columns = [_lag(graph, past, lag) for lag in plan.lags]
    for window in plan.windows:
        tail = _tail(graph, past, window)
        columns += [_mean(graph, tail), _extreme(graph, "ReduceMin", tail), _extreme(graph, "ReduceMax", tail)]
    return _joined(graph, columns + [_weighted(graph, past, life) for life in plan.half_lives])


def _seasons(graph: Graph, plan: LagFeatures, past: str, steps: str) -> str:
    columns = []
    for period in plan.periods:
        values = [_same_season(graph, past, steps, period, ago) for ago in range(SEASONS)]
        columns += [*values[:2], _mean(graph, _joined(graph, values))]
    return _joined(graph, columns)


def _decomposed(graph: Graph, stl: Decomposition, past: str, steps: str, unit: UnitTensors) -> list[str]:
    """[n, 1] or [1, 1] each"""
    do, tail = Whole(graph), _tail(graph, past, stl.n_values)
    every = graph.node("MatMul", graph.constant(stl.seasonal), graph.node("Transpose", tail))
    season = graph.node("Gather", every, do("%", do("-", steps, 1), len(stl.seasonal)))
    blocks = [graph.node("Div", season, unit.scale)]
    if len(stl.trend):
        both = graph.node("MatMul", tail, graph.constant(stl.trend.T))
        trend, rise = (_slice(graph, both, column, column + 1) for column in (0, 1))
        blocks += [_from_level(graph, unit, trend), graph.node("Div", rise, unit.scale)]
    return blocks


def _same_season(graph: Graph, past: str, steps: str, period: int, ago: int) -> str:
    """[n, 1]"""
    do = Whole(graph)
    periods = do("+", do("//", do("+", steps, period - 1), period), ago)
    place = do("-", do("+", steps, _length(graph, past)), do("+", do("*", periods, period), 1))
    values = graph.node("Gather", graph.node("Squeeze", past, _ints(graph, 0)), place)
    return graph.node("Unsqueeze", values, _ints(graph, 1))


def _length(graph: Graph, past: str) -> str:
    return graph.node("Shape", past, start=1)


def _differences(graph: Graph, plan: LagFeatures, past: str) -> str:
    changes = graph.node("Sub", _slice(graph, past, plan.anchor, None), _slice(graph, past, 0, -plan.anchor))
    columns = [_lag(graph, changes, lag) for lag in plan.lags]
    columns += [_mean(graph, _tail(graph, changes, window)) for window in plan.windows]
    return _joined(graph, columns + [_weighted(graph, changes, life) for life in plan.half_lives])


def _lag(graph: Graph, past: str, lag: int) -> str:
    return graph.node("Gather", past, _ints(graph, -lag), axis=1)


def _tail(graph: Graph, past: str, length: int) -> str:
    return _slice(graph, past, -length, None)


def _slice(graph: Graph, values: str, first: int, end: int | None) -> str:
    """Columns from `first` to `end`."""
    bounds = (first, np.iinfo(np.int64).max if end is None else end, 1)
    return graph.node("Slice", values, *(_ints(graph, bound) for bound in bounds))


def _mean(graph: Graph, values: str) -> str:
    """Mean along the rows of what is there, [n, 1]."""
    return _weighted_mean(graph, values, None)


def _weighted(graph: Graph, past: str, half_life: float) -> str:
    """Changes reach less far than values: `span` is at most what there is."""
    return _weighted_mean(graph, _tail(graph, past, span(half_life)), decay(half_life, span(half_life)))


def _weighted_mean(graph: Graph, values: str, weights: np.ndarray | None) -> str:
    is_missing = graph.node("IsNaN", values)
    there = graph.node("Cast", graph.node("Not", is_missing), to=DOUBLE)
    known = graph.node("Where", is_missing, graph.constant(np.float64(0)), values)
    if weights is not None:
        there, known = (graph.node("Mul", part, graph.constant(weights)) for part in (there, known))
    total, count = (graph.node("ReduceSum", part, _ints(graph, 1), keepdims=1) for part in (known, there))
    return graph.node("Div", total, count)


def _deviation(graph: Graph, values: str) -> str:
    centred = graph.node("Sub", values, _mean(graph, values))
    return graph.node("Sqrt", _mean(graph, graph.node("Mul", centred, centred)))


def _extreme(graph: Graph, op_type: str, values: str) -> str:
    never = graph.constant(np.float64(np.inf if op_type == "ReduceMin" else -np.inf))
    known = graph.node("Where", graph.node("IsNaN", values), never, values)
    return graph.node(op_type, known, _ints(graph, 1), keepdims=1)


# What is known of the stamps to be forecast


def add_look_ahead(graph: Graph, plan: LagFeatures, tensors: SeriesTensors) -> str:
    """Features of the stamps, [horizon, n_features]."""
    horizon = graph.node("Shape", tensors.future_seconds)
    steps = add_steps(graph, horizon)
    columns = _calendar(graph, plan.calendar, tensors.future_seconds)
    columns += [graph.node("Cast", steps, to=DOUBLE)] if plan.has_steps else []
    blocks = [graph.node("Unsqueeze", column, _ints(graph, 1)) for column in columns]
    blocks += _covariates(graph, plan, tensors, steps)
    shape = graph.node("Concat", horizon, _ints(graph, 1), axis=0)
    blocks += [graph.node("Expand", tensors.statics, shape)] if plan.n_statics else []
    if plan.has_series:
        is_other = graph.node("Less", tensors.series, _ints(graph, 0))
        number = graph.node("Cast", tensors.series, to=DOUBLE)
        blocks.append(graph.node("Expand", graph.node("Where", is_other, graph.constant(np.nan), number), shape))
    return _joined(graph, blocks) if blocks else graph.node("Expand", graph.constant(np.zeros((1, 0))), shape)


def add_steps(graph: Graph, horizon: str) -> str:
    """1, 2, … up to the horizon, int64 [horizon]."""
    one = graph.constant(np.int64(1))
    return graph.node("Range", one, graph.node("Add", graph.node("Squeeze", horizon), one), one)


def _calendar(graph: Graph, calendar: Calendar, seconds: str) -> list[str]:
    """Columns [horizon] in the order of `calendar.names`."""
    local = add_local(graph, calendar.clock, seconds)
    every = calendar_parts(graph, local)
    columns = [graph.node("Cast", every[part], to=DOUBLE) for part in calendar.parts]
    if calendar.holidays is None:
        return columns
    table, do = calendar.holidays.table, Whole(graph)
    place = do("-", do("//", local, DAY), calendar.holidays.first)
    inside = graph.node("Clip", place, graph.constant(np.int64(0)), graph.constant(np.int64(len(table) - 1)))
    found = graph.node("Cast", graph.node("Gather", graph.constant(table), inside), to=DOUBLE)
    return columns + [
        graph.node("Gather", found, graph.constant(np.int64(part)), axis=1) for part in range(table.shape[1])
    ]


def _covariates(graph: Graph, plan: LagFeatures, tensors: SeriesTensors, steps: str) -> list[str]:
    """Blocks [horizon, n]; rows before the history are NaN."""
    if not plan.known and not plan.past:
        return []
    do = Whole(graph)
    pad = graph.node("Expand", graph.constant(np.nan), _pad_shape(graph, plan, tensors))
    rows = graph.node("Concat", pad, tensors.history_covariates, tensors.future_covariates, axis=0)
    n_before = do("+", graph.node("Shape", tensors.history_covariates, start=0, end=1), plan.covariate_reach - 1)
    ones = do("+", do("-", steps, steps), 1)
    origins = do("*", ones, n_before)
    targets, lags = do("+", steps, n_before), (0, *plan.covariate_lags)
    steps = steps if plan.has_steps else ones  # to a recursive model every stamp is the next one
    blocks = []
    for column in plan.known:
        values = graph.node("Gather", rows, graph.constant(np.int64(column)), axis=1)
        at_lags = _at(graph, values, targets, lags)
        blocks.append(at_lags)
        if plan.covariate_window:
            blocks.append(_mean(graph, _at(graph, values, targets, range(plan.covariate_window))))
        if plan.anchor:
            periods = do("//", do("+", steps, plan.anchor - 1), plan.anchor)
            before = do("-", targets, do("*", periods, plan.anchor))
            now = _at(graph, values, targets, (0,))
            blocks.append(graph.node("Sub", now, _at(graph, values, before, (0,))))
    for column in plan.past:
        values = graph.node("Gather", rows, graph.constant(np.int64(column)), axis=1)
        blocks.append(_at(graph, values, origins, lags))
    return blocks


def _pad_shape(graph: Graph, plan: LagFeatures, tensors: SeriesTensors) -> str:
    n_columns = graph.node("Shape", tensors.history_covariates, start=1)
    return graph.node("Concat", _ints(graph, plan.covariate_reach), n_columns, axis=0)


def _at(graph: Graph, values: str, places: str, lags: Sequence[int]) -> str:
    """Values at `places` [n] and so many rows before, [n, n_lags]."""
    back = graph.node("Sub", graph.node("Unsqueeze", places, _ints(graph, 1)), _ints(graph, *lags))
    return graph.node("Gather", values, back)


def _joined(graph: Graph, blocks: Sequence[str]) -> str:
    return blocks[0] if len(blocks) == 1 else graph.node("Concat", *blocks, axis=1)


def _most(graph: Graph, values: str, least: float) -> str:
    return graph.node("Max", values, graph.constant(np.float64(least)))


def _plus(graph: Graph, values: str, number: float) -> str:
    return graph.node("Add", values, graph.constant(np.float64(number)))


def _ints(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))
