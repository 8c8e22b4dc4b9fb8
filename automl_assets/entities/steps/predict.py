"""predict: which entities an ensemble finds in texts, and where."""

import json
from typing import Any

import numpy as np
import polars as pl

from automl_assets.entities.features.token_attributes import bare_place
from automl_assets.entities.features.tokens import Place, token_places
from automl_assets.entities.records import TokenInputs
from automl_assets.entities.steps.featurize import tokenized
from automl_assets.learning.preparation import mean_raw
from automl_assets.parts import link_scores
from automl_assets.records import Ensemble, Problem
from automl_assets.steps.calibrate import calibrated
from automl_assets.steps.combine import algorithm_of, combine
from automl_assets.tagging import decoded_tags, entities, labels_of

Entity = dict[str, Any]


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
    recipe, inputs = ensemble.featurizer, tokenized(ensemble.featurizer, table)
    texts = table[recipe.column].cast(pl.String).fill_null("").to_list()
    places = [place for text in texts for place in token_places(text, recipe.is_parted_by_blanks)]
    found: list[list[Entity]] = [[] for _ in texts]
    for row, entity in entities_of(answer_inputs(ensemble, inputs), inputs.text, places, ensemble.problem, texts):
        found[row].append(entity)
    return pl.DataFrame({"prediction": [json.dumps(one, ensure_ascii=False) for one in found]})


def entities_of(
    probabilities: np.ndarray, text: np.ndarray, places: list[Place], problem: Problem, texts: list[str]
) -> "list[tuple[int, Entity]]":
    """The entities that probabilities of tags [n_tokens, n_tags] mean, each with the number of its text.

    The probability of an entity is that of its least sure token's tag.
    """
    codes = decoded_tags(probabilities, problem.threshold)
    spans, labels = entities(codes), labels_of(problem.classes)
    sure = probabilities[np.arange(len(codes)), codes]
    told = []
    for start, end, label in zip(spans.start.tolist(), spans.end.tolist(), spans.label.tolist(), strict=True):
        row = int(text[start])
        first, last = bare_place(texts[row], places[start])[0], bare_place(texts[row], places[end])[1]
        told.append((row, {
            "start": first, "end": last, "text": texts[row][first:last], "label": labels[label],
            "probability": round(float(sure[start : end + 1].min()), 4),
        }))  # fmt: skip
    return told
