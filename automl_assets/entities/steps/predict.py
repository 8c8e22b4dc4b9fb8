"""predict: which entities an ensemble finds in texts, and where."""

import numpy as np
import polars as pl

from automl_assets.entities.features.token_attributes import bare_place
from automl_assets.entities.features.tokens import token_places
from automl_assets.entities.records import TokenInputs
from automl_assets.entities.steps.featurize import texts_of, tokenized
from automl_assets.learning.preparation import mean_raw
from automl_assets.parts import link_scores
from automl_assets.records import Ensemble
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.combine import algorithm_of, combine
from automl_assets.tagging import decoded_tags, told_entities


def answer(ensemble: Ensemble, table: pl.DataFrame) -> np.ndarray:
    """Probabilities of tags, [n_tokens, n_tags], of the tokens of all rows, one below the other."""
    return answer_inputs(ensemble, tokenized(ensemble.featurizer, table))


def answer_inputs(ensemble: Ensemble, inputs: TokenInputs) -> np.ndarray:
    """The same of texts that are tokens already."""
    if not len(inputs):
        return np.zeros((0, ensemble.problem.n_classes))
    algorithms = [algorithm_of(member, ensemble.problem) for member in ensemble.members]
    parts = [
        link_scores(mean_raw(algorithm, member.fitted.models, inputs), algorithm.link)
        for algorithm, member in zip(algorithms, ensemble.members, strict=True)
    ]
    weights = [member.weight for member in ensemble.members]
    return calibrated(combine(parts, weights, ensemble.stack, ensemble.problem), ensemble.calibration)


def answer_columns(ensemble: Ensemble, table: pl.DataFrame) -> pl.DataFrame:
    """Column `prediction`: the entities of each text as JSON, a list of objects with start, end, text, label and
    probability; start and end count characters of the text."""
    recipe, inputs, problem = ensemble.featurizer, tokenized(ensemble.featurizer, table), ensemble.problem
    texts = texts_of(recipe, table)
    places = np.array(
        [bare_place(text, place) for text in texts for place in token_places(text, recipe.is_parted_by_blanks)]
    ).reshape(-1, 2)
    probabilities = answer_inputs(ensemble, inputs)
    codes = decoded_tags(probabilities, problem.threshold)
    tokens = {
        "row": inputs.text,
        "tags": np.array(problem.classes, object)[codes],
        "probability": probabilities[np.arange(len(codes)), codes],
        "start": places[:, 0],
        "end": places[:, 1],
    }
    return pl.DataFrame({"prediction": told_entities(tokens, texts)})
