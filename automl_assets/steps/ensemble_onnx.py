"""From the raw scores of an ensemble's members to its combined scores, as ONNX nodes: what `combine` says in Python."""

import numpy as np

from automl_assets.onnx.graph import Graph
from automl_assets.parts import link_of
from automl_assets.records import Ensemble, Member, Problem, Stack
from automl_assets.steps.combine import PROBABILITY_FLOOR, algorithm_of
from automl_assets.steps.outputs_onnx import label_log_odds, linked


def add_combination(graph: Graph, raws: list[str], ensemble: Ensemble) -> str:
    """From the raw scores of each member, in their order, to those of the ensemble: probabilities or values."""
    problem = ensemble.problem
    if ensemble.stack is None and len(raws) > 1:
        return _voted(graph, raws, ensemble)
    answers = [
        linked(graph, raw, problem) if _is_logit(member, problem) else raw
        for raw, member in zip(raws, ensemble.members, strict=True)
    ]
    return answers[0] if ensemble.stack is None else _stacked(graph, answers, ensemble.stack, problem)


def _is_logit(member: Member, problem: Problem) -> bool:
    return link_of(algorithm_of(member, problem).link, problem) in ("logit", "sigmoid")


def _voted(graph: Graph, raws: list[str], ensemble: Ensemble) -> str:
    """All answers side by side, times their weights: calling a node takes longer than what it computes for one row."""
    problem, votes = ensemble.problem, list(zip(raws, ensemble.members, strict=True))
    is_odds = [problem.is_binary and _is_logit(member, problem) for _, member in votes]
    odds = [vote for vote, one in zip(votes, is_odds, strict=True) if one]
    blocks, weights = [], []
    if odds:
        joined = _side_by_side(graph, [raw for raw, _ in odds])
        blocks.append(graph.node("Sigmoid", graph.node("Concat", graph.node("Neg", joined), joined, axis=1)))
        weights.append(np.kron(np.eye(2), [[member.weight] for _, member in odds]))
    for (raw, member), one in zip(votes, is_odds, strict=True):
        if not one:
            blocks.append(linked(graph, raw, problem) if _is_logit(member, problem) else raw)
            weights.append(member.weight * np.eye(problem.n_outputs))
    shares = graph.constant(np.vstack(weights).astype(np.float32))
    return graph.node("MatMul", _side_by_side(graph, blocks), shares)


def _side_by_side(graph: Graph, tensors: list[str]) -> str:
    return tensors[0] if len(tensors) == 1 else graph.node("Concat", *tensors, axis=1)


def _stacked(graph: Graph, parts: list[str], stack: Stack, problem: Problem) -> str:
    inputs = [_stack_input(graph, part, problem) for part in parts]
    joined = _side_by_side(graph, inputs)
    coefficients, intercept = (graph.constant(a.astype(np.float32)) for a in (stack.coefficients, stack.intercept))
    raw = graph.node("Gemm", joined, coefficients, intercept)
    return linked(graph, raw, problem) if problem.classes else raw


def _stack_input(graph: Graph, part: str, problem: Problem) -> str:
    if not problem.classes:
        return part
    if problem.is_multilabel:
        return label_log_odds(graph, part, PROBABILITY_FLOOR)
    floor, one = (graph.constant(np.array(value, np.float32)) for value in (PROBABILITY_FLOOR, 1.0))
    log = graph.node("Log", graph.node("Clip", part, floor, one))
    if problem.n_classes > 2:
        return log
    negative, positive = (graph.node("Gather", log, graph.constant(np.array([c], np.int64)), axis=1) for c in (0, 1))
    return graph.node("Sub", positive, negative)
