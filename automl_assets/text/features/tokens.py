"""How a text is cut, alike in Python and in ONNX: into words, and into characters.

A word is a run of letters and digits, by fixed ranges of characters; in scripts that are written without spaces, and among
emoji, every character is one. Nothing here depends on an operating system's locale.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

# Outside of words: ASCII but letters and digits, Latin-1 signs, general punctuation, CJK punctuation and wide forms of it.
_OUTSIDE = r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{BF}\x{2000}-\x{206F}\x{3000}-\x{303F}\x{FE00}-\x{FE0F}\x{FF00}-\x{FF0F}"
# A word each: Thai, Lao, Myanmar, Khmer, signs and dingbats, kana, Han, emoji.
_SINGLE = (
    r"\x{E00}-\x{EFF}\x{1000}-\x{109F}\x{1780}-\x{17FF}\x{2600}-\x{27BF}\x{3040}-\x{30FF}\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}"
    r"\x{F900}-\x{FAFF}\x{1F000}-\x{1FAFF}\x{20000}-\x{3FFFF}"
)
WORD = f"[{_SINGLE}]|[^{_OUTSIDE}{_SINGLE}]+"  # suits RE2 and Rust
CHARACTER = "(?s)."
MOST_WORDS, MOST_CHARACTERS = 10_000, 20_000  # of a text; what follows is not read
BATCH_CHARACTERS = 2_000_000  # that are looked at together
SPACES = "\0\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
LINE_END = "\n"  # between the text columns of a row


def joined_texts(table: pl.DataFrame) -> pl.Series:
    """The texts of each row, one below the other; a missing one is empty."""
    columns = [pl.col(name).cast(pl.String).fill_null("") for name in table.columns]
    return table.select(pl.concat_str(columns, separator=LINE_END).alias("text")).to_series()


def batches(texts: pl.Series) -> Iterator[slice]:
    """Rows whose texts are looked at together, so that memory stays bounded however long they are."""
    sizes = np.minimum(texts.str.len_chars().to_numpy(), MOST_CHARACTERS) + 2
    part = np.cumsum(sizes) // BATCH_CHARACTERS
    starts = np.flatnonzero(np.diff(part, prepend=-1)) if len(part) else np.empty(0, np.int64)
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(part)], strict=True):
        yield slice(start, stop)


def words(texts: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """The row of each word, int64 [n_words], and the word.

    >>> words(pl.Series(["Good day, 世界!"]))[1].to_list()
    ['Good', 'day', '世', '界']
    """
    found = texts.str.extract_all(WORD).list.head(MOST_WORDS)
    rows = np.repeat(np.arange(len(texts)), found.list.len().to_numpy())
    return rows, found.explode().drop_nulls()


def characters(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The row of each character, int64 [n_characters], and its code point, int64; a space stands at either end.

    >>> "".join(map(chr, characters(pl.Series(["ab", ""]))[1]))
    ' ab   '
    """
    padded = [f" {text} "[:MOST_CHARACTERS] for text in texts.str.slice(0, MOST_CHARACTERS).to_list()]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32).astype(np.int64)
    return np.repeat(np.arange(len(padded)), [len(text) for text in padded]), codes
