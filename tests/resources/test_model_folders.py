"""What a registered model says of its own answers."""

import json

import numpy as np
from mlflow.types.schema import Array, DataType

from automl_assets.data.schema import NO_SCHEMA
from automl_assets.model_records import OnnxModel
from automl_assets.onnx.graph import Graph
from automl_assets.resources.model_folders import _table_answers
from automl_assets.steps.outputs_onnx import LABEL_NAMES


def test_sets_of_labels_are_told_as_the_names_that_are_answered() -> None:
    graph = Graph()
    shares = graph.input("x", np.float32, [None, 2])
    graph.output("labels", graph.node("Greater", shares, graph.constant(np.float32(0.5))), np.bool_, [None, 2])
    graph.output("probabilities", graph.node("Identity", shares), np.float32, [None, 2])
    graph.properties[LABEL_NAMES] = json.dumps(["a", "b"])
    model = OnnxModel(graph.build().SerializeToString(), {"x": "float"}, 1, 0.0, 0.1, {}, NO_SCHEMA)
    assert _table_answers(model) == {"labels": Array(DataType.string), "probabilities": Array(DataType.float)}
