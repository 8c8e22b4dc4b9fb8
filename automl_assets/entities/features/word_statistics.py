"""What the other texts say of a word: how often it occurs there, how it is written, which entities it belongs to.

What training says of its own words comes from the other texts alone, or a model would trust what new texts cannot have.
Here belong counts and their codes. Not here: which of them stand together as an attribute (`token_attributes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.tagging import Texts, label_codes

STATISTICS = ("frequency", "writing", "labels")
FREQUENCIES = (1, 2, 4, 8, 21, 101)  # occurrences from which on a word counts as more frequent
LEVELS = (0.25, 0.6)  # shares of a word's occurrences from which on it belongs to entities more clearly

Codes = dict[str, np.ndarray]  # statistic -> int64, from 0 on, which is that of a word that no text has


@dataclass(frozen=True)
class WordStatistics:
    """The codes of words that are met later, and of those of training as its other texts see them."""

    later: dict[str, dict[str, int]]  # statistic -> word -> code
    training: Codes  # [n_tokens]

    @classmethod
    def of(cls, words: np.ndarray, capitals: np.ndarray, y: np.ndarray, texts: Texts) -> "WordStatistics":
        """By the words of all tokens, and whether each begins with a capital (1), a small letter (-1) or neither (0)."""
        places: dict[str, int] = {}
        word = np.array([places.setdefault(one, len(places)) for one in words], np.int64)
        inner = np.where(texts.is_first, 0, capitals)
        counts = [_Counts.of(word, texts, mark) for mark in (np.ones(len(word)), inner > 0, inner < 0)]
        labels = _LabelCounts.of(word, texts, y)
        total = _codes([one.total for one in counts], labels.total)
        return cls(
            {name: dict(zip(places, codes.tolist(), strict=True)) for name, codes in total.items()},
            _codes([one.elsewhere for one in counts], labels.elsewhere),
        )


def known_codes(later: Mapping[str, Mapping[str, int]], words: np.ndarray | list[str]) -> Codes:
    """The codes of words of new texts."""
    return {name: np.array([codes.get(word, 0) for word in words], np.int64) for name, codes in later.items()}


@dataclass(frozen=True)
class _Counts:
    total: np.ndarray  # float64 [n_words]
    elsewhere: np.ndarray  # float64 [n_tokens], in the other texts

    @classmethod
    def of(cls, word: np.ndarray, texts: Texts, mark: np.ndarray) -> "_Counts":
        total = np.bincount(word, weights=mark)
        own = _own(word, texts)
        return cls(total, total[word] - np.bincount(own, weights=mark)[own])


@dataclass(frozen=True)
class _LabelCounts:
    """How often words belong to an entity of each label; most to none, so they are sparse [n, n_labels]."""

    total: Any
    elsewhere: Any

    @classmethod
    def of(cls, word: np.ndarray, texts: Texts, y: np.ndarray) -> "_LabelCounts":
        from scipy.sparse import csr_matrix

        label, own = label_codes(y), _own(word, texts)
        is_inside = label >= 0
        ones, n_labels = np.ones(is_inside.sum()), max(1, label.max(initial=0) + 1)
        total = csr_matrix((ones, (word[is_inside], label[is_inside])), (word.max(initial=0) + 1, n_labels))
        here = csr_matrix((ones, (own[is_inside], label[is_inside])), (own.max(initial=0) + 1, n_labels))
        return cls(total, total[word] - here[own])


def _own(word: np.ndarray, texts: Texts) -> np.ndarray:
    """The number of each token's word within its text, int64 [n_tokens]."""
    text = np.cumsum(texts.is_first) - 1
    return np.unique(text * (word.max(initial=0) + 1) + word, return_inverse=True)[1].reshape(-1)


def _codes(counts: list[np.ndarray], labels: Any) -> Codes:
    often, large, small = counts
    return {
        "frequency": np.searchsorted(FREQUENCIES, often, side="right"),
        "writing": _writing(often, large, small),
        "labels": _labels(often, labels),
    }


def _writing(often: np.ndarray, large: np.ndarray, small: np.ndarray) -> np.ndarray:
    """0 for no word, 1 where it never stands inside a text, then from always small to always with a capital."""
    cases = (often <= 0, large + small <= 0, large <= 0, small <= 0, small > 2 * large, large > 2 * small)
    return np.select(cases, (0, 1, 2, 6, 3, 5), 4)


def _labels(often: np.ndarray, labels: Any) -> np.ndarray:
    """0 for no word, 1 for one of no entity, then three for each label, by the share of its occurrences."""
    inside = np.asarray(labels.sum(axis=1)).ravel()
    most = np.asarray(labels.argmax(axis=1)).ravel()
    level = np.searchsorted(LEVELS, inside / np.maximum(often, 1), side="left")
    return np.where(often <= 0, 0, np.where(inside <= 0, 1, 2 + 3 * most + level))
