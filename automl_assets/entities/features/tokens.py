"""Texts as tokens, with their places in the text; one tokenizer for all algorithms.

Words with what joins them (don't, links, @names, #tags) are one token, every other mark is one, and so is every character
that begins a run of a script without spaces.
"""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from automl_assets.errors import DataError

TEXTS = ("text", "tokens")  # columns that are read where several could be: the first that is there
# Scripts without spaces, from Thai to Han, and marks that belong to the letter before them, by the numbers of characters.
UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF))
MARKS = ((0x0300, 0x036F), (0x0591, 0x05BD), (0x064B, 0x065F), (0x0670, 0x0670), (0x0900, 0x0963), (0x0966, 0x0DFF))
UNSPACED_MARKS = ((0x0E31, 0x0E31), (0x0E34, 0x0E3A), (0x0E47, 0x0E4E), (0x102B, 0x103E), (0x17B4, 0x17D3))
LINKS = r"https?://[^ \t\r\n]+|www\.[^ \t\r\n]+"
MARK = r"[^ \t\r\n]"
BLANKS_IN_ONNX = r"[^ \t\r\n]+"
BLANKS = re.compile(BLANKS_IN_ONNX)

Range = tuple[int, int]


def _within(ranges: Sequence[Range]) -> set[int]:
    return {code for first, last in ranges for code in range(first, last + 1)}


@cache
def _letters() -> list[Range]:
    """What words are made of: letters, digits, low lines and marks, without scripts that write no spaces."""
    found, others, unspaced = list[Range](), {ord("_"), *_within(MARKS)}, _within(UNSPACED)
    for code in range(0x30, 0x10000):
        if code not in unspaced and (chr(code).isalnum() or code in others):
            found[-1:] = [(found[-1][0], code)] if found and found[-1][1] == code - 1 else [*found[-1:], (code, code)]
    return found


def _words(form: str) -> str:
    """What a token is, as a regular expression in which characters are written by their numbers in a form."""
    word, unspaced, marks = (
        "[" + "".join(f"{form % first}-{form % last}" for first, last in ranges) + "]"
        for ranges in (_letters(), UNSPACED, UNSPACED_MARKS)
    )
    inner = f"(?:['’]{word}+|[.,:][0-9]{word}*)"
    return "|".join((LINKS, f"[@#]{word}+", f"{unspaced}{marks}*", f"{word}+{inner}*", MARK))


WORDS_IN_ONNX = _words("\\x{%04x}")
WORDS = re.compile(_words("\\u%04x"))

Place = tuple[int, int]  # where a token begins, and where the next character is


def token_places(text: str, is_parted_by_blanks: bool) -> list[Place]:
    """Where the tokens of a text are.

    >>> token_places("Oslo, 1.5 km", False)
    [(0, 4), (4, 5), (6, 9), (10, 12)]
    >>> token_places("Oslo, 1.5 km", True)
    [(0, 5), (6, 9), (10, 12)]
    """
    return [found.span() for found in (BLANKS if is_parted_by_blanks else WORDS).finditer(text)]


def tokens_of(texts: Sequence[str | None], is_parted_by_blanks: bool) -> tuple[np.ndarray, np.ndarray]:
    """The tokens of texts, object [n_tokens], and the number of each one's text, int64 [n_tokens]."""
    found = [BLANKS.findall(text or "") if is_parted_by_blanks else WORDS.findall(text or "") for text in texts]
    tokens = np.array([token for tokens in found for token in tokens], dtype=object)
    return tokens, np.repeat(np.arange(len(found)), [len(one) for one in found])


def is_parted_by_blanks(texts: Sequence[str], tags: Sequence[str]) -> bool:
    """Whether the tags are those of words between blanks; else they are of words and marks. Raises DataError for both."""
    pairs = [*zip(texts, tags, strict=True)]
    for is_parted in (True, False):
        if all(len(token_places(text, is_parted)) == len(found.split()) for text, found in pairs):
            return is_parted
    raise DataError(
        "some texts have a tag for each word between blanks, others entities by places; write all in one way"
    )
