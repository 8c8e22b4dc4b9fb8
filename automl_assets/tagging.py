"""Entities as tags of tokens (IOB2): what the tags are, which sequence is answered, and which entities it means.

The tags of a problem stand in one order: O, then B- and I- of each label, so that a code says what its tag is. Rows are
tokens, those of a text after each other; no I- is probable at the first token of a text, which keeps texts apart.
Here belong formulas in numpy alone. Not here: reading texts, scoring (`metrics`).
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from automl_assets.records import Label

OUTSIDE = "O"
BEGIN, INSIDE = "B-", "I-"
BLANK = "\u00a0"  # within a token: it parts none
LISTS = "lists_of_tokens"  # key of a model's metadata: texts may come as such lists, written as JSON
LEAST_INSIDE = 1e-3  # the probability of an I- below which none is answered, which cuts sequences short


def tags_of(labels: Iterable[str]) -> tuple[str, ...]:
    """The tags of entities with these labels, in the order of their codes.

    >>> tags_of(["person", "place"])
    ('O', 'B-person', 'I-person', 'B-place', 'I-place')
    """
    return (OUTSIDE, *(prefix + label for label in sorted(set(labels)) for prefix in (BEGIN, INSIDE)))


def labels_of(tags: Sequence[Label]) -> tuple[str, ...]:
    """The labels of entities, in the order of their codes."""
    return tuple(str(tag).removeprefix(BEGIN) for tag in tags[1::2])


def is_inside(codes: np.ndarray) -> np.ndarray:
    """Whether each is the code of an I-."""
    return (codes > 0) & (codes % 2 == 0)


def label_codes(codes: np.ndarray) -> np.ndarray:
    """The number of each tag's label; -1 for O."""
    return (codes + 1) // 2 - 1


def may_follow(n_tags: int) -> np.ndarray:
    """Whether the tag across may stand behind the tag down, bool [n_tags, n_tags]: before I- stands B- or I- of its label."""
    tags = np.arange(n_tags)
    return ~is_inside(tags) | (label_codes(tags)[:, None] == label_codes(tags))


@dataclass(frozen=True)
class Entities:
    """Entities in order: from the token `start` to the token `end`, which is one of them."""

    start: np.ndarray  # int64 [n_entities], rows
    end: np.ndarray  # int64 [n_entities], rows
    label: np.ndarray  # int64 [n_entities], numbers of labels


def entities(codes: np.ndarray, is_first: np.ndarray | None = None, is_strict: bool = False) -> Entities:
    """What the tags [n_tokens] mean; `is_first` tells where texts begin, where a tag could reach back over that.

    An I- that follows nothing of its label begins an entity, as in `conlleval`; strictly it means nothing.

    >>> found = entities(np.array([1, 2, 0, 2, 3]))
    >>> found.start, found.end, found.label
    (array([0, 3, 4]), array([1, 3, 4]), array([0, 0, 1]))
    """
    label = label_codes(codes)
    continues = is_inside(codes) & (np.append(-1, label[:-1])[: len(codes)] == label)
    if is_first is not None:
        continues &= ~is_first
    start = np.flatnonzero((label >= 0) & ~continues)
    end = np.flatnonzero((label >= 0) & ~np.append(continues[1:], False)[: len(codes)])
    kept = codes[start] % 2 == 1 if is_strict else slice(None)
    return Entities(start[kept], end[kept], label[start][kept])


@dataclass(frozen=True)
class Texts:
    """Which tokens follow each other: those of a text share a number and stand together.

    >>> Texts(np.array([7, 7, 9])).lengths
    array([2, 1])
    """

    number: np.ndarray  # int64 [n_tokens]

    @cached_property
    def is_first(self) -> np.ndarray:
        """Whether a token begins a text, bool [n_tokens]."""
        return np.append(True, self.number[1:] != self.number[:-1])[: len(self.number)]

    @cached_property
    def starts(self) -> np.ndarray:
        return np.flatnonzero(self.is_first)

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.diff(np.append(self.starts, len(self.number)))

    @cached_property
    def steps(self) -> list[np.ndarray]:
        """Rows of the first tokens, of the second ones, ...; the texts stand in one order, the longest first."""
        order = np.argsort(-self.lengths, kind="stable")
        starts, lengths = self.starts[order], self.lengths[order]
        n_left = np.searchsorted(-lengths, -np.arange(lengths.max(initial=0)))  # texts longer than each place
        return [starts[:n] + place for place, n in enumerate(n_left)]


# Which sequence is answered


def decoded_tags(prediction: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """The most probable sequence of tags that means entities, int64 [n_tokens], by probabilities [n_tokens, n_tags].

    Under a threshold below one half an entity is answered where it is less probable than none.

    >>> decoded_tags(np.array([[0.5, 0.3, 0.2], [0.3, 0.1, 0.6]])).tolist()
    [1, 2]
    """
    weights = prediction * np.append(threshold, np.full(prediction.shape[1] - 1, 1.0 - threshold))
    found = weights.argmax(axis=1)
    breaks = is_inside(found) & ~may_follow(prediction.shape[1])[np.append(0, found[:-1])[: len(found)], found]
    if breaks.any():
        rows, run = _runs(prediction[:, 2::2].max(axis=1) >= LEAST_INSIDE, breaks)
        found[rows] = _viterbi(weights[rows], Texts(run))
    return found


def _runs(could_be_inside: np.ndarray, breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of all stretches with a break, and the number of each one's stretch: a token that is no I-, and all those
    after it that could be one."""
    run = np.cumsum(~could_be_inside)
    rows = np.flatnonzero(np.isin(run, run[breaks]))
    return rows, run[rows]


def _viterbi(weights: np.ndarray, runs: Texts) -> np.ndarray:
    """The best way to tag each of some stretches of tokens, int64 [n_tokens] (Viterbi 1967)."""
    n_tags = weights.shape[1]
    with np.errstate(divide="ignore"):
        best = np.log(weights)
    best[runs.starts[:, None], np.arange(2, n_tags, 2)] = -np.inf
    came, path = np.zeros(best.shape, np.int64), np.zeros(len(best), np.int64)
    for before, here in zip(runs.steps[:-1], runs.steps[1:], strict=True):
        came[here] = _best_before(best[before[: len(here)]])
        best[here] += np.take_along_axis(best[before[: len(here)]], came[here], axis=1)
    last = runs.starts + runs.lengths - 1
    path[last] = best[last].argmax(axis=1)
    for before, here in zip(runs.steps[-2::-1], runs.steps[:0:-1], strict=True):
        path[before[: len(here)]] = came[here, path[here]]
    return path


def _best_before(best: np.ndarray) -> np.ndarray:
    """The tag that best stands before each tag, int64 [n, n_tags], by how good each is as the last so far: before I- it is
    B- or I- of its label, before others any. Pairs of tags are not laid out, of which 250 labels have 251,001."""
    came = np.repeat(best.argmax(axis=1)[:, None], best.shape[1], axis=1)
    begin, inside = best[:, 1::2], best[:, 2::2]
    came[:, 2::2] = np.where(inside > begin, 2, 1) + np.arange(0, best.shape[1] - 1, 2)
    return came


# How texts come, and what a person is told


def joined_tokens(cell: str) -> str | None:
    """The text of a cell that is a list of tokens as JSON, with a blank after each; None for another.

    >>> joined_tokens('["in", "New York", "."]')
    'in New\\xa0York .'
    """
    if not cell.startswith("["):
        return None
    try:
        tokens = json.loads(cell)
    except ValueError:
        return None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return None
    return " ".join(re.sub(r"[ \t\r\n]+", BLANK, token) or BLANK for token in tokens)


def without_lists(feeds: Mapping[str, np.ndarray], properties: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Columns for a model as it reads them: lists of tokens as texts, where its metadata say that it knows such."""
    if LISTS not in properties:
        return dict(feeds)
    return {name: _without_lists(values) for name, values in feeds.items()}


def _without_lists(values: np.ndarray) -> np.ndarray:
    found = values.copy()
    found[:] = [[joined_tokens(text) or text for text in row] for row in values]
    return found


def told_entities(tokens: Mapping[str, np.ndarray], texts: Sequence[str]) -> list[str]:
    """Of each text its entities as JSON: places in characters, text, label, and how probable the least sure token is.

    Of each token: `row`, the number of its text; `tags`, the answered tag; its `probability`; where it begins (`start`) and
    ends (`end`).
    """
    found: list[list[dict[str, Any]]] = [[] for _ in texts]
    parts = (tokens[name].tolist() for name in ("row", "tags", "start", "end", "probability"))
    for row, tag, start, end, probability in zip(*parts, strict=True):
        if tag.startswith(BEGIN):
            label = tag.removeprefix(BEGIN)
            found[row].append({"start": start, "end": end, "text": "", "label": label, "probability": probability})
        elif tag != OUTSIDE:
            one = found[row][-1]
            one["end"], one["probability"] = end, min(one["probability"], probability)
    for text, some in zip(texts, found, strict=True):
        for one in some:
            one["text"], one["probability"] = text[one["start"] : one["end"]], round(one["probability"], 4)
    return [json.dumps(some, ensure_ascii=False) for some in found]


def parted(tokens: Mapping[str, np.ndarray], n_texts: int) -> list[list[list[float]]]:
    """The probabilities of the tokens of each text."""
    ends = np.searchsorted(tokens["row"], np.arange(n_texts), side="right")
    return [some.tolist() for some in np.split(tokens["probabilities"], ends[:-1])]


# How many entities are right


@dataclass(frozen=True)
class Counts:
    """Entities of each label, float64 [n_labels]: those that are there, those found, and how many of each are right.

    Strictly the two last are one; where a shared token is enough, two that are found may meet one that is there.
    """

    true: np.ndarray
    found: np.ndarray
    met: np.ndarray  # of those that are there
    right: np.ndarray  # of those that are found

    @property
    def pooled(self) -> "Counts":
        """Of all labels together, float64 [1] each."""
        return Counts(*(one.sum(keepdims=True) for one in (self.true, self.found, self.met, self.right)))


def counts(truth: np.ndarray, found: np.ndarray, weight: np.ndarray | None, n_tags: int) -> Counts:
    """By bounds and label: the tags [n_tokens] that are true, those found, and what each token weighs."""
    true, other = entities(truth), entities(found)
    ends, labels = np.full(len(truth), -1), np.full(len(truth), -1)
    ends[other.start], labels[other.start] = other.end, other.label
    is_met = (ends[true.start] == true.end) & (labels[true.start] == true.label)
    met = _totals(true, is_met, weight, n_tags)
    return Counts(_totals(true, None, weight, n_tags), _totals(other, None, weight, n_tags), met, met)


def lenient_counts(truth: np.ndarray, found: np.ndarray, weight: np.ndarray | None, n_tags: int) -> Counts:
    """By label, where one token of both is enough (`type` in SemEval 2013)."""
    true, other = entities(truth), entities(found)
    label = label_codes(truth)
    shared = np.append(0, np.cumsum((label >= 0) & (label == label_codes(found))))
    met, right = (shared[some.end + 1] > shared[some.start] for some in (true, other))
    totals = [
        _totals(some, chosen, weight, n_tags)
        for some, chosen in ((true, None), (other, None), (true, met), (other, right))
    ]
    return Counts(*totals)


def _totals(some: Entities, chosen: np.ndarray | None, weight: np.ndarray | None, n_tags: int) -> np.ndarray:
    """The weight of the chosen entities of each label: an entity weighs what its first token weighs."""
    weights = np.ones(len(some.start)) if weight is None else weight[some.start]
    return np.bincount(some.label, weights if chosen is None else weights * chosen, n_tags // 2)
