"""text_guardrails: what to know about texts before anything learns from them, and what a person can do about it."""

import re
from collections import Counter

import numpy as np
import polars as pl

from automl_assets.features.language import is_language_known, languages_of
from automl_assets.records import SOURCE, TEST_FILE, ColumnProfile, Dataset, Guardrail
from automl_assets.text.features.tokens import MOST_CHARACTERS, WORD, joined_texts

LEAST_ROWS = 50  # as in Azure
LOOKED_AT = 2_000  # texts whose language is found
SHORT, LONG = 128, 512  # tokens that models read
TOKENS_PER_WORD = 1.3  # of subword vocabularies, where texts are of words
LONG_SHARE = 0.1  # of the texts, as in Azure
N_HASHES, N_BANDS = 32, 8  # of a text's pairs of words; texts alike in .8 of these are found in 97 of 100 cases
NEAR = 0.8  # share of their pairs of words that near-duplicates have in common
MOST_WORDS = 400  # of a text that are compared
DAMAGE = re.compile("[ÃÂ][\x80-\xbf]|â€|Ð[\x80-\xbf\u2018-\u2122]|ï»¿|ï¿½")  # UTF-8 that was read as Latin-1
REPLACED = ("\ufffd", "\0")


def texts_of(dataset: Dataset, columns: tuple[ColumnProfile, ...]) -> pl.Series:
    """The texts of every row of all files."""
    return joined_texts(dataset.table.select([column.name for column in columns if column.kind == "text"]))


def enough_rows(n_rows: int) -> Guardrail:
    """Azure asks for 50 labelled rows; fewer are learnt from, with a warning."""
    if n_rows >= LEAST_ROWS:
        return Guardrail("enough_rows", "passed", f"{n_rows} rows have a target.", {"rows": n_rows})
    text = f"{n_rows} rows have a target, {LEAST_ROWS} are the least to learn well from. Bring more labelled rows."
    return Guardrail("enough_rows", "alerted", text, {"rows": n_rows})


def empty_texts(texts: pl.Series) -> Guardrail:
    """Rows of nothing but spaces: the answer is that of the other columns, or the most frequent."""
    n_empty = int((texts.str.strip_chars() == "").sum())
    if not n_empty:
        return Guardrail("empty_texts", "passed", "Every row has a text.")
    share = n_empty / len(texts)
    text = (
        f"{n_empty} of {len(texts)} rows have no text ({share:.1%}). They are kept; remove them if they are by mistake."
    )
    return Guardrail("empty_texts", "alerted" if share > LONG_SHARE else "done", text, {"rows": n_empty})


def text_lengths(texts: pl.Series) -> Guardrail:
    """Words against the tokens that models read, 128 or 512; features read up to 20,000 characters."""
    n_words = texts.str.count_matches(WORD).to_numpy()
    median, long, longest = float(np.median(n_words)), _share_over(n_words, SHORT), _share_over(n_words, LONG)
    n_cut = int((texts.str.len_chars() > MOST_CHARACTERS).sum())
    figures = {"median_words": median, "over_128_tokens": long, "over_512_tokens": longest, "cut": n_cut}
    told = [f"Half of the texts have {median:,.0f} words or more"]
    told += [f"{long:.0%} have over {SHORT} tokens"] * (long > 0) + [f"{longest:.0%} over {LONG}"] * (longest > 0)
    told += [f"{n_cut} are read up to their first {MOST_CHARACTERS:,} characters"] * bool(n_cut)
    is_long = long > LONG_SHARE or n_cut
    return Guardrail("text_lengths", "done" if is_long else "passed", "; ".join(told) + ".", figures)


def _share_over(n_words: np.ndarray, n_tokens: int) -> float:
    return float((n_words * TOKENS_PER_WORD > n_tokens).mean()) if len(n_words) else 0.0


def encoding_damage(texts: pl.Series) -> Guardrail:
    """Replacement characters, null bytes, and UTF-8 that was read as Latin-1 (Ã© for é)."""
    found = {
        "replacement characters": int(texts.str.contains(REPLACED[0], literal=True).sum()),
        "null bytes": int(texts.str.contains(REPLACED[1], literal=True).sum()),
        "letters read in a wrong encoding, such as Ã©": int(texts.str.contains(DAMAGE.pattern).sum()),
    }
    told = [f"{n} with {what}" for what, n in found.items() if n]
    if not told:
        return Guardrail("encoding_damage", "passed", "No text is damaged.")
    text = f"Of {len(texts)} texts {', '.join(told)}. Write the file as UTF-8, or name its encoding in `source`."
    return Guardrail("encoding_damage", "alerted", text, {"texts": sum(found.values())})


def languages(texts: pl.Series) -> Guardrail:
    """The language of each row, by the package py3langid where it is installed."""
    if not is_language_known():
        text = "The language was not looked for: pip install 'automl-assets[text]'. Models learn from any."
        return Guardrail("languages", "passed", text)
    counts = language_counts(texts)
    n_rows = sum(counts.values())
    shares = {language: n / n_rows for language, n in counts.most_common(10)}
    told = ", ".join(f"{language} {share:.0%}" for language, share in shares.items()) or "none"
    return Guardrail("languages", "passed", f"Languages of the texts: {told}.", {"shares": shares})


def language_counts(texts: pl.Series) -> Counter[str]:
    """How many of some texts are in each language (ISO 639-1)."""
    known = texts.filter(texts.str.contains(r"\p{L}"))
    step = max(1, -(-len(known) // LOOKED_AT))
    return Counter(languages_of(known.gather_every(step)).drop_nulls().to_list())


def near_duplicates(texts: pl.Series, part: np.ndarray) -> Guardrail:
    """Texts that repeat an earlier one but for case, punctuation and a few words; worst where a test row repeats one."""
    first = first_alike(texts)
    repeats = np.flatnonzero(first < np.arange(len(first)))
    across = repeats[(part[repeats] == TEST_FILE) & (part[first[repeats]] != TEST_FILE)]
    within = repeats[part[repeats] == SOURCE]
    figures = {"rows": len(within), "across_files": len(across)}
    if len(across):
        text = (
            f"{len(across)} test rows nearly repeat a row to learn from (row {across[0]} of all files repeats row "
            f"{first[across[0]]}): the test flatters. Remove them from one side."
        )
        return Guardrail("near_duplicates", "alerted", text, figures)
    if not len(within):
        return Guardrail("near_duplicates", "passed", "No text nearly repeats another.", figures)
    text = (
        f"{len(within)} texts ({len(within) / len(texts):.1%}) nearly repeat an earlier one (row {within[0]} repeats row "
        f"{first[within[0]]}); copies may fall on both sides of the split. Remove them, or name what they share as group_column."
    )
    return Guardrail("near_duplicates", "alerted" if len(within) > 0.01 * len(texts) else "done", text, figures)


def first_alike(texts: pl.Series) -> np.ndarray:
    """The number of the first row with nearly the same text, int64 [n_rows]; the row itself where there is none.

    By MinHash of pairs of words (Broder 1997), in bands; what shares a band is compared.
    """
    found = np.arange(len(texts))
    rows, grams = _pairs_of_words(texts)
    if not len(rows):
        return found
    signature = _signatures(rows, grams, len(texts))
    sets = dict(enumerate(np.split(grams, np.searchsorted(rows, np.arange(1, len(texts))))))
    for band in np.split(signature, N_BANDS, axis=1):
        _, place, bucket = np.unique(band, axis=0, return_index=True, return_inverse=True)
        firsts = place[bucket.reshape(-1)]
        for row in np.flatnonzero((firsts < np.arange(len(texts))) & (found == np.arange(len(texts)))).tolist():
            if len(sets[row]) and _likeness(sets[row], sets[int(firsts[row])]) >= NEAR:
                found[row] = firsts[row]
    return found


def _pairs_of_words(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Row and hash of each pair of words in a row, of lower case; of a text of one word the word itself."""
    split = texts.str.to_lowercase().str.extract_all(WORD).list.head(MOST_WORDS)
    rows = np.repeat(np.arange(len(texts)), split.list.len().to_numpy())
    hashes = split.explode().drop_nulls().hash(seed=0).to_numpy()
    is_pair = np.append(rows[1:] == rows[:-1], False)
    is_alone = ~is_pair & np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    pairs = np.where(is_pair, hashes * np.uint64(31) + np.roll(hashes, -1), hashes)
    return rows[is_pair | is_alone], pairs[is_pair | is_alone]


def _signatures(rows: np.ndarray, grams: np.ndarray, n_rows: int) -> np.ndarray:
    """The least of several hashes of each row's pairs, uint64 [n_rows, N_HASHES]; of rows without any their own number."""
    random = np.random.default_rng(0)
    signature = np.tile(np.arange(n_rows, dtype=np.uint64)[:, None], N_HASHES)
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    for number, (factor, shift) in enumerate(random.integers(1, 2**63, (N_HASHES, 2), dtype=np.uint64)):
        mixed = (grams ^ shift) * (factor | np.uint64(1))
        signature[rows[starts], number] = np.minimum.reduceat(mixed ^ (mixed >> np.uint64(32)), starts)
    return signature


def _likeness(one: np.ndarray, other: np.ndarray) -> float:
    """What two sets have in common, as a share of what either has."""
    n_common = len(np.intersect1d(one, other))
    return n_common / (len(np.unique(one)) + len(np.unique(other)) - n_common)
