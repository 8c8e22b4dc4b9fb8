"""pipeline_onnx: from texts to their entities as one ONNX file.

Outputs are a row for each token of all texts: probabilities of tags, the tag that is answered with its probability, the
number of the text, and where the token begins and ends in it, in characters.
"""

import numpy as np

from automl_assets.entities.features.chains_onnx import add_decoded, add_tags
from automl_assets.entities.features.tokens_onnx import add_bare_places, add_tokens
from automl_assets.learning.preparation import add_raw
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import ROWS_TOGETHER
from automl_assets.records import Ensemble
from automl_assets.steps.combine import algorithm_of
from automl_assets.steps.ensemble_onnx import add_combination
from automl_assets.steps.outputs_onnx import add_calibrated
from automl_assets.tagging import LISTS

MOST_TEXTS = 1_000  # that are asked together: a token is cut into thirty strings


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """The pipeline over one column of texts, [n_texts, 1]."""
    graph, recipe, problem = Graph(), ensemble.featurizer, ensemble.problem
    text = graph.input(recipe.column, str, [None, 1])
    graph.properties[ROWS_TOGETHER] = str(MOST_TEXTS)
    if recipe.is_parted_by_blanks:
        graph.properties[LISTS] = "yes"
    tensors = add_tokens(graph, text, recipe.is_parted_by_blanks)
    raws = [add_raw(algorithm_of(one, problem), one.fitted.models, graph, tensors) for one in ensemble.members]
    shares = add_calibrated(graph, add_combination(graph, raws, ensemble), ensemble.calibration, problem)
    codes = add_decoded(graph, shares, problem.threshold, tensors.text, problem.n_classes)
    start, end = add_bare_places(graph, tensors)
    sure = graph.node("GatherElements", shares, graph.node("Unsqueeze", codes, graph.constant(np.array([1]))), axis=1)
    graph.output("probabilities", shares, np.float32, [None, problem.n_classes])
    graph.output("tags", add_tags(graph, codes, tuple(map(str, problem.classes))), str, [None])
    graph.output("probability", graph.node("Reshape", sure, graph.constant(np.array([-1]))), np.float32, [None])
    for name, tensor in (("row", tensors.text), ("start", start), ("end", end)):
        graph.output(name, tensor, np.int64, [None])
    return graph.build().SerializeToString()
