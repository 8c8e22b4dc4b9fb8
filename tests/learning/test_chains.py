"""Probabilities of tags against a sum over all ways to tag."""

import itertools

import numpy as np

from automl_assets.learning.chains import FORBIDDEN, marginals
from automl_assets.tagging import Texts

N_TAGS = 3


def _all_ways(scores: np.ndarray, follow: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The same by looking at every way to tag one text."""
    found, pairs, total = np.zeros_like(scores), np.zeros_like(follow), 0.0
    for way in itertools.product(range(N_TAGS), repeat=len(scores)):
        steps = [*itertools.pairwise(way)]
        weight = np.exp(scores[np.arange(len(scores)), way].sum() + sum(follow[pair] for pair in steps))
        total += weight
        found[np.arange(len(scores)), way] += weight
        for pair in steps:
            pairs[pair] += weight
    return found / total, pairs / total, float(np.log(total))


def test_marginals_are_sums_over_all_ways_to_tag() -> None:
    random = np.random.default_rng(0)
    number = np.repeat([4, 9, 2, 7], [3, 1, 5, 2])
    scores, follow = random.normal(scale=3, size=(len(number), N_TAGS)), random.normal(size=(N_TAGS, N_TAGS))
    follow[0, 2] = FORBIDDEN
    found, pairs, total = marginals(scores, follow, Texts(number))
    each = [_all_ways(scores[number == one], follow) for one in (4, 9, 2, 7)]
    assert np.allclose(found, np.concatenate([one[0] for one in each]))
    assert np.allclose(pairs, sum(one[1] for one in each))
    assert np.isclose(total, sum(one[2] for one in each))


def test_no_tokens() -> None:
    assert marginals(np.zeros((0, 2)), np.zeros((2, 2)), Texts(np.zeros(0, np.int64)))[0].shape == (0, 2)
