"""Free text as columns: term frequencies (TF-IDF) of words, pairs and triples of words, learnt from training rows.

A word is what lies between spaces and punctuation, by fixed ranges of characters that Python and ONNX read alike.
Upper and lower case are one word, told by a list of spellings: folding case depends on an operating system's locale.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.stored import stored_as

MAX_TEXT_COLUMNS = 300  # over all text columns
MAX_WORDS = 1_000  # words of which terms are made, the most frequent ones
MIN_ROWS = 3  # in which a term occurs
FITTED_ROWS = 20_000  # evenly taken, from which terms are learnt
UNKNOWN, NO_WORD = -1, -2  # in place of a word's number

# Outside: ASCII but letters and digits, Latin-1 signs, general punctuation, CJK punctuation. \x{} suits RE2 and Rust.
LETTER = r"[^\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{BF}\x{2000}-\x{206F}\x{3000}-\x{303F}]"
SOLID_LANGUAGES = ("zho", "cmn", "yue", "jpn", "tha", "khm", "lao", "mya")  # written without spaces: split by character
STOP_WORDS_LANGUAGE = "eng"  # the only one that scikit-learn has a list for


@stored_as("tabular.TextTerms")
@dataclass(frozen=True)
class Terms:
    """What is looked for in a text column. Its columns in `codes`: one per term, then the number of words."""

    column: str
    spellings: tuple[str, ...]
    numbers: tuple[int, ...]  # of the word that each spelling belongs to
    terms: tuple[tuple[int, ...], ...]  # numbers of the words of each term, the shorter terms first
    names: tuple[str, ...]
    weights: tuple[float, ...]  # inverse document frequencies
    pattern: str  # of a word

    @property
    def n_columns(self) -> int:
        return len(self.terms) + 1


def pattern_of(language: str | None) -> str:
    """How texts of a language (ISO 639-3) are cut into words.

    >>> pattern_of("jpn") == LETTER, pattern_of("deu") == LETTER + "+"
    (True, True)
    """
    return LETTER if language in SOLID_LANGUAGES else LETTER + "+"


def fit_terms(column: pl.Series, max_terms: int, max_length: int, language: str | None) -> Terms:
    """The terms that occur in the most rows, but not in all."""
    pattern = pattern_of(language)
    rows, spelled = _words(column.gather_every(max(1, -(-len(column) // FITTED_ROWS))), pattern)
    words = _vocabulary(rows, spelled.str.to_lowercase(), _stop_words(language))
    numbers = spelled.str.to_lowercase().replace_strict(
        words, range(len(words)), default=UNKNOWN, return_dtype=pl.Int64
    )
    terms, counts, n_rows = _frequent(rows, numbers.to_numpy(), max_terms, max_length)
    spellings = _spellings(spelled, numbers, {number for term in terms for number in term})
    return Terms(
        column=column.name,
        spellings=tuple(spellings),
        numbers=tuple(spellings.values()),
        terms=tuple(terms),
        names=tuple(" ".join(words[number] for number in term) for term in terms),
        weights=tuple((np.log((1 + n_rows) / (1 + np.array(counts, float))) + 1).tolist()),
        pattern=pattern,
    )


def term_columns(column: pl.Series, terms: Terms) -> np.ndarray:
    """TF-IDF (sub-linear, rows of length 1) and the number of words, float32 [n_rows, n_columns].

    Computed in double, so that rounding to float32 leaves no difference to ONNX for a tree to trip over.
    """
    rows, spelled = _words(column, terms.pattern)
    n_words = np.bincount(rows, minlength=len(column))
    numbers = spelled.replace_strict(terms.spellings, terms.numbers, default=UNKNOWN, return_dtype=pl.Int64).to_numpy()
    counts = _counts(rows, numbers, len(column), terms.terms)
    weighted = (np.log(np.maximum(counts, 1.0)) + (counts > 0)) * np.array(terms.weights)
    length = np.sqrt((weighted * weighted).sum(axis=1, keepdims=True))
    return np.hstack([weighted / np.maximum(length, 1e-9), n_words[:, None]]).astype(np.float32)


def _words(column: pl.Series, pattern: str) -> tuple[np.ndarray, pl.Series]:
    """Every word of every row, and the row it stands in."""
    found = column.cast(pl.String).fill_null("").str.extract_all(pattern)
    rows = np.repeat(np.arange(len(column)), found.list.len().to_numpy())
    return rows, found.explode().drop_nulls()


def _vocabulary(rows: np.ndarray, words: pl.Series, stop_words: frozenset[str]) -> list[str]:
    seen = pl.DataFrame({"row": rows, "word": words}).unique().group_by("word").len("n")
    enough = seen.filter((pl.col("n") >= MIN_ROWS) & ~pl.col("word").is_in(list(stop_words)))
    return enough.sort(["n", "word"], descending=[True, False]).head(MAX_WORDS)["word"].to_list()


def _stop_words(language: str | None) -> frozenset[str]:
    if language != STOP_WORDS_LANGUAGE:
        return frozenset()
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS


def _frequent(
    rows: np.ndarray, numbers: np.ndarray, max_terms: int, max_length: int
) -> tuple[list[tuple[int, ...]], list[int], int]:
    """The best terms, the number of rows each is in, and the number of rows with words."""
    n_rows, base = len(np.unique(rows)), int(numbers.max(initial=0)) + 2
    found: list[tuple[int, int, int]] = []  # rows without sign, length, key: sorts the most frequent to the front
    for length in range(1, max_length + 1):
        where, keys = _keys(rows, numbers, length, base)
        n_places = int(where.max(initial=0)) + 1
        distinct, counts = np.unique(np.unique(keys * n_places + where) // n_places, return_counts=True)
        is_kept = (counts >= MIN_ROWS) & (counts < n_rows)
        found += [
            (-n, length, key) for n, key in zip(counts[is_kept].tolist(), distinct[is_kept].tolist(), strict=True)
        ]
    best = sorted(sorted(found)[:max_terms], key=lambda one: one[1])
    return [_unpacked(key, length, base) for _, length, key in best], [-n for n, _, _ in best], n_rows


def _keys(rows: np.ndarray, numbers: np.ndarray, length: int, base: int) -> tuple[np.ndarray, np.ndarray]:
    """Every run of `length` known words in one row as a single number, and its row."""
    n = max(0, len(numbers) - length + 1)
    runs = [numbers[i : i + n] for i in range(length)]
    is_whole = rows[:n] == rows[length - 1 : length - 1 + n]
    is_whole &= np.all([run >= 0 for run in runs], axis=0)
    return rows[:n][is_whole], sum((run[is_whole] * base**i for i, run in enumerate(runs)), np.zeros(1, np.int64))


def _unpacked(key: int, length: int, base: int) -> tuple[int, ...]:
    return tuple(key // base**i % base for i in range(length))


def _spellings(spelled: pl.Series, numbers: pl.Series, used: Iterable[int]) -> dict[str, int]:
    """Spelling -> word number, for words that occur in a term: as seen in the training rows, and the usual three."""
    seen = pl.DataFrame({"spelled": spelled, "number": numbers}).unique().filter(pl.col("number").is_in(list(used)))
    usual = [
        (form, number) for word, number in seen.iter_rows() for form in (word, word.lower(), word.upper(), word.title())
    ]
    return dict(sorted(dict(reversed(usual)).items(), key=lambda item: (item[1], item[0])))


def _counts(rows: np.ndarray, numbers: np.ndarray, n_rows: int, terms: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """How often each term occurs, float64 [n_rows, n_terms]."""
    counts = np.zeros((n_rows, len(terms)))
    base = max((number for term in terms for number in term), default=0) + 2
    for length in sorted({len(term) for term in terms}):
        columns = [i for i, term in enumerate(terms) if len(term) == length]
        known = np.array([sum(n * base**i for i, n in enumerate(terms[c])) for c in columns])
        order = np.argsort(known)
        where, keys = _keys(rows, numbers, length, base)
        place = np.searchsorted(known[order], keys).clip(max=len(known) - 1)
        is_known = known[order][place] == keys
        flat = where[is_known] * len(columns) + order[place[is_known]]
        counts[:, columns] = np.bincount(flat, minlength=n_rows * len(columns)).reshape(n_rows, -1)
    return counts
