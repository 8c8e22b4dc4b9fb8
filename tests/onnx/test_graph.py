"""The ONNX builder: names, constants, attributes, and what it refuses."""

import numpy as np
import onnx
import onnxruntime
import pytest

from automl_assets.onnx.graph import IR_VERSION, ML_OPSET, OPSET, Graph


def _run(graph: Graph, **inputs: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, inputs)


def test_equal_constants_are_stored_once():
    graph = Graph()
    first, second = graph.constant(np.array([1.0, 2.0])), graph.constant(np.array([1.0, 2.0]))
    assert first == second


@pytest.mark.parametrize(
    "other",
    [np.array([0, 1], np.int32), np.array([[0, 1]]), np.array([0.0, 5e-324])],
    ids=["type", "shape", "same_bytes"],
)
def test_constants_of_other_type_or_shape_are_kept_apart(other):
    graph = Graph()
    assert graph.constant(np.array([0, 1])) != graph.constant(other)


def test_constants_can_be_text():
    graph = Graph()
    x = graph.input("x", str, [None, 1])
    graph.output("y", graph.node("Equal", x, graph.constant(np.array(["é"], object))), bool, [None, 1])
    assert _run(graph, x=np.array([["é"], ["e"]], object))[0].tolist() == [[True], [False]]


def test_node_with_several_outputs():
    graph = Graph()
    x = graph.input("x", np.float32, [None, 3])
    largest, where = graph.node("TopK", x, graph.constant(np.array([1])), n_outputs=2, axis=1)
    graph.output("largest", largest, np.float32, [None, 1])
    graph.output("where", where, np.int64, [None, 1])
    assert [y.item() for y in _run(graph, x=np.float32([[1, 5, 2]]))] == [5, 1]


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_rows_repeats_values_even_for_missing_inputs(n_rows):
    graph = Graph()
    x = graph.input("x", np.float32, [None, 2])
    graph.output("y", graph.rows(x, np.float32([1, 2, 3])), np.float32, [None, 3])
    (y,) = _run(graph, x=np.full((n_rows, 2), np.nan, np.float32))
    np.testing.assert_array_equal(y, np.tile(np.float32([1, 2, 3]), (n_rows, 1)))


def test_states_the_versions_that_every_runtime_knows():
    graph = Graph()
    graph.output("y", graph.node("Neg", graph.input("x", np.float32, [None])), np.float32, [None])
    model = graph.build()
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": OPSET, "ai.onnx.ml": ML_OPSET}
    assert (model.ir_version, model.producer_name) == (IR_VERSION, "automl_assets")


def test_a_graph_that_is_none_is_refused():
    graph = Graph()
    graph.output("y", graph.node("Neg", "nobody"), np.float32, [None])
    with pytest.raises(onnx.checker.ValidationError, match="nobody"):
        graph.build()


@pytest.mark.parametrize(("n_times", "last", "seen"), [(3, 8.0, [1.0, 2.0, 4.0]), (0, 1.0, [])])
def test_loop_carries_on_and_collects(n_times, last, seen):
    """Also when there is nothing to repeat; a tensor of the graph around is known inside."""
    graph = Graph()
    times, factor = graph.input("times", np.int64, []), graph.input("factor", np.float64, [])

    def step(inner, number, state):
        return inner.node("Mul", state, factor), state

    end, found = graph.loop(times, [graph.constant(np.float64(1))], step)
    graph.output("end", end, np.float64, [])
    graph.output("found", found, np.float64, [None])
    answers = _run(graph, times=np.array(n_times), factor=np.array(2.0))
    assert (answers[0].item(), answers[1].tolist()) == (last, seen)


def test_a_model_that_is_included_several_times_is_stored_once() -> None:
    """Whether in the graph itself or in its loops."""
    own, matrix = Graph(), np.arange(250_000.0).reshape(500, 500) / 250_000
    rows = own.input("rows", np.float64, [None, 500])
    own.output("found", own.node("MatMul", rows, own.constant(matrix)), np.float64, [None, 500])
    model, graph = own.build(), Graph()
    x, once = graph.input("x", np.float64, [None, 500]), graph.constant(np.int64(1))
    (outside,) = graph.include(model, {"rows": x})
    (inside,) = graph.loop(once, [], lambda inner, number: inner.include(model, {"rows": x}))
    other = graph.loop(once, [], lambda inner, number: inner.include(model, {"rows": outside}))[0]
    graph.output("outside", outside, np.float64, [None, 500])
    for name, tensor in {"inside": inside, "other": other}.items():
        graph.output(name, tensor, np.float64, [None, None, 500])
    assert len(graph.build().SerializeToString()) < 1.1 * 250_000 * 8
    values = np.ones((2, 500))
    found = _run(graph, x=values)
    np.testing.assert_allclose(found[0], values @ matrix)
    np.testing.assert_allclose(found[1][0], values @ matrix)
    np.testing.assert_allclose(found[2][0], values @ matrix @ matrix)
