"""From raw columns to what algorithms of texts take: learnt once from the training rows, without looking at the target."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from automl_assets.encoders.reference import Reference, wished
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.features.featurizer import Featurizer, densify, encode, fit_featurizer
from automl_assets.records import FeatureColumn, Kind
from automl_assets.stored import stored_as
from automl_assets.text.features.terms import LENGTHS, MOST_COEFFICIENTS, MOST_TERMS, Terms, fit_terms, term_matrix
from automl_assets.text.features.tokens import joined_texts
from automl_assets.text.records import PARTS, TextInputs

FEWEST_TERMS = 2_000  # however many classes there are


@stored_as("text.Featurizer")
@dataclass(frozen=True)
class TextFeaturizer:
    """The recipe: which columns are texts, the terms that are looked for in them, and what the other columns become."""

    texts: tuple[str, ...]
    words: Terms
    characters: Terms
    others: Featurizer
    encoder: Reference | None = None  # the pretrained network that reads the texts, where one is named or here
    is_exported: bool = False  # whether models become part of an ONNX file

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return (*self.texts, *self.others.raw_columns)

    @property
    def n_others(self) -> int:
        """Columns beside the terms."""
        dense = self.others.dense
        return len(dense.means) + len(dense.marked) + len(dense.one_hot)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """One for all terms of a kind, since there are tens of thousands; then those of the other columns."""
        kinds = {
            "words": f"TF-IDF of {self.words.n_terms} words, pairs and triples of words",
            "characters": f"TF-IDF of {self.characters.n_terms} sequences of 2 to 5 characters",
        }
        terms = [FeatureColumn(f"{text}_{kind}", text, told) for text in self.texts for kind, told in kinds.items()]
        return (*terms, *self.others.columns)


def fit_text_featurizer(
    table: pl.DataFrame, kinds: Mapping[str, Kind], n_scores: int, wishes: Wishes
) -> TextFeaturizer:
    """Learns the recipe from the training rows `table`; `n_scores` is how many numbers an answer has."""
    names = tuple(name for name, kind in kinds.items() if kind == "text")
    texts = joined_texts(table.select(names))
    others: dict[str, Kind] = {name: kind for name, kind in kinds.items() if kind != "text"}
    words, characters = learnt_terms(texts, n_scores)
    encoder = wished(wishes.text_embedding, texts.to_list(), wishes.language)
    if encoder and wishes.embedding_precision == "int8":
        encoder = replace(encoder, is_int8=True)
    return TextFeaturizer(names, words, characters, fit_featurizer(table, others, wishes), encoder)


def learnt_terms(texts: pl.Series, n_scores: int) -> tuple[Terms, Terms]:
    """Of words and of characters, as many as answers of so many numbers have coefficients for."""
    most = max(FEWEST_TERMS, MOST_COEFFICIENTS // n_scores)
    words, characters = (fit_terms(texts, unit, min(MOST_TERMS[unit], most)) for unit in LENGTHS)
    return words, characters


def encode_texts(featurizer: TextFeaturizer, table: pl.DataFrame, parts: Collection[str] = PARTS) -> TextInputs:
    """Rows as algorithms take them, with those of the parts `texts`, `words` and `characters` that are asked for."""
    texts = joined_texts(table.select(featurizer.texts))
    return TextInputs(
        others=_others(featurizer, table),
        texts=np.array(texts.to_list(), object) if "texts" in parts else None,
        words=term_matrix(texts, featurizer.words) if "words" in parts else None,
        characters=term_matrix(texts, featurizer.characters) if "characters" in parts else None,
    )


def _others(featurizer: TextFeaturizer, table: pl.DataFrame) -> np.ndarray:
    if not featurizer.n_others:
        return np.empty((table.height, 0), np.float32)
    return densify(featurizer.others, encode(featurizer.others, table))
