"""Tags that follow each other: how probable each is where all of a text are looked at (forward-backward, Rabiner 1989).

Here belong sums over the ways to tag a text. Not here: where scores come from, and what tags mean.
"""

import numpy as np

from automl_assets.tagging import Texts

FORBIDDEN = -1e4  # a score that no other can make up for; finite, so that differences of two stay numbers


def marginals(
    scores: np.ndarray, transitions: np.ndarray, texts: Texts, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Probability of each tag at each token [n_tokens, n_tags], expected number of each pair of neighbours [n_tags,
    n_tags], and the sum over texts of the logarithm of what all ways to tag weigh together.

    `scores` are float64 [n_tokens, n_tags]; a first token's are those of the tag and of a text that begins with it. Pairs
    and texts count as often as `weight` [n_tokens] says, which is the same for all tokens of a text.
    """
    top = scores.max(axis=1)
    emission, follow = np.exp(scores - top[:, None]), np.exp(transitions)
    forward, scale = _forward(emission, follow, texts)
    backward = np.ones_like(emission)
    pairs, times = np.zeros_like(follow), np.ones(len(scores)) if weight is None else weight
    for before, here in zip(texts.steps[-2::-1], texts.steps[:0:-1], strict=True):
        n = len(here)
        ahead = emission[here] * backward[here] / scale[here, None]
        backward[before[:n]] = ahead @ follow.T
        pairs += forward[before[:n]].T @ (ahead * times[here, None])
    return forward * backward, pairs * follow, float((times * (np.log(scale) + top)).sum())


def _forward(emission: np.ndarray, follow: np.ndarray, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each tag given all tokens so far [n_tokens, n_tags], and what they were divided by [n_tokens]."""
    forward, scale = np.empty_like(emission), np.empty(len(emission))
    before: np.ndarray | None = None
    for here in texts.steps:
        weight = emission[here] if before is None else (forward[before[: len(here)]] @ follow) * emission[here]
        scale[here] = np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
        forward[here] = weight / scale[here, None]
        before = here
    return forward, scale
