"""Texts as tokens, with their places in the text; one tokenizer for all algorithms.

Words with what joins them (don't, e-mail addresses, links, @names, #tags) are one token, every other mark is one, and so
is every character of a script that writes no spaces.
"""

import re
from collections.abc import Sequence

import numpy as np

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Thai to Han
WORDS = re.compile(
    rf"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.-]*\w|[@#]\w+|[{UNSPACED}][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*"
    rf"|\d+(?:[.,:]\d+)*|[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*|[^\w\s]"
)
BLANKS = re.compile(r"[^ \t\r\n]+")

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
