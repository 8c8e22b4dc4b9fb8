"""From the ensemble's combined scores to what everybody sees, as ONNX nodes: calibration, decision, intervals, sets.

Each function says in ONNX what `calibrate`, `metrics.classes.decided` and `conformalize` say in Python.
"""

import json
from collections.abc import Callable, Sequence

import numpy as np

from automl_assets.answer_kinds import SMALLEST
from automl_assets.onnx.graph import BOOL, FLOAT, INT64, STRING, Graph
from automl_assets.records import AnswerName, Calibration, Conformal, Ensemble, Problem, Spread
from automl_assets.steps.calibrate import FLOOR, LABEL_FLOOR
from automl_assets.steps.conformalize import least_probabilities, percent

Output = tuple[str, int, list[int | str | None]]  # tensor, element type, shape

LABEL_NAMES = "label_names"  # key of a model's metadata: JSON of the labels of sets, in the order of the outputs


def add_answers(graph: Graph, combined: str, ensemble: Ensemble) -> None:
    """Declares the outputs. One that is called as a raw column gets a `_` behind its name."""
    outputs = OUTPUTS[ensemble.problem.answers]
    taken = ensemble.featurizer.raw_columns
    for name, (tensor, element_type, shape) in outputs(graph, combined, ensemble).items():
        graph.output(_free(name, taken), tensor, element_type, shape)


def linked(graph: Graph, raw: str, problem: Problem) -> str:
    """Log-odds as probabilities. Softmax also for two classes: a stack takes logarithms, and 1 - Sigmoid has few digits
    left near 0."""
    if problem.is_multilabel:
        return graph.node("Sigmoid", raw)
    if problem.is_binary:
        half = graph.node("Mul", raw, _number(graph, 0.5))
        raw = graph.node("Concat", graph.node("Neg", half), half, axis=1)
    return graph.node("Softmax", raw, axis=1)


def _class_outputs(graph: Graph, combined: str, ensemble: Ensemble) -> dict[str, Output]:
    problem = ensemble.problem
    shares = add_calibrated(graph, combined, ensemble.calibration, problem)
    code = _decided(graph, shares, problem)
    label, label_type = _label(graph, code, problem)
    outputs: dict[str, Output] = {
        "label": (label, label_type, [None]),
        "probabilities": (shares, FLOAT, [None, problem.n_classes]),
    }
    sets = _sets(graph, shares, code, ensemble.conformal, problem.n_classes) if ensemble.conformal else {}
    return outputs | {name: (inside, BOOL, [None, problem.n_classes]) for name, inside in sets.items()}


def _label_set_outputs(graph: Graph, combined: str, ensemble: Ensemble) -> dict[str, Output]:
    """Which labels are in each set, and their probabilities; the model's metadata name the labels in their order."""
    problem, calibration, shares = ensemble.problem, ensemble.calibration, combined
    shape: list[int | str | None] = [None, problem.n_classes]
    if calibration:
        scales, biases = (graph.constant(row.astype(np.float32)) for row in np.array(calibration.labels).T)
        odds = graph.node("Mul", label_log_odds(graph, combined, LABEL_FLOOR), scales)
        shares = linked(graph, graph.node("Add", odds, biases), problem)
    thresholds = np.array(problem.thresholds or (0.5,) * problem.n_classes, np.float32)
    answered = graph.node("Greater", shares, graph.constant(thresholds))
    sets = _probable(graph, shares, answered, ensemble.conformal) if ensemble.conformal else {}
    graph.properties[LABEL_NAMES] = json.dumps([str(label) for label in problem.classes])
    outputs: dict[str, Output] = {"labels": (answered, BOOL, shape), "probabilities": (shares, FLOAT, shape)}
    return outputs | {name: (inside, BOOL, shape) for name, inside in sets.items()}


def label_log_odds(graph: Graph, shares: str, floor: float) -> str:
    """What `answer_kinds.label_odds` says in Python."""
    one = _number(graph, 1.0)
    log = graph.node("Log", graph.node("Clip", shares, _number(graph, SMALLEST), one))
    rest = graph.node("Clip", graph.node("Sub", one, shares), _number(graph, floor), one)
    return graph.node("Sub", log, graph.node("Log", rest))


def _value_outputs(graph: Graph, combined: str, ensemble: Ensemble) -> dict[str, Output]:
    ends = _ends(graph, combined, ensemble.conformal) if ensemble.conformal else {}
    return {name: (tensor, FLOAT, [None, 1]) for name, tensor in ({"prediction": combined} | ends).items()}


def add_calibrated(graph: Graph, shares: str, calibration: Calibration | None, problem: Problem) -> str:
    if calibration is None:
        return shares
    logs = graph.node("Log", graph.node("Clip", shares, _number(graph, FLOOR), _number(graph, 1.0)))
    if problem.n_classes > 2:
        return linked(graph, graph.node("Mul", logs, _number(graph, calibration.scale)), problem)
    odds = graph.node("MatMul", logs, graph.constant(np.array([[-1.0], [1.0]], np.float32) * calibration.scale))
    return linked(graph, graph.node("Add", odds, _number(graph, calibration.bias)), problem)


def _decided(graph: Graph, shares: str, problem: Problem) -> str:
    if problem.is_binary and problem.threshold != 0.5:
        favour = np.array([problem.threshold, 1.0 - problem.threshold], np.float32)
        shares = graph.node("Mul", shares, graph.constant(favour))
    return graph.node("ArgMax", shares, axis=1, keepdims=0)


def _label(graph: Graph, code: str, problem: Problem) -> tuple[str, int]:
    """The class of a code: a whole number where all classes are, else a text."""
    is_integer = all(isinstance(label, int) and not isinstance(label, bool) for label in problem.classes)
    labels = np.array(problem.classes, np.int64) if is_integer else np.array([str(c) for c in problem.classes], object)
    return graph.node("Gather", graph.constant(labels), code, axis=0), INT64 if is_integer else STRING


def _sets(graph: Graph, shares: str, code: str, conformal: Conformal, n_classes: int) -> dict[str, str]:
    """The classes probable enough, and the one that is answered."""
    answered = graph.node("Gather", graph.constant(np.eye(n_classes, dtype=bool)), code, axis=0)
    return _probable(graph, shares, answered, conformal)


def _probable(graph: Graph, shares: str, answered: str, conformal: Conformal) -> dict[str, str]:
    return {
        f"prediction_set_{percent(level)}": graph.node(
            "Or", graph.node("GreaterOrEqual", shares, graph.constant(least.astype(np.float32))), answered
        )
        for level, least in zip(conformal.levels, least_probabilities(conformal), strict=True)
    }


def _ends(graph: Graph, values: str, conformal: Conformal) -> dict[str, str]:
    size = None if conformal.spread is None else _spread(graph, values, conformal.spread)
    ends: dict[str, str] = {}
    for level, bound in zip(conformal.levels, conformal.bounds, strict=True):
        half = _number(graph, bound)
        width = half if size is None else graph.node("Mul", size, half)
        ends[f"prediction_{percent(level)}_low"] = graph.node("Sub", values, width)
        ends[f"prediction_{percent(level)}_high"] = graph.node("Add", values, width)
    if conformal.least is None and conformal.most is None:
        return ends
    limits = [_number(graph, limit) if limit is not None else "" for limit in (conformal.least, conformal.most)]
    return {name: graph.node("Clip", end, *limits) for name, end in ends.items()}


def _spread(graph: Graph, values: str, spread: Spread) -> str:
    """Straight lines between knots: each adds its slope for as far as the value has gone along it."""
    knots, sizes = spread.knots.astype(np.float32), spread.sizes.astype(np.float32)
    if len(knots) == 1:
        return graph.constant(sizes)
    slopes = np.diff(sizes) / np.diff(knots)
    starts, ends = graph.constant(knots[None, :-1]), graph.constant(knots[None, 1:])
    along = graph.node("Sub", graph.node("Min", graph.node("Max", values, starts), ends), starts)
    return graph.node("Gemm", along, graph.constant(slopes[:, None]), graph.constant(sizes[:1]))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _free(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)


OUTPUTS: dict[AnswerName, Callable[[Graph, str, Ensemble], dict[str, Output]]] = {
    "classes": _class_outputs,
    "label_sets": _label_set_outputs,
    "values": _value_outputs,
}
