"""What a YAML may say under `featurization`: how columns become numbers. Not here: the featurizer itself."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from automl_assets.experiment.base import Frozen, shorthand
from automl_assets.experiment.featurizer_options import (
    HASH_BITS,
    MAX_LENGTH,
    MAX_TERMS,
    Blockable,
    Precision,
    Strategy,
    Wishes,
)
from automl_assets.records import Kind

LANGUAGE = re.compile(r"^[a-z]{3}$")


class Imputer(Frozen):
    """What a column's missing values become. Numbers take every strategy, categories the last two."""

    strategy: Strategy
    fill_value: float | str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.strategy == "constant") != (self.fill_value is not None):
            raise ValueError(
                f"got strategy {self.strategy!r} with fill_value {self.fill_value!r}; constant needs one, others take none"
            )
        return self


class TfIdf(Frozen):
    """How many terms of a text become columns, and how many words a term may have."""

    max_terms: int = Field(MAX_TERMS, ge=1, le=1000)
    max_words: int = Field(MAX_LENGTH, ge=1, le=3)


class HashOneHotEncoder(Frozen):
    """Categories without a code of their own share 2 ** number_of_bits buckets."""

    number_of_bits: int = Field(HASH_BITS, ge=1, le=8)


class TransformerParams(Frozen):
    """Settings of single transformers, under Azure's names in snake_case."""

    tf_idf: TfIdf = TfIdf()
    hash_one_hot_encoder: HashOneHotEncoder = HashOneHotEncoder()


class Featurization(Frozen):
    """How columns become numbers. `off` takes numeric columns as they are and leaves the others out."""

    mode: Literal["auto", "off"] = "auto"
    column_types: dict[str, Kind] = {}
    imputers: dict[str, Annotated[Imputer, shorthand("strategy", str)]] = {}
    transformer_params: TransformerParams = TransformerParams()
    blocked: tuple[Blockable, ...] = ()
    language: str | None = None
    text_embedding: str | None = None  # folder of a language model, its name on the hub; `auto`, for texts
    image_embedding: str | None = (
        None  # folder of a network that reads images, its name on the hub or in `automl weights`
    )
    text_embedding_precision: Precision = "float32"  # for texts; int8: a quarter of the size, .6 of the time

    @field_validator("language")
    @classmethod
    def _is_code(cls, value: str | None) -> str | None:
        if value is not None and not LANGUAGE.match(value):
            raise ValueError(f"got {value!r}; it is three lower-case letters (ISO 639-3), such as eng, deu or jpn")
        return value

    @property
    def wishes(self) -> Wishes:
        """The same for the featurizer."""
        return Wishes(
            imputers={name: (imputer.strategy, imputer.fill_value) for name, imputer in self.imputers.items()},
            max_terms=self.transformer_params.tf_idf.max_terms,
            max_length=self.transformer_params.tf_idf.max_words,
            hash_bits=self.transformer_params.hash_one_hot_encoder.number_of_bits,
            language=self.language,
            text_embedding=self.text_embedding,
            embedding_precision=self.text_embedding_precision,
            blocked=frozenset(self.blocked),
        )
