"""Terms of texts, learnt from training rows: runs of words or of characters, and how much each tells (TF-IDF).

A term is known by the numbers of its words or characters. Upper and lower case share a number, told by a list of
spellings, because folding case depends on an operating system's locale. No term of characters has a space inside: it may
begin or end a word. The same as ONNX nodes is in `terms_onnx`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from automl_assets.stored import stored_as
from automl_assets.text.features import tokens

Unit = Literal["word", "character"]
LENGTHS: Mapping[Unit, tuple[int, ...]] = {"word": (1, 2, 3), "character": (2, 3, 4, 5)}
MOST_NUMBERS: Mapping[Unit, int] = {"word": 100_000, "character": 6_000}  # so that a term's key fits 64 bits
MOST_TERMS = 50_000  # of words, and of characters
MOST_COEFFICIENTS = 10_000_000  # terms times classes: what a linear model keeps
SMALL = 50  # rows; in more, a term stands in two of them or more
LEARNT_CHARACTERS = 5_000_000  # of evenly taken rows, from which terms are learnt
UNKNOWN, NO_TOKEN = -1, -2  # in place of a number
SPACE = 0  # number of every character that separates words


@stored_as("text.Terms")
@dataclass(frozen=True)
class Terms:
    """The terms of a unit, shorter ones first, and within a length in the order of their keys."""

    unit: Unit
    spellings: np.ndarray  # object [n_spellings] of str
    numbers: np.ndarray  # int64 [n_spellings], of the word or character that each spelling belongs to
    keys: np.ndarray  # int64 [n_terms]
    lengths: np.ndarray  # int64 [n_terms], words or characters of each term
    weights: np.ndarray  # float32 [n_terms], inverse document frequencies

    @property
    def n_terms(self) -> int:
        return len(self.keys)

    @cached_property
    def base(self) -> int:
        """Of the numbers in a key."""
        return int(self.numbers.max(initial=0)) + 1

    @cached_property
    def members(self) -> np.ndarray:
        """The numbers of the words or characters of each term, one after the other, int64."""
        digits = [self._digits(self.keys[self.lengths == length], length) for length in LENGTHS[self.unit]]
        return np.concatenate([part.ravel() for part in digits])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every term as a person reads it."""
        spelled: dict[int, str] = {}
        for spelling, number in zip(self.spellings.tolist(), self.numbers.tolist(), strict=True):
            if number not in spelled or spelling == spelling.lower():
                spelled[number] = spelling
        spelled |= {SPACE: " "} if self.unit == "character" else {}
        ends = np.cumsum(self.lengths)
        between = " " if self.unit == "word" else ""
        members = [spelled[number] for number in self.members.tolist()]
        return tuple(between.join(members[end - n : end]) for end, n in zip(ends, self.lengths, strict=True))

    def _digits(self, keys: np.ndarray, length: int) -> np.ndarray:
        return np.column_stack([keys // self.base**place % self.base for place in range(length)])


def fit_terms(texts: pl.Series, unit: Unit, most_terms: int) -> Terms:
    """The terms that stand in the most rows."""
    step = max(1, -(-int(texts.str.len_chars().clip(0, tokens.MOST_CHARACTERS).sum()) // LEARNT_CHARACTERS))
    learnt = texts.gather_every(step)
    least = 2 if len(learnt) > SMALL else 1
    spellings, numbers = _SPELLINGS[unit](learnt, least)
    empty = np.empty(0, np.int64)
    known = Terms(unit, spellings, numbers, empty, empty, np.empty(0, np.float32))
    found = _frequent(_grams(known, learnt), least, most_terms)
    n_rows = found["n"].to_numpy()
    weights = np.log((1 + len(learnt)) / (1 + n_rows)) + 1
    keys, lengths = found["key"].to_numpy(), found["length"].to_numpy()
    return Terms(unit, spellings, numbers, keys, lengths, weights.astype(np.float32))


def _grams(terms: Terms, texts: pl.Series) -> pl.DataFrame:
    """Row, length and key of every run of known numbers, each once a row."""
    parts = []
    for batch in tokens.batches(texts):
        rows, numbers = _numbers(terms, texts[batch])
        for length in LENGTHS[terms.unit]:
            where, keys = _runs(rows, numbers, length, terms)
            part = pl.DataFrame({"row": where + batch.start, "key": keys}).unique()
            parts.append(part.with_columns(length=pl.lit(length, pl.Int64)))
    return pl.concat(parts)


def _frequent(grams: pl.DataFrame, least: int, most: int) -> pl.DataFrame:
    counts = grams.group_by("length", "key").len("n").filter(pl.col("n") >= least)
    best = counts.sort(["n", "length", "key"], descending=[True, False, False]).head(most)
    return best.sort(["length", "key"])


def _numbers(terms: Terms, texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The row of every word or character, and its number."""
    if terms.unit == "word":
        rows, spelled = tokens.words(texts)
        known = pl.Series(terms.spellings.tolist(), dtype=pl.String)
        numbers = spelled.replace_strict(known, pl.Series(terms.numbers), default=UNKNOWN, return_dtype=pl.Int64)
        return rows, numbers.to_numpy()
    rows, codes = tokens.characters(texts)
    points = np.array([ord(spelling) for spelling in terms.spellings.tolist()], np.int64)
    table = np.full(0x110000, UNKNOWN, np.int64)
    table[points] = terms.numbers
    return rows, table[codes]


def _runs(rows: np.ndarray, numbers: np.ndarray, length: int, terms: Terms) -> tuple[np.ndarray, np.ndarray]:
    """Row and key of every run of `length` known numbers in one row; of characters without a space inside."""
    n = max(0, len(numbers) - length + 1)
    places = [numbers[place : place + n] for place in range(length)]
    is_whole = rows[:n] == rows[length - 1 : length - 1 + n]
    for place, numbers_there in enumerate(places):
        is_inside = terms.unit == "character" and 0 < place < length - 1
        is_whole &= numbers_there > (SPACE if is_inside else UNKNOWN)
    if terms.unit == "character" and length == 2:
        is_whole &= (places[0] > SPACE) | (places[1] > SPACE)
    keys = sum((there[is_whole] * terms.base**place for place, there in enumerate(places)), np.zeros(1, np.int64))
    return rows[:n][is_whole], keys


def term_matrix(texts: pl.Series, terms: Terms) -> Any:
    """TF-IDF (sub-linear, rows of length 1), scipy csr_matrix float32 [n_rows, n_terms]."""
    from scipy.sparse import csr_matrix, vstack

    blocks = [_block(texts[batch], terms) for batch in tokens.batches(texts)]
    return vstack(blocks, format="csr") if blocks else csr_matrix((0, terms.n_terms), dtype=np.float32)


def _block(texts: pl.Series, terms: Terms) -> Any:
    from scipy.sparse import csr_matrix

    rows, numbers = _numbers(terms, texts)
    flat = [_places(rows, numbers, length, terms) for length in LENGTHS[terms.unit]]
    places, counts = np.unique(np.concatenate(flat), return_counts=True)
    where, columns = np.divmod(places, max(1, terms.n_terms))
    values = (np.log(counts) + 1) * terms.weights[columns]
    norms = np.sqrt(np.bincount(where, values**2, minlength=len(texts)))
    starts = np.searchsorted(where, np.arange(len(texts) + 1))
    scaled = (values / norms[where]).astype(np.float32)
    return csr_matrix((scaled, columns.astype(np.int32), starts), (len(texts), terms.n_terms))


def _places(rows: np.ndarray, numbers: np.ndarray, length: int, terms: Terms) -> np.ndarray:
    """Row times terms plus column of every run that is a term."""
    first, last = np.searchsorted(terms.lengths, [length, length + 1])
    known = terms.keys[first:last]
    if not len(known):
        return np.empty(0, np.int64)
    where, keys = _runs(rows, numbers, length, terms)
    place = np.searchsorted(known, keys).clip(max=len(known) - 1)
    is_known = known[place] == keys
    return where[is_known] * terms.n_terms + first + place[is_known]


# Spellings


def _word_spellings(texts: pl.Series, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Every spelling of the words that stand in enough rows: as seen, and the usual three."""
    rows, spelled = tokens.words(texts)
    seen = pl.DataFrame({"row": rows, "spelling": spelled, "word": spelled.str.to_lowercase()}).unique()
    counts = seen.group_by("word").agg(pl.col("row").n_unique().alias("n")).filter(pl.col("n") >= least)
    known = counts.sort(["n", "word"], descending=[True, False]).head(MOST_NUMBERS["word"])["word"]
    number = {word: place for place, word in enumerate(known.to_list())}
    as_seen = seen.select("spelling", "word").unique().filter(pl.col("word").is_in(known.implode()))
    usual = {form: n for word, n in number.items() for form in (word.title(), word.upper(), word)}
    return _sorted(usual | {spelling: number[word] for spelling, word in as_seen.iter_rows()})


def _character_spellings(texts: pl.Series, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Both cases of every character that was seen, the most frequent ones, and all that separate words."""
    codes = np.concatenate([tokens.characters(texts[batch])[1] for batch in tokens.batches(texts)])
    distinct, counts = np.unique(codes, return_counts=True)
    order = np.lexsort((distinct, -counts))
    seen = [chr(code) for code in distinct[order].tolist() if chr(code) not in tokens.SPACES]
    lower = [one if len(one) == 1 else character for character in seen for one in (character.lower(),)]
    number = {one: place for place, one in enumerate(dict.fromkeys(lower[: MOST_NUMBERS["character"]]), start=1)}
    pairs = {one: number[one] for one in number}
    pairs |= {one.upper(): number[one] for one in number if len(one.upper()) == 1 and one.upper() not in number}
    pairs |= {character: number[one] for character, one in zip(seen, lower, strict=True) if one in number}
    return _sorted(pairs | dict.fromkeys(tokens.SPACES, SPACE))


def _sorted(numbers: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    ordered = sorted(numbers.items(), key=lambda item: (item[1], item[0]))
    return np.array([one for one, _ in ordered], object), np.array([number for _, number in ordered], np.int64)


_SPELLINGS: Mapping[Unit, Callable[[pl.Series, int], tuple[np.ndarray, np.ndarray]]] = {
    "word": _word_spellings,
    "character": _character_spellings,
}
