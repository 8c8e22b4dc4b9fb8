"""What an experiment wants of its features otherwise than they would be, as plain values. Learns nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MAX_TERMS = 100  # per text column
MAX_LENGTH = 3  # words in a term
HASH_BITS = 4  # 16 buckets for the categories that get no code of their own

Precision = Literal["float32", "int8"]  # of a language model's weights
Strategy = Literal["mean", "median", "most_frequent", "constant"]

# What can be blocked. Azure's names in snake_case, and two that have none there. Columns, then what folds may try.
Blockable = Literal[
    "one_hot_encoder",
    "hash_one_hot_encoder",
    "frequency_encoder",
    "tf_idf",
    "cat_target_encoder",
    "woe_target_encoder",
    "text_target_encoder",
    "cluster_distance",
]


@dataclass(frozen=True)
class Wishes:
    """The settings under `featurization` that the featurizer must know."""

    imputers: Mapping[str, tuple[Strategy, float | str | None]] = field(default_factory=dict)  # column -> way, constant
    max_terms: int = MAX_TERMS
    max_length: int = MAX_LENGTH
    hash_bits: int = HASH_BITS
    language: str | None = None  # ISO 639-3
    text_embedding: str | None = None  # local folder of a language model, or its name on the hub
    embedding_precision: Precision = "float32"
    blocked: frozenset[str] = frozenset()
