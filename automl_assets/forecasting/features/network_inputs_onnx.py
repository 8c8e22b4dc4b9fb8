"""What a net that forecasts looks at, as ONNX nodes for one series: the same steps as `network_inputs`, in double."""

import numpy as np

from automl_assets.forecasting.features.network_inputs import FARTHEST, LEAST_SPREAD, NetworkInputs
from automl_assets.forecasting.features.regressors import add_design, add_moments
from automl_assets.forecasting.forecaster import SeriesTensors
from automl_assets.onnx.graph import Graph


def add_window(sight: NetworkInputs, graph: Graph, tensors: SeriesTensors) -> tuple[str, str, str, str]:
    """The same steps as `windows`: past [field, n_past], ahead [n_ahead_rows, n_ahead], centre and spread [1]."""
    y, horizon = tensors.y, graph.node("Shape", tensors.future_seconds)
    if sight.least is not None:
        y = graph.node("Log", graph.node("Max", y, graph.constant(sight.least)))
    rows = _add_last(graph, y, sight.context)
    is_row = _add_last(graph, graph.node("Expand", graph.constant(1.0), graph.node("Shape", y)), sight.context)
    recent, is_recent = (add_from(graph, tensor, -sight.field) for tensor in (rows, is_row))
    centre, distance = _add_middle(graph, recent, is_recent)
    _, whole = _add_middle(graph, y, graph.node("Expand", graph.constant(1.0), graph.node("Shape", y)))
    widest = graph.node("Max", distance, graph.node("Mul", whole, graph.constant(LEAST_SPREAD)))
    is_wide = graph.node("Greater", widest, graph.constant(0.0))
    spread = graph.node("Where", is_wide, widest, graph.constant(1.0))
    scaled = graph.node("Div", graph.node("Sub", rows, centre), spread)
    limited = graph.node("Clip", scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST))
    seen = graph.node("Mul", limited, is_row)
    designs = [
        _add_last(graph, tensor, sight.field) for tensor in add_design(graph, sight.past, tensors.history_covariates)
    ]
    columns = [_column(graph, add_from(graph, seen, -sight.field)), _column(graph, is_recent), *designs]
    past = to_float(graph, graph.node("Concat", *columns, axis=1))
    ahead = [add_until(graph, graph.node("Gather", seen, graph.constant(sight.lags)), horizon)]
    ahead += _add_ahead(sight, graph, tensors, horizon)
    return past, to_float(graph, graph.node("Concat", *ahead, axis=1)), centre, spread


def _add_ahead(sight: NetworkInputs, graph: Graph, tensors: SeriesTensors, horizon: str) -> list[str]:
    """Known covariates and moments of the steps ahead, and those covariates in the last seasons."""
    known = add_design(graph, sight.known, tensors.future_covariates)
    moments = add_moments(graph, sight.moments, tensors.future_seconds)
    then = []
    for tensor in add_design(graph, sight.known, tensors.history_covariates):
        rows = graph.node("Gather", _add_last(graph, tensor, sight.context), graph.constant(sight.lags))
        shape = graph.constant(np.array([sight.horizon, sight.lags.shape[1] * len(sight.known.names)]))
        then.append(add_until(graph, graph.node("Reshape", rows, shape), horizon))
    return [*known, *moments, *then]


def _add_middle(graph: Graph, values: str, is_row: str) -> tuple[str, str]:
    """Mean, and mean distance from it, of the rows that there are, [1] each."""
    count = graph.node("Max", graph.node("ReduceSum", is_row, keepdims=1), graph.constant(1.0))
    total = graph.node("ReduceSum", graph.node("Mul", values, is_row), keepdims=1)
    centre = graph.node("Div", total, count)
    away = graph.node("Mul", graph.node("Abs", graph.node("Sub", values, centre)), is_row)
    return centre, graph.node("Div", graph.node("ReduceSum", away, keepdims=1), count)


def _add_last(graph: Graph, rows: str, n_rows: int) -> str:
    """The last rows, behind zeros where there are not so many."""
    zero = graph.constant(np.array([0]))
    shape = graph.node("Concat", graph.constant(np.array([n_rows])), graph.node("Shape", rows, start=1), axis=0)
    empty = graph.node("Expand", graph.constant(0.0), shape)
    whole = graph.node("Concat", empty, rows, axis=0)
    return graph.node("Slice", whole, graph.constant(np.array([-n_rows])), graph.constant(np.array([2**62])), zero)


def add_from(graph: Graph, rows: str, first: int, axis: int = 0) -> str:
    bounds = graph.constant(np.array([first])), graph.constant(np.array([2**62]))
    return graph.node("Slice", rows, *bounds, graph.constant(np.array([axis])))


def add_until(graph: Graph, rows: str, horizon: str) -> str:
    zero = graph.constant(np.array([0]))
    return graph.node("Slice", rows, zero, horizon, zero)


def _column(graph: Graph, values: str) -> str:
    return graph.node("Unsqueeze", values, graph.constant(np.array([1])))


def to_float(graph: Graph, tensor: str) -> str:
    from onnx import TensorProto

    return graph.node("Cast", tensor, to=TensorProto.FLOAT)


def to_double(graph: Graph, tensor: str) -> str:
    from onnx import TensorProto

    return graph.node("Cast", tensor, to=TensorProto.DOUBLE)
