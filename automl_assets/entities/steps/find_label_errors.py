"""find_label_errors: words whose tag is likely wrong, each with its text, for a person to look at; and their texts for Label
Studio, with the entities as they likely are."""

import numpy as np
import polars as pl

from automl_assets.entities.features.token_attributes import bare_place
from automl_assets.entities.features.tokens import Place, token_places
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.steps.find_label_errors import GIVEN, MOST, as_tasks, suspects, task
from automl_assets.tagging import entities, labels_of

SCHEMA = {
    **{"row": pl.Int64, "label": pl.String, "likely": pl.String},
    **{"probability": pl.Float64, "likely_probability": pl.Float64},
    **{"word": pl.String, "start": pl.Int64, "end": pl.Int64, "text": pl.String},
}


def find_label_errors(dataset: Dataset, features: Features, ensemble: Ensemble) -> pl.DataFrame:
    """The text, the tag of a word, the likely one, and the probabilities of both, the likeliest errors first: as in SCHEMA,
    where `start` and `end` count characters of the text."""
    found = _Suspects.of(features, ensemble)
    order = found.order[:MOST]
    names, places = [str(one) for one in ensemble.problem.classes], _Places(dataset, features, ensemble)
    lines = []
    for i in order.tolist():
        token = int(found.tokens[i])
        row, text, (start, end) = places.of(token)
        given, likely = found.own[i], found.likely[i]
        sure = ensemble.predictions[token, [given, likely]].tolist()
        lines.append((row, names[given], names[likely], *sure, text[start:end], start, end, text))
    return pl.DataFrame(lines, schema=SCHEMA, orient="row")


def review_label_errors(dataset: Dataset, features: Features, ensemble: Ensemble) -> bytes:
    """A task for each text with such words: what people mark there comes back by `automl correct`."""
    found, places = _Suspects.of(features, ensemble), _Places(dataset, features, ensemble)
    of_text: dict[int, list[int]] = {}
    for i in found.order[:MOST].tolist():
        of_text.setdefault(int(features.inputs.text[found.tokens[i]]), []).append(i)
    labels = labels_of(ensemble.problem.classes)
    names = (dataset.roles.target, dataset.roles.features[0])
    tasks = []
    for row, some in of_text.items():
        tokens = np.flatnonzero(features.inputs.text == row)
        given = features.truth.y[tokens]
        likely = given.copy()
        likely[np.searchsorted(tokens, found.tokens[some])] = found.likely[some]
        sure = float(ensemble.predictions[found.tokens[some[0]], found.likely[some[0]]])
        text = places.texts[row]
        data = {"row": row, names[1]: text, GIVEN: _told(places.spans(tokens, given, labels), text)}
        proposed = [_span(one, text, names) for one in places.spans(tokens, likely, labels)]
        tasks.append(task(data, sure, proposed))
    return as_tasks(tasks)


Span = tuple[int, int, str]


def _told(spans: list[Span], text: str) -> str:
    return ", ".join(f"{text[start:end]} ({label})" for start, end, label in spans)


def _span(one: Span, text: str, names: tuple[str, str]) -> dict:
    start, end, label = one
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"from_name": names[0], "to_name": names[1], "type": "labels", "value": value}


class _Suspects:
    """Tokens whose tag is likely wrong."""

    def __init__(self, tokens: np.ndarray, own: np.ndarray, likely: np.ndarray, order: np.ndarray):
        self.tokens, self.own, self.likely, self.order = tokens, own, likely, order

    @classmethod
    def of(cls, features: Features, ensemble: Ensemble) -> "_Suspects":
        tokens, own, likely = suspects(features.truth.y, ensemble.predictions)
        margin = ensemble.predictions[tokens, own] - ensemble.predictions[tokens, likely]
        return cls(tokens, own, likely, np.argsort(margin, kind="stable"))


class _Places:
    """Where tokens stand in their texts."""

    def __init__(self, dataset: Dataset, features: Features, ensemble: Ensemble):
        recipe = ensemble.featurizer
        self.inputs, self.is_parted = features.inputs, recipe.is_parted_by_blanks
        self.texts = dataset.table[recipe.column].cast(pl.String).fill_null("").to_list()
        self.known: tuple[int, list[Place]] = (-1, [])  # a row, and the places of its tokens
        starts = features.inputs.texts.starts
        self.first = dict(zip(features.inputs.text[starts].tolist(), starts.tolist(), strict=True))

    def of(self, token: int) -> tuple[int, str, tuple[int, int]]:
        """The number of a token's text, the text, and where the token is in it without marks that stick to it."""
        row = int(self.inputs.text[token])
        text = self.texts[row]
        if self.known[0] != row:
            self.known = (row, token_places(text, self.is_parted))
        return row, text, bare_place(text, self.known[1][token - self.first[row]])

    def spans(self, tokens: np.ndarray, codes: np.ndarray, labels: tuple[str, ...]) -> list[Span]:
        """The entities that the tags of a text's tokens mean, in characters."""
        some = entities(codes)
        ends = zip(tokens[some.start].tolist(), tokens[some.end].tolist(), some.label.tolist(), strict=True)
        return [(self.of(first)[2][0], self.of(last)[2][1], labels[label]) for first, last, label in ends]
