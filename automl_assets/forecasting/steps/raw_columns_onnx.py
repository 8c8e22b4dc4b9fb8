"""ONNX nodes from the raw columns of one series to what forecasters take: numbers, no gap, history apart from future.

Here belong inputs and their names. Not here: forecasting, and how members answer together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.forecasting.forecaster import SeriesTensors
from automl_assets.forecasting.records import Covariate, ForecastProblem, free_name
from automl_assets.onnx.graph import Graph

DOUBLE, INT64 = 11, 7  # onnx.TensorProto element types
NAN = float("nan")
NEVER = np.iinfo(np.int64).max
SERIES, TIME = "series", "time"  # inputs that are no raw columns


@dataclass(frozen=True)
class RawSeries:
    """Tensors of one series: what forecasters take, and whether any learnt from it."""

    tensors: SeriesTensors
    is_known: str  # bool [1]


def input_types(problem: ForecastProblem) -> dict[str, str]:
    """Input -> element type that the ONNX model takes. A column of the name `series` or `time` keeps it, and the input
    of that meaning has a `_` behind."""
    columns = {problem.target: "double"}
    columns |= {one.name: "string" if one.categories else "float" for one in (*problem.covariates, *problem.statics)}
    return {free_name(SERIES, columns): "string", free_name(TIME, columns): "int64", **columns}


def seconds(stamps: np.ndarray) -> np.ndarray:
    """Stamps as int64 seconds since 1970."""
    return stamps.astype("datetime64[s]").astype(np.int64)


def add_series(graph: Graph, names: Sequence[str], ends: np.ndarray, problem: ForecastProblem) -> RawSeries:
    """Declares the inputs. `ends` are the last seconds learnt from, int64 [n_series]; rows after them are new.

    The history begins with its first known value, and gaps repeat the value before.
    """
    series, time = _declared(graph, problem)
    number = graph.node(
        "LabelEncoder",
        series,
        domain="ai.onnx.ml",
        keys_strings=[*names],
        values_int64s=np.arange(len(names)),
        default_int64=-1,
    )
    n_history, n_all = graph.node("Shape", problem.target), graph.node("Shape", time)
    first, y = _without_gaps(graph, problem.target, n_history)
    history_seconds = graph.node("Slice", time, first, n_history)
    covariates = _columns(graph, problem.covariates, n_all)
    tensors = SeriesTensors(
        series=number,
        y=y,
        n_new=_n_new(graph, number, history_seconds, ends),
        history_seconds=history_seconds,
        future_seconds=graph.node("Slice", time, n_history, n_all),
        history_covariates=graph.node("Slice", covariates, first, n_history),
        future_covariates=_known(graph, problem.covariates, graph.node("Slice", covariates, n_history, n_all)),
        statics=_columns(graph, problem.statics, _ints(graph, 1)),
    )
    return RawSeries(tensors, graph.node("GreaterOrEqual", number, _ints(graph, 0)))


def _declared(graph: Graph, problem: ForecastProblem) -> Iterator[str]:
    """Declares all inputs, and tells the names of `series` and `time`."""
    types = input_types(problem)
    lengths = {name: ["n_rows"] for name in types} | {one.name: [1] for one in problem.statics}
    series, time = list(types)[:2]
    lengths |= {series: [1], problem.target: ["n_history"]}
    elements = {"string": str, "int64": np.int64, "double": np.float64, "float": np.float32}
    for name, kind in types.items():
        graph.input(name, elements[kind], lengths[name])
    return iter((series, time))


def _without_gaps(graph: Graph, raw: str, n_history: str) -> tuple[str, str]:
    """Number of the first known value [1], and the values from there on; a series without any is one zero."""
    is_value = graph.node("Not", graph.node("IsNaN", raw))
    n_before = graph.node("CumSum", graph.node("Cast", is_value, to=INT64), graph.constant(np.int64(0)))
    is_lead = graph.node("Cast", graph.node("Equal", n_before, _ints(graph, 0)), to=INT64)
    last = graph.node("Sub", n_history, _ints(graph, 1))
    first = graph.node("Min", graph.node("ReduceSum", is_lead, _ints(graph, 0)), last)
    values = graph.node("Concat", graph.node("Compress", raw, is_value, axis=0), graph.constant(np.zeros(1)), axis=0)
    place = graph.node("Max", graph.node("Sub", n_before, _ints(graph, 1)), _ints(graph, 0))
    return first, graph.node("Gather", values, graph.node("Slice", place, first, n_history))


def _n_new(graph: Graph, number: str, seconds: str, ends: np.ndarray) -> str:
    """Rows after the end of what was learnt from, int64 [1]. An unknown series, number -1, has none."""
    end = graph.node("Gather", graph.constant(np.append(ends, NEVER)), number)
    is_new = graph.node("Cast", graph.node("Greater", seconds, end), to=INT64)
    return graph.node("ReduceSum", is_new, _ints(graph, 0))


def _columns(graph: Graph, columns: Sequence[Covariate], n_rows: str) -> str:
    """Raw columns as numbers side by side, float64 [n_rows, n_columns]."""
    if not columns:
        shape = graph.node("Concat", n_rows, _ints(graph, 0), axis=0)
        return graph.node("Expand", graph.constant(np.zeros((1, 0))), shape)
    numbers = [graph.node("Unsqueeze", _numbers(graph, one), _ints(graph, 1)) for one in columns]
    return graph.node("Concat", *numbers, axis=1)


def _known(graph: Graph, columns: Sequence[Covariate], ahead: str) -> str:
    """Covariates of the stamps to be forecast: of past ones nothing is known, whatever was sent."""
    is_past = np.array([one.role == "past" for one in columns], bool)
    return graph.node("Where", graph.constant(is_past), graph.constant(np.array(NAN)), ahead) if any(is_past) else ahead


def _numbers(graph: Graph, column: Covariate) -> str:
    """A raw column as float64 [n_rows]."""
    if column.categories:
        codes = np.arange(len(column.categories), dtype=np.float32)
        return graph.node("Cast", _looked_up(graph, column, codes), to=DOUBLE)
    is_missing = graph.node("IsNaN", column.name)
    filled = graph.node("Where", is_missing, graph.constant(np.float32(column.fill)), column.name)
    return graph.node("Cast", filled, to=DOUBLE)


def _looked_up(graph: Graph, column: Covariate, codes: np.ndarray) -> str:
    return graph.node(
        "LabelEncoder",
        column.name,
        domain="ai.onnx.ml",
        keys_strings=[*column.categories],
        values_floats=codes,
        default_float=float(column.fill),
    )


def _ints(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))
