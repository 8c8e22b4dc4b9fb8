"""Tokens with tags: lines of CoNLL, and tags of any scheme as IOB2. A row is a text: tokens, and as many tags, by blanks.

Here belongs the format alone, for whoever reads it as a source or as labels. Not here: what tags mean (`tagging`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from automl_assets.errors import SourceError, nearest

EXTENSIONS = (".conll", ".conllu", ".iob", ".bio", ".txt")
BLANKS = " \t"  # no others part a token from its tag: 10\u00a0000 is one token
DOCUMENT, COMMENT = "-DOCSTART-", "# "
BEGINS, CONTINUES, ENDS = ("B", "S", "U"), ("I", "E", "L"), ("E", "L", "S", "U", "O")  # IOB, IOBES and BILOU
ADVICE = "write a token, a blank, and a tag: O, B-… or I-…"

_TAG = re.compile(r"O|[BIESUL]-\S+")


def to_iob2(tags: Iterable[str]) -> list[str]:
    """Tags of one text, whatever their scheme: IOB1, IOB2, IOBES or BILOU.

    >>> to_iob2(["I-PER", "I-PER", "O", "S-ORG", "B-LOC", "E-LOC"])
    ['B-PER', 'I-PER', 'O', 'B-ORG', 'B-LOC', 'I-LOC']
    """
    found, before = list[str](), "O"
    for tag in tags:
        goes_on = tag[0] in CONTINUES and before[0] not in ENDS and before[1:] == tag[1:]
        found.append("O" if tag == "O" else ("I" if goes_on else "B") + tag[1:])
        before = tag
    return found


def is_tag(word: str) -> bool:
    """Whether it is a tag of any scheme.

    >>> is_tag("B-person"), is_tag("person")
    (True, False)
    """
    return _TAG.fullmatch(word) is not None


def read_conll(content: bytes, name: str, target: str) -> pl.DataFrame:
    """Columns `text` (tokens) and the target (as many tags, in IOB2), a row for each sentence. The first word of a line is
    the token, the last its tag; blank lines stand between sentences, lines of a document's beginning count for nothing.

    Raises SourceError that names the first line that cannot be so.
    """
    rows = [
        {"text": " ".join(token for token, _ in one), target: " ".join(to_iob2(tag for _, tag in one))}
        for one in _sentences(_lines(content, name), name)
    ]
    if not rows:
        raise SourceError(f"{name}: there is no sentence; write a token and its tag per line")
    return pl.DataFrame(rows)


def write_conll(rows: pl.DataFrame, target: str) -> bytes:
    """Sentences as `read_conll` reads them, a blank line after each."""
    texts = zip(rows["text"].to_list(), rows[target].to_list(), strict=True)
    lines = ("".join(f"{a} {b}\n" for a, b in zip(_words(t), tags.split(" "), strict=True)) for t, tags in texts)
    return "\n".join([*lines, ""]).encode()


def retagged_conll(content: bytes, name: str, tags: Mapping[int, str]) -> bytes:
    """The same lines with other tags in the sentences of these numbers; a tag is the last word of its line."""
    lines, sentence, left, is_inside = content.decode("utf-8-sig").split("\n"), -1, list[str](), False
    for place, line in enumerate(lines):
        words = _words(line)
        is_token = bool(words) and not _is_comment(line.rstrip("\r"), words)
        if is_token and not is_inside:
            sentence += 1
            left = tags.get(sentence, "").split(" ")[::-1] if sentence in tags else []
        is_inside = is_token or (is_inside and bool(words))
        if is_token and left:
            before, _, behind = line.rpartition(words[-1])
            lines[place] = before + left.pop() + behind
    return "\n".join(lines).encode()


def _lines(content: bytes, name: str) -> list[str]:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{name} is not UTF-8: {error}; save it as UTF-8") from None


def _sentences(lines: Iterable[str], name: str) -> Iterator[list[tuple[str, str]]]:
    """Tokens with their tags. The words of a sentence's lines are as many in each."""
    sentence, n_words = list[tuple[str, str]](), 0
    for number, line in enumerate(lines, start=1):
        words = _words(line)
        if words and not _is_comment(line, words):
            n_words = n_words if sentence else len(words)
            _check(words, n_words, f"{name}: line {number}", line)
            sentence.append((words[0], words[-1]))
        elif sentence and not words:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _words(text: str) -> list[str]:
    """What blanks and ends of lines part."""
    return [word for word in re.split(rf"[{BLANKS}\r\n]+", text) if word]


def _is_comment(line: str, words: list[str]) -> bool:
    """Lines of CoNLL-U begin with a sharp, which is a token too."""
    return line.startswith(DOCUMENT) or (line.startswith(COMMENT) and not (len(words) == 2 and is_tag(words[1])))


def _check(words: list[str], n_words: int, where: str, line: str) -> None:
    if len(words) < 2:
        raise SourceError(f"{where} is {line!r}, without a tag; {ADVICE}")
    if not is_tag(words[-1]):
        hint = nearest(words[-1], ["O"]) or " Tags of IOB, IOBES and BILOU are known."
        raise SourceError(f"{where} is {line!r}, and {words[-1]!r} is no tag; {ADVICE}.{hint}")
    if len(words) != n_words:
        raise SourceError(
            f"{where} is {line!r}, {len(words)} columns where the sentence began with {n_words}; a token holds no blank, and "
            "a blank line stands between sentences"
        )
