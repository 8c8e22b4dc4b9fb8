"""What is seen of tokens: words as the other texts know them, and never more attributes than fit."""

import math

import numpy as np

from automl_assets import former_names
from automl_assets.entities.features.token_attributes import (
    ASPECTS,
    FIRST_CODE,
    STATISTIC_CODES,
    TEMPLATES,
    AttributeTable,
    learn_attributes,
)
from automl_assets.entities.features.tokens import tokens_of
from automl_assets.entities.features.word_statistics import STATISTICS, WordStatistics
from automl_assets.entities.records import TokenInputs
from automl_assets.entities.tasks import MOST_LABELS
from automl_assets.tagging import Texts

TEXTS = ["in Oslo Oslo grew", "we saw Oslo", "it was in oslo", "Never met Ann"]
Y = np.array([0, 3, 3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1])


def _statistics() -> tuple[WordStatistics, TokenInputs]:
    inputs = TokenInputs(*tokens_of(TEXTS, True))
    small = np.array([token.lower() for token in inputs.tokens], object)
    capitals = np.array([1 if token[0].isupper() else -1 for token in inputs.tokens])
    return WordStatistics.of(small, capitals, Y, inputs.texts), inputs


def test_words_of_training_are_known_by_the_other_texts_alone() -> None:
    """Oslo stands four times in three texts: two times outside the first, three times outside the second."""
    training = _statistics()[0].training
    assert training["frequency"].tolist() == [1, 2, 2, 0, 0, 0, 2, 0, 0, 1, 2, 0, 0, 0]
    assert training["labels"].tolist() == [1, 6, 6, 0, 0, 0, 7, 0, 0, 1, 7, 0, 0, 0]
    assert training["writing"].tolist() == [2, 4, 4, 0, 0, 0, 4, 0, 0, 1, 6, 0, 0, 0]


def test_words_that_are_met_later_are_known_by_all_texts() -> None:
    later = _statistics()[0].later
    assert [later[name]["oslo"] for name in STATISTICS] == [3, 5, 7]
    assert [later[name]["ann"] for name in STATISTICS] == [1, 6, 4]
    assert all("bergen" not in later[name] for name in STATISTICS)


def test_as_many_labels_as_a_task_takes_have_codes_of_their_own() -> None:
    y = np.arange(1, 2 * MOST_LABELS, 2)
    words = np.array([f"w{number}" for number in range(MOST_LABELS)] * 2, object)
    counts = WordStatistics.of(words, np.zeros(len(words)), np.tile(y, 2), Texts(np.arange(len(words))))
    codes = counts.later["labels"].values()
    assert len({*codes}) == MOST_LABELS and FIRST_CODE + max(codes) < STATISTIC_CODES


def test_the_most_frequent_attributes_are_kept() -> None:
    inputs = TokenInputs(*tokens_of(TEXTS * 5, True))
    y = np.tile(Y, 5)
    every, _ = learn_attributes(inputs, y, 1, 10**6, math.inf)
    some, numbers = learn_attributes(inputs, y, 1, 40, math.inf)
    assert 10 < some.n_attributes <= 41 < every.n_attributes
    assert numbers.max() < some.n_attributes and (numbers[:, 0] > 0).any()


def test_attributes_end_when_time_is_up() -> None:
    inputs = TokenInputs(*tokens_of(TEXTS, True))
    table, numbers = learn_attributes(inputs, Y, 1, 10**6, -math.inf)
    assert [len(keys) > 0 for keys in table.keys] == [True] + [False] * (len(TEMPLATES) - 1)
    assert numbers.shape == (len(inputs), len(TEMPLATES))


def test_a_table_of_before_statistics_opens_and_answers() -> None:
    inputs = TokenInputs(*tokens_of(TEXTS, True))
    values = {name: {"Oslo": 2, "oslo": 2} for name in ASPECTS}
    then = {"values": values, "keys": (np.array([2]),) + (np.zeros(0, np.int64),) * 36}
    now = AttributeTable(**former_names.FIELDS["entities.AttributeTable"](then))
    assert len(now.templates) == len(now.keys)
    assert now.numbers(inputs)[:, 0].tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
