"""export: featurizer and whole ensemble as one ONNX graph over raw columns, with the proof that it answers alike."""

import time
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from automl_assets.featurizer import seconds_since_1970
from automl_assets.featurizer_graph import FLOAT, add_codes, add_dense, input_types
from automl_assets.onnx_graph import Graph
from automl_assets.preparation import add_raw
from automl_assets.records import Ensemble, Member, OnnxModel, Problem
from automl_assets.steps.answer_graph import add_answers, linked
from automl_assets.steps.blend import PROBABILITY_FLOOR, algorithm_of
from automl_assets.steps.predict import answer

N_CHECKED = 1_000  # rows on which ONNX and Python are compared
N_TIMED = 200  # single rows that are timed


def export(ensemble: Ensemble, table: pl.DataFrame) -> OnnxModel:
    """The model file, compared with Python on rows of `table` and timed on single rows."""
    content = onnx_bytes(ensemble)
    rows = table.head(N_CHECKED)
    session = open_session(content)
    feeds = onnx_feeds(ensemble, rows)
    found, expected = onnx_answer(session, feeds), answer(ensemble, rows)
    low, high = ensemble.problem.target_range
    scale = 1.0 if ensemble.problem.classes else max(high - low, 1e-12)
    return OnnxModel(
        onnx=content,
        inputs=input_types(ensemble.featurizer),
        n_checked=rows.height,
        max_difference=float(np.abs(found - expected).max() / scale),
        latency_milliseconds=_latency(session, feeds),
        example=_example(rows.select(*feeds)),
    )


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """The whole pipeline as a serialised ONNX model.

    Outputs: for a classification `label` [n_rows], `probabilities` and per level of coverage `prediction_set_95`
    [n_rows, n_classes]; otherwise `prediction` and per level `prediction_95_low` and `prediction_95_high` [n_rows, 1].
    With a `_` behind where a raw column has that name.
    """
    graph = Graph()
    return _answering(graph, add_codes(graph, ensemble.featurizer), ensemble)


def engineered_onnx_bytes(ensemble: Ensemble) -> bytes:
    """The same without the featurizer: one input [n_rows, 1] per column of `codes`, named "0", "1", "2"…"""
    graph = Graph()
    inputs = [graph.input(str(i), FLOAT, [None, 1]) for i in range(len(ensemble.featurizer.columns))]
    return _answering(graph, graph.node("Concat", *inputs, axis=1), ensemble)


def _answering(graph: Graph, codes: str, ensemble: Ensemble) -> bytes:
    views = {"codes": codes}
    if any(algorithm_of(member, ensemble.problem).view == "dense" for member in ensemble.members):
        views["dense"] = add_dense(graph, ensemble.featurizer, codes)
    parts = [_member(graph, member, views, ensemble.problem) for member in ensemble.members]
    add_answers(graph, _combined(graph, parts, ensemble), ensemble)
    return graph.build().SerializeToString()


def _member(graph: Graph, member: Member, views: dict[str, str], problem: Problem) -> str:
    """A member's answer: mean raw score of its models, then its link."""
    algorithm = algorithm_of(member, problem)
    raw = add_raw(algorithm, member.fitted.models, graph, views[algorithm.view])
    if not problem.classes or algorithm.link != "logit":
        return raw
    return linked(graph, raw, problem)


def _combined(graph: Graph, parts: list[str], ensemble: Ensemble) -> str:
    if ensemble.stack is not None:
        return _stacked(graph, parts, ensemble)
    if len(parts) == 1:
        return parts[0]
    weighted = [
        graph.node("Mul", part, graph.constant(np.array(member.weight, np.float32)))
        for part, member in zip(parts, ensemble.members, strict=True)
    ]
    return graph.node("Sum", *weighted)


def _stacked(graph: Graph, parts: list[str], ensemble: Ensemble) -> str:
    problem, stack = ensemble.problem, ensemble.stack
    inputs = [_stack_input(graph, part, problem) for part in parts]
    joined = inputs[0] if len(inputs) == 1 else graph.node("Concat", *inputs, axis=1)
    coefficients, intercept = (graph.constant(a.astype(np.float32)) for a in (stack.coefficients, stack.intercept))
    raw = graph.node("Gemm", joined, coefficients, intercept)
    return linked(graph, raw, problem) if problem.classes else raw


def _stack_input(graph: Graph, part: str, problem: Problem) -> str:
    if not problem.classes:
        return part
    floor, one = (graph.constant(np.array(value, np.float32)) for value in (PROBABILITY_FLOOR, 1.0))
    log = graph.node("Log", graph.node("Clip", part, floor, one))
    if problem.n_classes > 2:
        return log
    negative, positive = (graph.node("Gather", log, graph.constant(np.array([c], np.int64)), axis=1) for c in (0, 1))
    return graph.node("Sub", positive, negative)


def open_session(content: bytes) -> Any:
    """An ONNX Runtime session that answers one row fast: one thread, no waiting for others."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def onnx_feeds(ensemble: Ensemble, table: pl.DataFrame) -> dict[str, np.ndarray]:
    """Raw columns as the ONNX model takes them, each [n_rows, 1]."""
    return {name: feed(table[name], kind) for name, kind in input_types(ensemble.featurizer).items()}


def feed(column: pl.Series, kind: str) -> np.ndarray:
    """One raw column as a tensor [n_rows, 1] of the element type `kind`; missing values are NaN or ""."""
    if kind == "string":
        values = column.cast(pl.String).fill_null("").to_numpy().astype(object)
    elif kind == "double":
        values = seconds_since_1970(column)
    else:
        with np.errstate(over="ignore"):
            values = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().astype(np.float32)
    return values.reshape(-1, 1)


def onnx_answer(session: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
    names = [output.name for output in session.get_outputs()]
    return session.run([names[1] if names[0].startswith("label") else names[0]], feeds)[0].astype(np.float64)


def _example(rows: pl.DataFrame) -> dict[str, Any]:
    """The row with the fewest gaps, as JSON takes it."""
    fullest = int(rows.select(pl.sum_horizontal(pl.all().is_null())).to_series().arg_min() or 0)
    row = rows.row(fullest, named=True)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def _latency(session: Any, feeds: dict[str, np.ndarray]) -> float:
    """Median milliseconds of one row, the first ten not counted."""
    n_rows = len(next(iter(feeds.values())))
    singles = [{name: values[i : i + 1] for name, values in feeds.items()} for i in range(min(N_TIMED, n_rows))]
    seconds = []
    for single in [*singles[:10], *singles]:
        started = time.perf_counter()
        session.run(None, single)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[10:]) * 1000)
