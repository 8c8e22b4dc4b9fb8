"""Numpy code that can also be written down: given `Symbol`s instead of arrays, it adds ONNX nodes instead of computing.

A recursion is so said once, and Python and ONNX cannot come apart. Here belong numpy's functions and what they are in
ONNX. Not here: recursions, forecasters.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from automl_assets.onnx.graph import Graph

UFUNCS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "matmul": "MatMul",
    "power": "Pow",
    "negative": "Neg",
    "absolute": "Abs",
    "exp": "Exp",
    "log": "Log",
    "minimum": "Min",
    "maximum": "Max",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "logical_and": "And",
}


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """A float64 tensor of a graph, [n_rows, n_columns], that numpy takes for an array (NEP 13 and 18).

    >>> import onnxruntime
    >>> def halves(x):
    ...     return np.concatenate([x[:, 1:] / 2, np.where(x[:, :1] > 3, 0.0, 1.0)], axis=1)
    >>> halves(np.array([[4.0, 6.0]]))
    array([[3., 0.]])
    >>> graph = Graph()
    >>> y = halves(Symbol(graph, graph.input("x", np.float64, [1, 2])))
    >>> graph.output("y", y.name, np.float64, [1, 2])
    >>> onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, {"x": np.array([[4.0, 6.0]])})[0]
    array([[3., 0.]])
    """

    def __init__(self, graph: Graph, name: str):
        self.graph = graph
        self.name = name

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        if method != "__call__" or settings or ufunc.__name__ not in UFUNCS:
            return NotImplemented
        return self._node(UFUNCS[ufunc.__name__], *inputs)

    def __array_function__(self, function: Callable[..., Any], types: Any, inputs: Any, settings: Any) -> Any:
        return FUNCTIONS[function](*inputs, **settings) if function in FUNCTIONS else NotImplemented

    def __getitem__(self, place: tuple[slice, slice]) -> "Symbol":
        """Columns `[:, first:end]`."""
        _, columns = place
        first = columns.start or 0
        end = np.iinfo(np.int64).max if columns.stop is None else columns.stop
        bounds = [self.graph.constant(np.array([number], np.int64)) for number in (first, end, 1)]
        return Symbol(self.graph, self.graph.node("Slice", self.name, *bounds))

    def _node(self, op_type: str, *inputs: Any, **attributes: Any) -> "Symbol":
        return Symbol(self.graph, self.graph.node(op_type, *map(self._named, inputs), **attributes))

    def _named(self, value: Any) -> str:
        """The tensor of a symbol, or of a constant."""
        return value.name if isinstance(value, Symbol) else self.graph.constant(np.asarray(value, np.float64))


def _where(condition: Symbol, yes: Any, no: Any) -> Symbol:
    return condition._node("Where", condition, yes, no)


def _concatenate(parts: Sequence[Symbol], axis: int = 0) -> Symbol:
    return parts[0]._node("Concat", *parts, axis=axis)


def _sum(values: Symbol, axis: int, keepdims: bool) -> Symbol:
    axes = values.graph.constant(np.array([axis], np.int64))
    return Symbol(values.graph, values.graph.node("ReduceSum", values.name, axes, keepdims=int(keepdims)))


FUNCTIONS: dict[Any, Callable[..., Symbol]] = {np.where: _where, np.concatenate: _concatenate, np.sum: _sum}
