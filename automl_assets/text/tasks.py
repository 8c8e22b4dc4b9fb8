"""Questions about texts: what a target means, and tiny data to try them on."""

import json
from functools import partial

import numpy as np
import polars as pl

from automl_assets.data.label_sets import encode_label_sets, label_set_problem, label_sets, label_sets_like
from automl_assets.learning.classes import class_codes, class_problem
from automl_assets.parts import Task

_WORDS = {
    "praise": "lovely friendly helpful delicious charming quiet bright wonderful",
    "complaint": "rude dirty broken expensive noisy cold awful disappointing",
}
_FILLERS = [
    "the",
    "room",
    "and",
    "our",
    "breakfast",
    "was",
    "with",
    "a",
    "view",
    "of",
    "this",
    "place",
    "near",
    "that",
    "station",
    "we",
    "had",
    "for",
    "two",
    "nights",
]


def sample(seed: int, n_rows: int = 120) -> tuple[pl.DataFrame, str]:
    """Reviews of a hotel, which praise or complain, and a column beside them."""
    random = np.random.default_rng(seed)
    answers = random.choice(list(_WORDS), n_rows)
    texts = []
    for answer in answers:
        telling, fillers = random.choice(_WORDS[answer].split(), 2), random.choice(_FILLERS, 8)
        texts.append(" ".join(random.permutation([*telling, *fillers])).capitalize() + ".")
    table = pl.DataFrame({"review": texts, "nights": random.integers(1, 9, n_rows), "opinion": answers})
    return table, "opinion"


def sample_sets(seed: int) -> tuple[pl.DataFrame, str]:
    """The same reviews, and what each speaks of: several things, or none of those that are asked for."""
    table, _ = sample(seed)
    said = {"welcome": "friendly helpful rude", "room": "quiet bright noisy cold dirty", "food": "delicious charming"}
    sets = [
        json.dumps([name for name, words in said.items() if any(word in text.lower() for word in words.split())])
        for text in table["review"]
    ]
    return table.drop("opinion").with_columns(topics=pl.Series(sets)), "topics"


PARTS = (
    Task(
        name="text_classification",
        title="Which class does a text belong to?",
        family="text",
        default_metric="accuracy",
        further_metrics=("accuracy", "AUC_weighted", "log_loss", "f1_score_macro"),
        problem=partial(class_problem, "text_classification"),
        encode_target=class_codes,
        metric_kinds=frozenset({"classes"}),
        stratify=True,
        sample=sample,
    ),
    Task(
        name="text_classification_multilabel",
        title="Which labels does a text have?",
        family="text",
        default_metric="f1_score_micro",
        further_metrics=("accuracy", "f1_score_macro", "iou_micro", "log_loss"),
        problem=label_set_problem("text_classification_multilabel"),
        encode_target=encode_label_sets,
        metric_kinds=frozenset({"label_sets"}),
        stratify=True,
        sample=sample_sets,
        labels_of=label_sets,
        labels_like=label_sets_like,
    ),
)
