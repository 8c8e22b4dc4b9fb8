"""Builds an ONNX graph node by node: names, constants and attributes, so that parts only say what is computed.

Here belongs what every graph needs whatever it computes. Not here: trees, featurizers, algorithms.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np

from automl_assets.errors import LearningError
from automl_assets.onnx.latency import Work, work_of

OPSET = 21  # runs in ONNX Runtime 1.18 and later, in Python and in Node
ML_OPSET = 3  # TreeEnsembleRegressor; see `trees.add_trees` for why not TreeEnsemble of 5
IR_VERSION = 10  # what belongs to opset 21
ML = "ai.onnx.ml"
RUNTIME = "com.microsoft"  # ONNX Runtime's own operators: declared only where a text needs them
EXTENSIONS = "ai.onnx.contrib"  # those of the package onnxruntime-extensions, likewise
Shape = Sequence[int | str | None]  # of a tensor; a name or None for what is known only at run time
_COUNTER = (("number", np.int64), ("goes_on", np.bool_))  # what a loop hands to its inside


class Graph:
    """A graph under construction. Tensors are known by their names.

    >>> import onnxruntime
    >>> graph = Graph()
    >>> x = graph.input("x", np.float32, [None, 2])
    >>> graph.output("y", graph.node("Mul", x, graph.constant(np.float32(2))), np.float32, [None, 2])
    >>> session = onnxruntime.InferenceSession(graph.build().SerializeToString())
    >>> session.run(None, {"x": np.float32([[1, 2]])})[0]
    array([[2., 4.]], dtype=float32)
    """

    def __init__(self, name: str = "automl_assets"):
        self.name = name
        self.properties: dict[str, str] = {}  # that say what the finished model is
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Any] = {}  # (type, shape, content) -> TensorProto
        self._included: dict[bytes, Any] = {}  # content -> TensorProto of models that became part of this one
        self._once: dict[Any, str] = {}  # what is computed but once -> the tensor
        self._numbers = count(1)  # of names; the inside of a loop goes on with those of the graph around it
        self._is_inside = False  # a loop; what is included there lies in the graph around it

    def input(self, name: str, element_type: Any, shape: Shape | None) -> str:
        """Declares an input. `element_type` is a numpy type (`str` for text) or ONNX's number for it."""
        self._inputs.append(_value_info(name, element_type, shape))
        return name

    def constant(self, array: Any) -> str:
        """A tensor of the model itself; the same content is stored once."""
        from onnx import numpy_helper

        values = np.asarray(array)
        key = (str(values.dtype), values.shape, _content(values))
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(values, self._unique("constant"))
        return self._constants[key].name

    def node(self, op_type: str, *inputs: str, domain: str = "", n_outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node and returns the name of its output, or the names when there are several.

        An attribute given as an array becomes a list of numbers, as bytes or text a string, as TensorProto a tensor.
        """
        from onnx import helper

        names = [self._unique(op_type.lower()) for _ in range(n_outputs)]
        made = helper.make_node(op_type, inputs, names, domain=domain)
        made.attribute.extend(_attribute(key, value) for key, value in attributes.items())
        self._nodes.append(made)
        return names[0] if n_outputs == 1 else tuple(names)

    def once(self, key: Any, add: Callable[[], str]) -> str:
        """The tensor of what `add` adds, which is added when `key` is first asked for: many models may need the same."""
        if key not in self._once:
            self._once[key] = add()
        return self._once[key]

    def include(self, model: Any, inputs: dict[str, str]) -> tuple[str, ...]:
        """Makes a whole onnx.ModelProto part of this graph; `inputs` are the tensors it takes. Returns its outputs. Tensors
        of the same content are stored once, in whatever loops: encoders have hundreds of megabytes."""
        names = {"": ""} | inputs
        for tensor in model.graph.initializer:
            key = _tensor_digest(tensor)
            if key not in self._included:
                self._included[key] = _renamed(tensor, self._unique("included"))
            names[tensor.name] = self._included[key].name
        for node in model.graph.node:
            names |= {name: self._unique(node.op_type.lower()) for name in node.output if name}
            self._nodes.append(_rewired(node, names))
        return tuple(names[output.name] for output in model.graph.output)

    def rows(self, x: str, values: np.ndarray) -> str:
        """The same `values` [n_scores] for every row of `x`: [n_rows, n_scores]."""
        n_rows = self.node("Shape", x, start=0, end=1)
        shape = self.node("Concat", n_rows, self.constant(np.array([len(values)], np.int64)), axis=0)
        return self.node("Expand", self.constant(values), shape)

    def loop(self, n_times: str, carried: Sequence[str], step: Callable[..., Sequence[str]]) -> tuple[str, ...]:
        """Repeats a step: what is carried at the end, then what each time was collected, stacked along a new first axis.

        `step(inner, number, *carried)` adds nodes to the graph `inner`, where every tensor of this one is known too, and
        returns what is carried on and, after that, what is to be collected. All of it is float64; `number` is int64 [].
        """
        inner = self._inner()
        number, goes_on = (inner.input(self._unique(name), kind, []) for name, kind in _COUNTER)
        states = [inner.input(self._unique("carried"), np.float64, None) for _ in carried]
        results = list(step(inner, number, *states))
        inner.output(self._unique("next"), goes_on, np.bool_, [])
        for tensor in results:
            inner.output(self._unique("next"), tensor, np.float64, None)
        found = self.node("Loop", n_times, "", *carried, n_outputs=len(results), body=inner._proto())
        return (found,) if len(results) == 1 else found

    def loop_rows(self, n_times: str, step: Callable[..., str]) -> str:
        """Repeats a step once at least, and puts what it gives, float [n_rows, n], one below the other: each time may give
        another number of rows. `step(inner, number)` is as in `loop`."""
        from onnx import helper

        inner = self._inner()
        number, goes_on = (inner.input(self._unique(name), kind, []) for name, kind in _COUNTER)
        before, after = self._unique("carried"), self._unique("next")
        inner._inputs.append(helper.make_tensor_sequence_value_info(before, FLOAT, None))
        rows = step(inner, number)
        inner.output(self._unique("next"), goes_on, np.bool_, [])
        inner._nodes.append(helper.make_node("SequenceInsert", [before, rows], [after]))
        inner._outputs.append(helper.make_tensor_sequence_value_info(after, FLOAT, None))
        found = self.node("Loop", n_times, "", self.node("SequenceEmpty", dtype=FLOAT), body=inner._proto())
        return self.node("ConcatFromSequence", found, axis=0)

    def _inner(self) -> "Graph":
        """The body of a loop, in which every tensor of this graph is known."""
        inner = Graph(self.name)
        inner._numbers, inner._included, inner._is_inside = self._numbers, self._included, True
        return inner

    def output(self, name: str, tensor: str, element_type: Any, shape: Shape | None) -> None:
        """Declares that `tensor` is an output of the model, under `name`."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(_value_info(name, element_type, shape))

    @property
    def n_nodes(self) -> int:
        return len(self._nodes)

    def work(self, first: int = 0) -> Work:
        """What one row costs in the nodes from number `first` on, and in the inputs when that is all."""
        sizes = {tensor.name: tuple(tensor.dims) for tensor in (*self._constants.values(), *self._included.values())}
        return work_of(self._nodes[first:], sizes, 0 if first else len(self._inputs))

    def build(self, properties: dict[str, str] | None = None) -> Any:
        """The finished onnx.ModelProto, with `properties` that say what it is.

        Raises onnx.checker.ValidationError for a graph that is none.
        """
        from onnx import checker, helper

        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        used = _domains(self._nodes)
        opsets += [helper.make_opsetid(domain, 1) for domain in (RUNTIME, EXTENSIONS) if domain in used]
        model = helper.make_model(
            self._proto(), opset_imports=opsets, producer_name="automl_assets", ir_version=IR_VERSION
        )
        helper.set_model_props(model, self.properties | (properties or {}))
        checker.check_model(model)
        return model

    def _proto(self) -> Any:
        """All that was added, as onnx.GraphProto."""
        from onnx import helper

        constants = [*self._constants.values(), *([] if self._is_inside else self._included.values())]
        return helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, constants)

    def _unique(self, stem: str) -> str:
        """A name that no raw column is likely to have: the graph's own begin with a slash."""
        return f"/{stem}_{next(self._numbers)}"


def _tensor_digest(tensor: Any) -> bytes:
    """Of the type, shape and content of a tensor, whatever it is called."""
    return hashlib.sha256(_renamed(tensor, "").SerializeToString(deterministic=True)).digest()


def _renamed(tensor: Any, name: str) -> Any:
    """A tensor of another model under a name of this one."""
    from onnx import TensorProto

    copy = TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _rewired(node: Any, names: dict[str, str]) -> Any:
    """A node of another model between tensors of this one. Raises LearningError for one with a graph inside."""
    from onnx import NodeProto

    if any(attribute.HasField("g") for attribute in node.attribute):
        raise LearningError(
            f"a model with a branch or loop inside ({node.op_type}) cannot become part of an ONNX graph"
        )
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = ""
    copy.ClearField("input")
    copy.ClearField("output")
    copy.input.extend(names[name] for name in node.input)
    copy.output.extend(names[name] for name in node.output)
    return copy


def _domains(nodes: Iterable[Any]) -> set[str]:
    """Of all operators, those inside loops as well."""
    found = set()
    for node in nodes:
        inside = (attribute.g.node for attribute in node.attribute if attribute.HasField("g"))
        found |= {node.domain}.union(*(_domains(nodes) for nodes in inside))
    return found


def _content(values: np.ndarray) -> bytes:
    return repr(values.tolist()).encode() if values.dtype == object else values.tobytes()


def _value_info(name: str, element_type: Any, shape: Shape | None) -> Any:
    from onnx import TensorProto, helper

    if element_type is str:
        element_type = TensorProto.STRING
    elif not isinstance(element_type, int):
        element_type = helper.np_dtype_to_tensor_dtype(np.dtype(element_type))
    return helper.make_tensor_value_info(name, element_type, shape)


def _attribute(name: str, value: Any) -> Any:
    """onnx.helper looks at every element of a list, which takes seconds for a million nodes of trees."""
    from onnx import AttributeProto, helper

    if not isinstance(value, np.ndarray):
        return helper.make_attribute(name, value)
    if np.issubdtype(value.dtype, np.integer):
        return AttributeProto(name=name, type=AttributeProto.INTS, ints=value.tolist())
    return AttributeProto(name=name, type=AttributeProto.FLOATS, floats=value.tolist())


FLOAT, STRING, DOUBLE, INT64, BOOL = 1, 8, 11, 7, 9  # onnx.TensorProto element types
