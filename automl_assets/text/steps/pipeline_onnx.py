"""The whole pipeline from raw texts to answers as an ONNX graph. Proving and timing it is in `export`."""

from automl_assets.learning.preparation import add_raw
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import ROWS_TOGETHER
from automl_assets.records import Ensemble
from automl_assets.steps.combine import algorithm_of
from automl_assets.steps.ensemble_onnx import add_combination
from automl_assets.steps.outputs_onnx import add_answers
from automl_assets.text.features.text_featurizer_onnx import add_inputs
from automl_assets.text.steps.predict import needed_parts

MOST_CELLS = 10_000_000  # of a tensor


def onnx_bytes(ensemble: Ensemble) -> bytes:
    """The whole pipeline as a serialised ONNX model, with the outputs of every classification."""
    graph = Graph()
    x = add_inputs(graph, ensemble.featurizer, needed_parts(ensemble))
    raws = [
        add_raw(algorithm_of(member, ensemble.problem), member.fitted.models, graph, x) for member in ensemble.members
    ]
    graph.properties[ROWS_TOGETHER] = str(max(1, MOST_CELLS // max(1, _n_terms(ensemble))))
    add_answers(graph, add_combination(graph, raws, ensemble), ensemble)
    return graph.build().SerializeToString()


def _n_terms(ensemble: Ensemble) -> int:
    """Columns that a row has inside of the graph, where terms are dense."""
    units, parts = (
        {"words": ensemble.featurizer.words, "characters": ensemble.featurizer.characters},
        needed_parts(ensemble),
    )
    return sum(terms.n_terms for name, terms in units.items() if name in parts)
