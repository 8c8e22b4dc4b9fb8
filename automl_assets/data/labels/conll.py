"""CoNLL: a token and its tag per line, a blank line between sentences (Tjong Kim Sang and De Meulder 2003).

A row for each sentence: tokens and tags, each separated by blanks, as text tasks read them. Knowledge of the format alone
belongs here.
"""

import re

import polars as pl

from automl_assets.errors import SourceError
from automl_assets.parts import LabelFormat

EXTENSIONS = (".conll", ".conllu", ".iob", ".bio", ".txt")
BLANKS = " \t"  # no others part a token from its tag: 10\u00a0000 is one token
COMMENTS = ("-DOCSTART-", "# ")


def read(content: bytes, name: str, target: str) -> pl.DataFrame:
    """Columns `text` (tokens) and the target (as many tags). The first word of a line is the token, the last its tag.

    Raises SourceError that names the first line without a tag, or with one that is not O, B-… or I-….
    """
    try:
        lines = content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is not UTF-8: {error}") from None
    sentences: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(lines, start=1):
        if not line.strip(BLANKS):
            sentences.append([])
        elif not line.startswith(COMMENTS):
            sentences[-1].append(_token(line, number, name))
    rows = [{"text": " ".join(t for t, _ in one), target: " ".join(tag for _, tag in one)} for one in sentences if one]
    if not rows:
        raise SourceError(f"{name}: there is no sentence; write a token and its tag per line")
    return pl.DataFrame(rows)


def _token(line: str, number: int, name: str) -> tuple[str, str]:
    words = re.split(rf"[{BLANKS}]+", line.strip(BLANKS))
    if len(words) < 2 or not (words[-1] == "O" or words[-1].startswith(("B-", "I-"))):
        raise SourceError(f"{name}: line {number} is {line!r}; write a token, a blank, and a tag: O, B-… or I-…")
    return words[0], words[-1]


PART = LabelFormat(
    name="conll", title="CoNLL (tokens and tags)", extensions=EXTENSIONS, is_of=lambda content: True, read=read
)
