"""Entities of tags: which sequence is answered, what it means, and how fast that is."""

import itertools
import time

import numpy as np
import pytest

from automl_assets import metrics
from automl_assets.records import Problem
from automl_assets.tagging import counts, decoded_tags, entities, is_inside, lenient_counts, may_follow, tags_of

TAGS = tags_of(["place", "person"])
PROBLEM = Problem("text_ner", "entity_f1_micro", TAGS)


def _probabilities(random: np.random.Generator, n_tokens: int, n_tags: int = 5) -> np.ndarray:
    return random.dirichlet(np.full(n_tags, 0.4), n_tokens)


def _best(weights: np.ndarray) -> float:
    """The probability of the best sequence that means entities, of all there are."""
    n_tokens, n_tags = weights.shape
    allowed, found = may_follow(n_tags), 0.0
    for way in itertools.product(range(n_tags), repeat=n_tokens):
        if not is_inside(np.array(way[0])) and all(allowed[a, b] for a, b in itertools.pairwise(way)):
            found = max(found, float(np.prod(weights[np.arange(n_tokens), way])))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_best_valid_sequence_is_answered(seed: int) -> None:
    probabilities = _probabilities(np.random.default_rng(seed), 5)
    way = decoded_tags(probabilities)
    assert not is_inside(way[:1]).any() and all(may_follow(5)[a, b] for a, b in itertools.pairwise(way))
    floor = 5 * 1e-3  # an I- of less than a thousandth is never answered
    assert np.prod(probabilities[np.arange(5), way]) >= _best(probabilities) * (1 - floor)


def test_texts_whose_first_tokens_cannot_be_inside_are_decoded_as_if_alone() -> None:
    random = np.random.default_rng(0)
    texts = [_probabilities(random, int(n)) for n in random.integers(1, 9, 200)]
    for text in texts:
        text[0, 2::2] = 0.0
    alone = np.concatenate([decoded_tags(text) for text in texts])
    assert np.array_equal(decoded_tags(np.concatenate(texts)), alone)


def test_a_threshold_finds_more_entities_the_lower_it_is() -> None:
    probabilities = _probabilities(np.random.default_rng(0), 2_000)
    found = [len(entities(decoded_tags(probabilities, threshold)).start) for threshold in (0.7, 0.5, 0.2)]
    assert found == sorted(found) and found[0] < found[-1]


def test_no_tokens_and_texts_of_one_token() -> None:
    assert decoded_tags(np.zeros((0, 5))).tolist() == []
    assert len(entities(np.zeros(0, np.int64)).start) == 0
    assert decoded_tags(np.array([[0.1, 0.1, 0.8]])).tolist() in ([0], [1])


def test_lenient_counts_two_that_are_found_in_one_that_is_there() -> None:
    truth, found = np.array([1, 2, 2, 0, 3]), np.array([1, 0, 1, 0, 1])
    lenient, strict = lenient_counts(truth, found, None, 5), counts(truth, found, None, 5)
    assert lenient.true.tolist() == [1, 1] and lenient.found.tolist() == [3, 0]
    assert lenient.met.tolist() == [1, 0] and lenient.right.tolist() == [2, 0]
    assert strict.met.sum() == 0


def test_an_entity_weighs_what_its_first_token_weighs() -> None:
    codes, weight = np.array([1, 2, 3]), np.array([3.0, 1.0, 0.5])
    assert counts(codes, codes, weight, 5).true.tolist() == [3.0, 0.5]


def test_rows_without_entities_have_no_score() -> None:
    need = metrics.METRICS["entity_f1_micro"].needs[0]
    truth, weight = np.array([0, 1]), np.array([1.0, 0.0])
    assert need.is_met(truth, None, None, PROBLEM) and not need.is_met(truth, None, weight, PROBLEM)


def test_eighty_thousand_tokens_are_scored_at_once() -> None:
    random = np.random.default_rng(0)
    prediction, truth = _probabilities(random, 80_000, 13), np.zeros(80_000, np.int64)
    prediction[random.random(80_000) < 0.9] = np.eye(13)[0]  # few are likely to be entities, as in texts
    truth[::40] = 1
    started = time.process_time()
    decoded_tags(prediction)
    assert time.process_time() - started < 0.5
