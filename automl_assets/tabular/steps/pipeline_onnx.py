"""The whole pipeline of a table as an ONNX graph, from raw columns to answers. Proving and timing it is in `export`."""

import json

import numpy as np
import polars as pl

from automl_assets.features.featurizer_onnx import add_codes, add_dense, input_types, matrices
from automl_assets.learning.preparation import add_raw
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.session import MATRICES, feeds_of
from automl_assets.records import Ensemble, Member, Problem
from automl_assets.steps.combine import algorithm_of
from automl_assets.steps.ensemble_onnx import add_combination
from automl_assets.steps.outputs_onnx import add_answers

CODES = "codes"  # input of a graph without the featurizer


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """The whole pipeline as a serialised ONNX model.

    Outputs: for a classification `label` [n_rows], `probabilities` and per level of coverage `prediction_set_95`
    [n_rows, n_classes]; otherwise `prediction` and per level `prediction_95_low` and `prediction_95_high` [n_rows, 1].
    With a `_` behind where a raw column has that name.
    """
    return graph_of(ensemble).build().SerializeToString()


def matrix_onnx(ensemble: Ensemble) -> tuple[bytes, dict[str, tuple[str, ...]]] | None:
    """The same for a wide table, where many columns of a kind are one input [n_rows, n_columns]; and of each such input
    the columns in their order, which the model's metadata name under `matrices`. None where no kind has many.

    With an input for each of 5,000 columns, ONNX Runtime takes longer to look at their names than to answer.
    """
    found = matrices(ensemble.featurizer)
    if not found:
        return None
    told = {MATRICES: json.dumps(found)}
    return graph_of(ensemble, by_matrix=True).build(told).SerializeToString(), found


def graph_of(ensemble: Ensemble, by_matrix: bool = False) -> Graph:
    """The whole pipeline as a graph that can still be looked at."""
    graph = Graph()
    _add_pipeline(graph, add_codes(graph, ensemble.featurizer, by_matrix), ensemble)
    return graph


def engineered_onnx_bytes(ensemble: Ensemble) -> bytes:
    """The same without the featurizer: one input `codes` [n_rows, n_codes]."""
    graph = Graph()
    codes = graph.input(CODES, FLOAT, [None, len(ensemble.featurizer.columns)])
    _add_pipeline(graph, codes, ensemble)
    return graph.build().SerializeToString()


def _add_pipeline(graph: Graph, codes: str, ensemble: Ensemble) -> None:
    """From `codes` to the declared outputs."""
    views = {"codes": codes}
    if any(algorithm_of(member, ensemble.problem).view == "dense" for member in ensemble.members):
        views["dense"] = add_dense(graph, ensemble.featurizer, codes)
    raws = [add_member(graph, member, views, ensemble.problem) for member in ensemble.members]
    add_answers(graph, add_combination(graph, raws, ensemble), ensemble)


def add_member(graph: Graph, member: Member, views: dict[str, str], problem: Problem) -> str:
    """The mean raw score of a member's models."""
    algorithm = algorithm_of(member, problem)
    return add_raw(algorithm, member.fitted.models, graph, views[algorithm.view])


def onnx_feeds(ensemble: Ensemble, table: pl.DataFrame) -> dict[str, np.ndarray]:
    """Raw columns as the ONNX model takes them, each [n_rows, 1]."""
    return feeds_of(table, input_types(ensemble.featurizer))
