"""judged_entities: every entity that is true or answered, what became of it, and what can be said of it in words."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.entities.records import TokenInputs
from automl_assets.steps.tabulate_confusions import INVENTED, MISSED, NOTHING, OTHER
from automl_assets.tagging import Entities, entities

RIGHT, BOUNDS, BOTH = "right", "other bounds", "other bounds and label"


@dataclass(frozen=True)
class JudgedEntities:
    """Those that are true, in order, then those that are answered where none is."""

    start: np.ndarray  # int64 [n_entities], rows
    end: np.ndarray  # int64 [n_entities], the last row
    label: np.ndarray  # int64 [n_entities], of the true one, or of the one that is not there
    answered: np.ndarray  # int64 [n_entities], the label that is answered there; -1 where none is
    kind: np.ndarray  # object [n_entities], what is wrong

    def __len__(self) -> int:
        return len(self.start)

    @property
    def is_right(self) -> np.ndarray:
        return self.kind == RIGHT

    def f1(self, some: np.ndarray) -> float | None:
        """Of some entities, by number; None where there are none."""
        kind = self.kind[some]
        n_true, n_found = int((kind != INVENTED).sum()), int((kind != MISSED).sum())
        return 2.0 * int((kind == RIGHT).sum()) / (n_true + n_found) if n_true + n_found else None

    def pairs(self, labels: tuple[str, ...]) -> list[tuple[str, str, str, int]]:
        """Kind, label, what is answered and how often, of those that are wrong."""
        names = [*labels, NOTHING]
        labelled = zip(self.kind, self.label, self.answered, strict=True)
        counts = Counter((kind, own, other) for kind, own, other in labelled if kind != RIGHT)
        return [
            (kind, NOTHING if kind == INVENTED else names[own], names[other], n)
            for (kind, own, other), n in counts.items()
        ]


def judged_entities(truth: np.ndarray, found: np.ndarray) -> JudgedEntities:
    """By the tags [n_tokens] that are true and those that are answered.

    >>> judged = judged_entities(np.array([1, 2, 0, 1, 0]), np.array([1, 0, 0, 3, 1]))
    >>> judged.kind.tolist()
    ['other bounds', 'other label', 'not there']
    """
    true, other = entities(truth), entities(found)
    of_token = _numbers(other, len(truth))
    told = [_judged(true, i, other, of_token) for i in range(len(true.start))]
    n_true = np.append(0, np.cumsum(_numbers(true, len(truth)) >= 0))  # tokens of true entities before each
    alone = np.flatnonzero(n_true[other.end + 1] == n_true[other.start])
    return JudgedEntities(
        np.append(true.start, other.start[alone]),
        np.append(true.end, other.end[alone]),
        np.append(true.label, other.label[alone]),
        np.append(np.array([label for _, label in told], np.int64), other.label[alone]),
        np.array([*(kind for kind, _ in told), *[INVENTED] * len(alone)], object),
    )


def _numbers(some: Entities, n_tokens: int) -> np.ndarray:
    """The number of each token's entity, -1 where it has none."""
    numbers = np.full(n_tokens, -1, np.int64)
    for i, (start, end) in enumerate(zip(some.start, some.end, strict=True)):
        numbers[start : end + 1] = i
    return numbers


def _judged(true: Entities, i: int, other: Entities, of_token: np.ndarray) -> tuple[str, int]:
    """What became of a true entity, and the label that is answered there: by the likest that shares a token."""
    start, end, label = true.start[i], true.end[i], true.label[i]
    met = np.unique(of_token[start : end + 1])
    met = met[met >= 0]
    if not len(met):
        return MISSED, -1
    is_same, has_bounds = other.label[met] == label, (other.start[met] == start) & (other.end[met] == end)
    best = int(np.argmax(2 * has_bounds + is_same))
    names = {(True, True): RIGHT, (True, False): BOUNDS, (False, True): OTHER, (False, False): BOTH}
    return names[bool(is_same[best]), bool(has_bounds[best])], int(other.label[met[best]])


def spelled(start: np.ndarray, end: np.ndarray, inputs: TokenInputs) -> list[str]:
    """Entities as words, from the rows `start` to the rows `end`."""
    return [" ".join(inputs.tokens[first : last + 1].tolist()) for first, last in zip(start, end, strict=True)]


def told_entities(
    judged: JudgedEntities, inputs: TokenInputs, labels: tuple[str, ...], known: Collection[str]
) -> pl.DataFrame:
    """What errors are told by; `known` are the entities that other texts of training have, in small letters."""
    names = spelled(judged.start, judged.end, inputs)
    lengths = inputs.texts.lengths
    text_of = np.cumsum(inputs.texts.is_first) - 1
    return pl.DataFrame(
        {
            "label": [labels[code] for code in judged.label],
            "words in the entity": judged.end - judged.start + 1,
            "known from training": ["yes" if name.lower() in known else "no" for name in names],
            "written": [_writing(name) for name in names],
            "words in the text": lengths[text_of[judged.start]],
            "words before it": judged.start - inputs.texts.starts[text_of[judged.start]],
        },
        schema_overrides={"label": pl.String, "known from training": pl.String, "written": pl.String},
    )


def _writing(name: str) -> str:
    """How an entity is written, in a word or two."""
    if any(letter.isdigit() for letter in name):
        return "with digits"
    if name.isupper():
        return "in capitals"
    if name.islower():
        return "in small letters"
    return "with capital initials" if name[:1].isupper() else "otherwise"
