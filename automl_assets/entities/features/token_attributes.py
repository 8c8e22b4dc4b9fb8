"""What a CRF sees of a token and its neighbours: word, shape, beginnings and ends, what other texts say of the word.

A token has a code for each aspect; a template names aspects at places beside the token, whose codes together are an
attribute. Here belong codes and attributes. Not here: what an attribute weighs (`algorithms`).
"""

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.entities.features.word_statistics import STATISTICS, Codes, WordStatistics, known_codes
from automl_assets.entities.records import TokenInputs
from automl_assets.stored import stored_as

UNKNOWN, BEYOND = 0, 1  # codes of what training did not have, and of a place before or after the text
FIRST_CODE = 2
STATISTIC_CODES = 1_024  # more than there are of a statistic with 250 labels
MOST_LETTERS = 30  # of a token that are looked at

Template = tuple[tuple[str, int], ...]  # an aspect, and how many tokens to the right of the token it is looked at

MARKS_BEFORE, MARKS_AFTER = '"“”‘([{<«', '.,!?;:"”’)]}>»…'

# What a character counts as, one character each, so that an ONNX graph can tell the same.
SMALL = {
    code: "0" if chr(code).isdecimal() else chr(code).lower()
    for code in range(0x10000)
    if (chr(code).isdecimal() or chr(code).lower() != chr(code)) and len(chr(code).lower()) == 1
}


def bare(token: str) -> str:
    """The token without marks that stick to a word, as they do where nobody parted them.

    >>> bare("(Oslo)."), bare("'s"), bare("...")
    ('Oslo', "'s", '...')
    """
    return token.lstrip(MARKS_BEFORE).rstrip(MARKS_AFTER) or token


def bare_place(text: str, place: tuple[int, int]) -> tuple[int, int]:
    """Where the same begins and ends in its text.

    >>> bare_place("in (Oslo).", (3, 10))
    (4, 8)
    """
    token = text[place[0] : place[1]]
    is_word = bare(token) != token
    start = place[0] + (len(token) - len(token.lstrip(MARKS_BEFORE)) if is_word else 0)
    return start, start + len(bare(token))


def letter_kind(letter: str) -> str:
    """X for a capital, x for another letter, 9 for a digit; others are themselves.

    >>> "".join(map(letter_kind, "Ab1-"))
    'Xx9-'
    """
    category = unicodedata.category(letter)
    return "X" if category == "Lu" else "x" if category[0] == "L" else "9" if category == "Nd" else letter


def _small(token: str) -> str:
    return token.translate(SMALL)


def _shape(token: str, most: int = 2) -> str:
    """Kinds of letters in their order, at most so many of a kind after each other.

    >>> _shape("McDonald"), _shape("2017"), _shape("@paul", most=1)
    ('XxXxx', '99', '@x')
    """
    kinds = [letter_kind(letter) for letter in token]
    return "".join(kind for at, kind in enumerate(kinds) if kinds[max(0, at - most) : at] != [kind] * most)


ASPECTS: dict[str, Callable[[str], str]] = {
    "word": _small,
    "written": lambda token: token,
    "shape": _shape,
    "kind": lambda token: _shape(token, most=1),
    **{f"begins_{n}": lambda token, n=n: _small(token)[:n] for n in (2, 3, 4)},  # type: ignore[misc]
    **{f"ends_{n}": lambda token, n=n: _small(token)[-n:] for n in (1, 2, 3, 4)},  # type: ignore[misc]
}

TEMPLATES: tuple[Template, ...] = (
    *((("word", place),) for place in (-2, -1, 0, 1, 2)),
    *((("shape", place),) for place in (-2, -1, 0, 1, 2)),
    *((("kind", place),) for place in (-2, -1, 0, 1, 2)),
    *(((name, 0),) for name in ASPECTS if name.startswith(("begins", "ends"))),
    *((("ends_3", place),) for place in (-1, 1)),
    *((("kind", place), ("kind", place + 1)) for place in (-1, 0)),
    (("kind", -1), ("kind", 0), ("kind", 1)),
    (("word", -1), ("kind", 0)),
    (("kind", 0), ("word", 1)),
    *(
        template
        for name in ("frequency", "labels")
        for template in (
            *(((name, place),) for place in (-1, 0, 1)),
            ((name, 0), ("kind", 0)),
            *(((name, place), (name, place + 1)) for place in (-1, 0)),
        )
    ),
    *((("writing", place), ("kind", place)) for place in (-1, 0, 1)),
    *((("writing", place), ("kind", place), ("writing", place + 1), ("kind", place + 1)) for place in (-1, 0)),
)


@stored_as("entities.AttributeTable")
@dataclass(frozen=True)
class AttributeTable:
    """Which attributes there are; each has a number, from 1 on, template by template."""

    templates: tuple[Template, ...]
    values: dict[str, dict[str, int]]  # aspect -> what it may be -> code
    statistics: dict[str, dict[str, int]]  # statistic -> word -> code, less FIRST_CODE
    keys: tuple[np.ndarray, ...]  # of each template the known combinations of codes, int64, ascending

    @property
    def n_attributes(self) -> int:
        """With number 0, which means none."""
        return 1 + sum(len(keys) for keys in self.keys)

    @property
    def sizes(self) -> dict[str, int]:
        """How many codes each aspect has at most."""
        texts = {name: FIRST_CODE + len(values) for name, values in self.values.items()}
        return texts | dict.fromkeys(self.statistics, STATISTIC_CODES)

    def numbers(self, inputs: TokenInputs) -> np.ndarray:
        """The attribute of each template at each token, int32 [n_tokens, n_templates]; 0 where it is not known."""
        tokens, place = _distinct(inputs.tokens)
        codes = _text_codes(self.values, tokens, place)
        for name, found in known_codes(self.statistics, [_small(token) for token in tokens]).items():
            codes[name] = FIRST_CODE + found[place]
        return self.numbers_of(codes, inputs.text)

    def numbers_of(self, codes: Codes, text: np.ndarray) -> np.ndarray:
        """The same by codes of each aspect, int64 [n_tokens], and the number of each token's text."""
        found, first = np.zeros((len(text), len(self.keys)), np.int32), 1
        for column, (template, keys) in enumerate(zip(self.templates, self.keys, strict=True)):
            if len(keys):
                combined = _combined(template, codes, self.sizes, text)
                at = np.minimum(np.searchsorted(keys, combined), len(keys) - 1)
                found[:, column] = np.where(keys[at] == combined, first + at, 0)
            first += len(keys)
        return found


def learn_attributes(
    inputs: TokenInputs, y: np.ndarray, least: int, most: int, deadline: float
) -> tuple[AttributeTable, np.ndarray]:
    """Attributes that occur as often as `least` among these tokens, the `most` frequent of them, and their numbers at the
    tokens [n_tokens, n_templates], to which a word is as known as other texts make it. When time is up, templates that are
    left have none."""
    tokens, place = _distinct(inputs.tokens)
    used = {name for template in TEMPLATES for name, _ in template} - {*STATISTICS}
    values = {name: _numbered({ASPECTS[name](token) for token in tokens}) for name in sorted(used)}
    words = WordStatistics.of(
        np.array([_small(token) for token in tokens], object)[place],
        np.array([_capital(token) for token in tokens], np.int64)[place],
        np.asarray(y),
        inputs.texts,
    )
    codes = _text_codes(values, tokens, place) | {name: FIRST_CODE + words.training[name] for name in STATISTICS}
    bare_table = AttributeTable(TEMPLATES, values, words.later, ())
    found = [(np.zeros(0, np.int64),) * 2] * len(TEMPLATES)
    for number, template in enumerate(TEMPLATES):
        if time.monotonic() > deadline and number:
            break
        keys, counts = np.unique(_combined(template, codes, bare_table.sizes, inputs.text), return_counts=True)
        found[number] = keys[counts >= least], counts[counts >= least]
    least = max(least, _least_of_most([counts for _, counts in found], most))
    table = AttributeTable(TEMPLATES, values, words.later, tuple(keys[counts >= least] for keys, counts in found))
    return table, table.numbers_of(codes, inputs.text)


def _least_of_most(counts: Sequence[np.ndarray], most: int) -> int:
    """How often an attribute must occur for at most so many to be left."""
    every = np.sort(np.concatenate(counts))[::-1]
    return int(every[most]) + 1 if len(every) > most else 0


def _capital(token: str) -> int:
    return int(token[:1].isupper()) - int(token[:1].islower())


def _text_codes(values: dict[str, dict[str, int]], tokens: list[str], place: np.ndarray) -> Codes:
    return {
        name: np.array([known.get(ASPECTS[name](token), UNKNOWN) for token in tokens], np.int64)[place]
        for name, known in values.items()
    }


def _combined(template: Template, codes: Codes, sizes: dict[str, int], text: np.ndarray) -> np.ndarray:
    """The codes of a template as one number, int64 [n_tokens]."""
    key = np.zeros(len(text), np.int64)
    for name, offset in template:
        key = key * sizes[name] + _beside(codes[name], text, offset)
    return key


def _distinct(tokens: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The different tokens without the marks that stick to them, and the place of each token among them."""
    places: dict[str, int] = {}
    place = np.array([places.setdefault(token, len(places)) for token in tokens], np.int64)
    return [bare(token)[:MOST_LETTERS] for token in places], place


def _numbered(texts: set[str]) -> dict[str, int]:
    return {text: FIRST_CODE + number for number, text in enumerate(sorted(texts))}


def _beside(codes: np.ndarray, text: np.ndarray, offset: int) -> np.ndarray:
    """The codes of the tokens so many places to the right in the same text."""
    at = np.arange(len(codes)) + offset
    inside = np.clip(at, 0, len(codes) - 1)
    return np.where((at == inside) & (text[inside] == text), codes[inside], BEYOND)


def sum_weights(weights: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The weights of each token's attributes together, float64 [n_tokens, n_tags]; those of number 0 are zero."""
    total = np.zeros((len(numbers), weights.shape[1]))
    for column in numbers.T:
        total += weights[column]
    return total
