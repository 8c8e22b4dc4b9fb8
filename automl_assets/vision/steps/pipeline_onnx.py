"""The whole pipeline from pixels to answers as an ONNX graph. Proving and timing it is in `export`."""

from automl_assets.learning.preparation import add_raw
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import ROWS_TOGETHER
from automl_assets.records import Ensemble
from automl_assets.steps.combine import algorithm_of
from automl_assets.steps.ensemble_onnx import add_combination
from automl_assets.steps.outputs_onnx import add_answers
from automl_assets.vision.features.image_featurizer import add_inputs


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """The whole pipeline as a serialised ONNX model over pixels, with the outputs of every classification. Images are
    asked one by one, since those asked together must be of one size."""
    graph = Graph()
    algorithms = [algorithm_of(member, ensemble.problem) for member in ensemble.members]
    views = add_inputs(graph, ensemble.featurizer, {algorithm.view for algorithm in algorithms})
    raws = [
        add_raw(algorithm, member.fitted.models, graph, views[algorithm.view])
        for algorithm, member in zip(algorithms, ensemble.members, strict=True)
    ]
    graph.properties[ROWS_TOGETHER] = "1"
    add_answers(graph, add_combination(graph, raws, ensemble), ensemble)
    return graph.build().SerializeToString()
