"""export: featurizer and whole ensemble as one ONNX graph over raw columns, with the proof that it answers alike."""

import time
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.featurizer import as_numbers, seconds_since_1970
from automl_assets.featurizer_graph import FLOAT, add_codes, add_dense, input_types
from automl_assets.onnx_graph import Graph
from automl_assets.preparation import add_raw
from automl_assets.records import Ensemble, Member, OnnxModel, Problem, RawInput
from automl_assets.steps.answer_graph import add_answers, linked
from automl_assets.steps.blend import PROBABILITY_FLOOR, algorithm_of
from automl_assets.steps.predict import answer

N_CHECKED = 1_000  # rows on which ONNX and Python are compared
N_TIMED = 200  # single rows that are timed


def export(ensemble: Ensemble, table: pl.DataFrame, learnt: pl.DataFrame | None = None) -> OnnxModel:
    """The model file, compared with Python on rows of `table` and timed on single rows. `learnt`, by default the same
    rows, says which columns have gaps."""
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
        raw=raw_inputs(ensemble, table if learnt is None else learnt),
    )


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """The whole pipeline as a serialised ONNX model.

    Outputs: for a classification `label` [n_rows], `probabilities` and per level of coverage `prediction_set_95`
    [n_rows, n_classes]; otherwise `prediction` and per level `prediction_95_low` and `prediction_95_high` [n_rows, 1].
    With a `_` behind where a raw column has that name.
    """
    return graph_of(ensemble).build().SerializeToString()


def graph_of(ensemble: Ensemble) -> Graph:
    """The whole pipeline as a graph that can still be looked at."""
    graph = Graph()
    _add_pipeline(graph, add_codes(graph, ensemble.featurizer), ensemble)
    return graph


def engineered_onnx_bytes(ensemble: Ensemble) -> bytes:
    """The same without the featurizer: one input [n_rows, 1] per column of `codes`, named "0", "1", "2"…"""
    graph = Graph()
    inputs = [graph.input(str(i), FLOAT, [None, 1]) for i in range(len(ensemble.featurizer.columns))]
    _add_pipeline(graph, graph.node("Concat", *inputs, axis=1), ensemble)
    return graph.build().SerializeToString()


def _add_pipeline(graph: Graph, codes: str, ensemble: Ensemble) -> None:
    """From `codes` to the declared outputs."""
    views = {"codes": codes}
    if any(algorithm_of(member, ensemble.problem).view == "dense" for member in ensemble.members):
        views["dense"] = add_dense(graph, ensemble.featurizer, codes)
    raws = [add_member(graph, member, views, ensemble.problem) for member in ensemble.members]
    add_answers(graph, _combined(graph, raws, ensemble), ensemble)


def add_member(graph: Graph, member: Member, views: dict[str, str], problem: Problem) -> str:
    """The mean raw score of a member's models."""
    algorithm = algorithm_of(member, problem)
    return add_raw(algorithm, member.fitted.models, graph, views[algorithm.view])


def _combined(graph: Graph, raws: list[str], ensemble: Ensemble) -> str:
    problem = ensemble.problem
    if ensemble.stack is None and len(raws) > 1:
        return _voted(graph, raws, ensemble)
    answers = [
        linked(graph, raw, problem) if _is_logit(member, problem) else raw
        for raw, member in zip(raws, ensemble.members, strict=True)
    ]
    return answers[0] if ensemble.stack is None else _stacked(graph, answers, ensemble)


def _is_logit(member: Member, problem: Problem) -> bool:
    return bool(problem.classes) and algorithm_of(member, problem).link == "logit"


def _voted(graph: Graph, raws: list[str], ensemble: Ensemble) -> str:
    """All answers side by side, times their weights: calling a node takes longer than what it computes for one row."""
    problem, votes = ensemble.problem, list(zip(raws, ensemble.members, strict=True))
    is_odds = [problem.n_classes == 2 and _is_logit(member, problem) for _, member in votes]
    odds = [vote for vote, one in zip(votes, is_odds, strict=True) if one]
    blocks, weights = [], []
    if odds:
        joined = _side_by_side(graph, [raw for raw, _ in odds])
        blocks.append(graph.node("Sigmoid", graph.node("Concat", graph.node("Neg", joined), joined, axis=1)))
        weights.append(np.kron(np.eye(2), [[member.weight] for _, member in odds]))
    for (raw, member), one in zip(votes, is_odds, strict=True):
        if not one:
            blocks.append(graph.node("Softmax", raw, axis=1) if _is_logit(member, problem) else raw)
            weights.append(member.weight * np.eye(problem.n_outputs))
    shares = graph.constant(np.vstack(weights).astype(np.float32))
    return graph.node("MatMul", _side_by_side(graph, blocks), shares)


def _side_by_side(graph: Graph, tensors: list[str]) -> str:
    return tensors[0] if len(tensors) == 1 else graph.node("Concat", *tensors, axis=1)


def _stacked(graph: Graph, parts: list[str], ensemble: Ensemble) -> str:
    problem, stack = ensemble.problem, ensemble.stack
    inputs = [_stack_input(graph, part, problem) for part in parts]
    joined = _side_by_side(graph, inputs)
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
            values = as_numbers(column).fill_null(float("nan")).to_numpy().astype(np.float32)
    return values.reshape(-1, 1)


def onnx_answer(session: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
    names = [output.name for output in session.get_outputs()]
    return session.run([names[1] if names[0].startswith("label") else names[0]], feeds)[0].astype(np.float64)


def raw_inputs(ensemble: Ensemble, learnt: pl.DataFrame) -> dict[str, RawInput]:
    """Raw column -> how it came, in the order of the inputs. What has gaps is no whole number elsewhere: pandas and JSON
    make fractions of them."""
    types = input_types(ensemble.featurizer).items()
    gaps = {name: learnt[name].null_count() > 0 for name, _ in types}
    return {name: RawInput(_raw_type(learnt[name].dtype, kind, gaps[name]), gaps[name]) for name, kind in types}


def _raw_type(
    dtype: pl.DataType, kind: str, has_gaps: bool
) -> Literal["boolean", "long", "double", "string", "datetime"]:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer() and not has_gaps:
        return "long"
    if dtype.is_numeric() or kind == "float":
        return "double"
    return "datetime" if kind == "double" else "string"


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
