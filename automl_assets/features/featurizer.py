"""From raw columns to numbers: what is learnt once from the training rows, and how it is applied.

Uses no target, so nothing can leak. The same recipe as ONNX nodes is in `featurizer_onnx`.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from automl_assets.data.date_parts import DATE_PARTS
from automl_assets.data.typing import as_floats, seconds_since_1970
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.features.embedding import Embedding, embedding_columns, fit_embedding
from automl_assets.features.tfidf import MAX_TEXT_COLUMNS, Terms, fit_terms, term_columns
from automl_assets.learning.encodings import ENCODED_LEVELS
from automl_assets.records import FeatureColumn, Kind
from automl_assets.stored import stored_as

MAX_LEVELS = 200  # categories of a column that get a code of their own
MAX_ONE_HOT = 50  # of these, how many get a column of their own in the dense view
MIN_LEVEL_COUNT = 2  # rows a category needs, above SMALL_TABLE rows
SMALL_TABLE = 200
MAX_KNOWN = 10_000  # categories of a column that are told apart at all: by a code, a bucket or their frequency
REPEATED_SHARE = 0.5  # of a text's rows must hold a text that occurs again, for the text to be a category as well
MISSING_TEXTS = ("", " ")  # as good as no value, also in the ONNX model, which cannot take a missing text
KEPT_APART = 0.95  # of a number's distinct values: where float32 keeps fewer, an offset is subtracted first
TINY = float(np.finfo(np.float32).tiny)  # a smaller spread would be rounded to 0

CLIP = 10.0  # standard deviations; keeps an outlier from ruling a linear model
BOOLEANS = {"true": "True", "false": "False"}  # as polars writes them -> as Python does
WHOLE = re.compile(r"(-?[0-9]+)(\.0)?")


@stored_as("tabular.CategoryCodes")
@dataclass(frozen=True)
class Levels:
    """Categories of a column by code, the most frequent first, then the buckets that the `hashed` ones share.

    `has_other`: one more code stands for all the rest. `fill`: the category a missing value is taken for.
    """

    column: str
    values: tuple[str, ...]
    has_other: bool
    hashed: tuple[str, ...] = ()
    n_buckets: int = 0
    fill: str | None = None

    @property
    def n_codes(self) -> int:
        return len(self.values) + self.n_buckets + self.has_other

    @property
    def codes(self) -> dict[str, float]:
        """Every spelling of a category that is told from others, with its code."""
        own = {value: float(code) for code, value in enumerate(self.values)}
        return spelled(own | {value: float(len(own) + bucket(value, self.n_buckets)) for value in self.hashed})

    @property
    def other(self) -> float:
        return float(len(self.values) + self.n_buckets) if self.has_other else float("nan")

    @property
    def missing(self) -> float:
        return float("nan") if self.fill is None else self.codes.get(self.fill, self.other)


def bucket(value: str, n_buckets: int) -> int:
    """The same bucket on every machine and in every run.

    >>> bucket("red", 16), bucket("grün", 16)
    (15, 5)
    """
    return zlib.crc32(value.encode()) % n_buckets


def spelled(known: Mapping[str, float]) -> dict[str, float]:
    """What is known of categories, also by the other spelling that each may come in: a gap in its column makes 7.0 of a
    7 (pandas, JSON). A spelling that is a category of its own stays one.

    >>> spelled({"7": 0.0, "8.0": 1.0, "red": 2.0})
    {'7': 0.0, '8.0': 1.0, 'red': 2.0, '7.0': 0.0, '8': 1.0}
    """
    others = {other: found for value, found in known.items() if (other := _other_spelling(value)) is not None}
    return {**known, **{other: found for other, found in others.items() if other not in known}}


def _other_spelling(value: str) -> str | None:
    number = WHOLE.fullmatch(value)
    if number:
        return number[1] if number[2] else f"{value}.0"
    return BOOLEANS.get(value)


@stored_as("tabular.CategoryFrequencies")
@dataclass(frozen=True)
class Frequencies:
    """How often each category occurs, for columns with too many to have a code each; `rare` for those unheard of."""

    column: str
    values: tuple[str, ...]
    shares: tuple[float, ...]
    rare: float

    @property
    def known(self) -> dict[str, float]:
        """Every spelling of a category that is told from others, with its share."""
        return spelled(dict(zip(self.values, self.shares, strict=True)))


@stored_as("tabular.NumberImputation")
@dataclass(frozen=True)
class Fill:
    """What a missing number becomes, as the experiment says; `is_marked`: a further column says that it was missing."""

    column: str
    value: float
    is_marked: bool


@stored_as("tabular.NumberOffset")
@dataclass(frozen=True)
class Offset:
    """What is subtracted, in float64, from a number whose values float32 could not tell apart: moments in seconds, say,
    or long counters. A median of the training rows."""

    column: str
    value: float


@stored_as("tabular.DateParts")
@dataclass(frozen=True)
class DateParts:
    """Which parts of a moment vary in the training rows."""

    column: str
    parts: tuple[str, ...]


@stored_as("tabular.DenseView")
@dataclass(frozen=True)
class Dense:
    """From `codes` to the dense view: numbers imputed and standardised, then markers, then one-hot columns."""

    means: tuple[float, ...]  # one per number column of `codes`
    scales: tuple[float, ...]
    marked: tuple[int, ...]  # number columns that had missing values, and so get a marker
    one_hot: tuple[tuple[int, int], ...]  # (column of `codes`, code), code -1 for a missing value


@stored_as("tabular.Featurizer")
@dataclass(frozen=True)
class Featurizer:
    """The recipe, as plain values. Columns of `codes`: numbers, markers of filled numbers, parts of dates, terms of
    texts, their embeddings, frequencies of categories, then categories."""

    numbers: tuple[str, ...]
    dates: tuple[DateParts, ...]
    categories: tuple[Levels, ...]
    dense: Dense
    texts: tuple[Terms, ...] = ()
    frequencies: tuple[Frequencies, ...] = ()
    fills: tuple[Fill, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    encodings: tuple[str, ...] = ()  # of `encodings.ENCODERS`: worth trying inside the folds
    offsets: tuple[Offset, ...] = ()

    @property
    def offset_of(self) -> dict[str, float]:
        """Number column -> what is subtracted from it; for those only that have an offset."""
        return {offset.column: offset.value for offset in self.offsets}

    @property
    def fill_of(self) -> dict[str, float]:
        """Number column -> what a missing value becomes in `codes`; for those only that are filled."""
        return {fill.column: fill.value - self.offset_of.get(fill.column, 0.0) for fill in self.fills}

    @property
    def marked(self) -> tuple[str, ...]:
        """Number columns with a marker in `codes`."""
        return tuple(fill.column for fill in self.fills if fill.is_marked)

    @property
    def n_plain(self) -> int:
        """How many leading columns of `codes` are numbers, their markers or parts of dates."""
        return len(self.numbers) + len(self.marked) + sum(len(date.parts) for date in self.dates)

    @property
    def n_numbers(self) -> int:
        """How many leading columns of `codes` are no categories."""
        n_embedded = sum(embedding.n_dims for embedding in self.embeddings)
        return self.n_plain + sum(text.n_columns for text in self.texts) + n_embedded + len(self.frequencies)

    @property
    def n_terms(self) -> dict[int, int]:
        """Column of `codes` where the terms of a text begin -> number of terms."""
        starts = np.cumsum([self.n_plain, *(text.n_columns for text in self.texts)]).tolist()
        return {start: len(text.terms) for start, text in zip(starts, self.texts, strict=False)}

    @property
    def n_levels(self) -> dict[int, int]:
        """Column of `codes` -> number of categories."""
        return {self.n_numbers + i: levels.n_codes for i, levels in enumerate(self.categories)}

    @property
    def raw_columns(self) -> tuple[str, ...]:
        dates, texts = (date.column for date in self.dates), (text.column for text in self.texts)
        return tuple(dict.fromkeys((*self.numbers, *dates, *texts, *(levels.column for levels in self.categories))))

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """One per column of `codes`."""
        return tuple(
            column for found in (self._number_columns, self._text_columns, self._category_columns) for column in found()
        )

    def _number_columns(self) -> list[FeatureColumn]:
        filled = {fill.column: f", missing is {fill.value:g}" for fill in self.fills}
        moved = {name: f" less {value:.15g}" for name, value in self.offset_of.items()}
        numbers = [
            FeatureColumn(name, name, f"number{moved.get(name, '')}{filled.get(name, '')}") for name in self.numbers
        ]
        markers = [FeatureColumn(f"{name}_was_missing", name, "marker of missing values") for name in self.marked]
        dates = [
            FeatureColumn(f"{d.column}_{part}", d.column, f"{part} of date") for d in self.dates for part in d.parts
        ]
        return numbers + markers + dates

    def _text_columns(self) -> list[FeatureColumn]:
        embedded = [
            FeatureColumn(f"{e.column}_embedding_{i}", e.column, "embedding")
            for e in self.embeddings
            for i in range(e.n_dims)
        ]
        return [
            FeatureColumn(f"{text.column}_{name}", text.column, transformation)
            for text in self.texts
            for name, transformation in (*((f'"{n}"', "TF-IDF") for n in text.names), ("n_words", "number of words"))
        ] + embedded

    def _category_columns(self) -> list[FeatureColumn]:
        often = [FeatureColumn(f"{f.column}_frequency", f.column, "frequency of category") for f in self.frequencies]
        return often + [FeatureColumn(c.column, c.column, _in_words(c)) for c in self.categories]


def _in_words(levels: Levels) -> str:
    buckets = f", {levels.n_buckets} of them hash buckets" if levels.n_buckets else ""
    return f"category ({levels.n_codes} codes{buckets})"


def fit_featurizer(table: pl.DataFrame, kinds: Mapping[str, Kind], wishes: Wishes = Wishes()) -> Featurizer:  # noqa: B008
    """Learns the recipe from the training rows `table`; columns of kind `ignored` are left out."""
    of_kind: dict[str, list[str]] = {kind: [name for name, k in kinds.items() if k == kind] for kind in kinds.values()}
    numbers, texts = of_kind.get("numeric", []), of_kind.get("text", [])
    coded = [*of_kind.get("categorical", []), *(name for name in texts if _is_repeated(table[name]))]
    categories = tuple(_fit_levels(table[name], wishes) for name in coded)
    terms = _fit_texts(table.select(texts), wishes)
    empty = Featurizer(
        numbers=tuple(numbers),
        dates=tuple(_fit_dates(table[name]) for name in of_kind.get("datetime", [])),
        categories=categories,
        dense=Dense((), (), (), ()),
        texts=terms,
        embeddings=tuple(fit_embedding(table[name], wishes.text_embedding) for name in texts if wishes.text_embedding),
        frequencies=_fit_frequencies(table, categories, wishes),
        fills=tuple(_fit_fill(table[name], *wishes.imputers[name]) for name in numbers if name in wishes.imputers),
        encodings=_worth_trying(categories, terms, len(numbers), wishes),
        offsets=tuple(found for name in numbers if (found := _fit_offset(table[name])) is not None),
    )
    return replace(empty, dense=_fit_dense(encode(empty, table), empty, wishes))


def _worth_trying(
    categories: tuple[Levels, ...], texts: tuple[Terms, ...], n_numbers: int, wishes: Wishes
) -> tuple[str, ...]:
    has_many = any(levels.n_codes > ENCODED_LEVELS for levels in categories)
    found = {
        "target": (has_many, "cat_target_encoder"),
        "weight_of_evidence": (has_many, "woe_target_encoder"),
        "text_naive_bayes": (any(text.terms for text in texts), "text_target_encoder"),
        "cluster_distance": (n_numbers > 1, "cluster_distance"),
    }
    return tuple(name for name, (is_worth, blockable) in found.items() if is_worth and blockable not in wishes.blocked)


def encode(featurizer: Featurizer, table: pl.DataFrame) -> np.ndarray:
    """Rows as codes, float32 [n_rows, n_codes]. Missing values and unseen categories are NaN."""
    offsets, fills = featurizer.offset_of, featurizer.fill_of
    blocks = [_filled(_number(table[name], offsets.get(name, 0.0)), fills.get(name)) for name in featurizer.numbers]
    blocks += [np.isnan(_number(table[name])).astype(np.float32) for name in featurizer.marked]
    blocks += [part for date in featurizer.dates for part in _date_columns(table[date.column], date.parts)]
    blocks += [term_columns(table[text.column], text) for text in featurizer.texts]
    blocks += [embedding_columns(table[embedding.column], embedding) for embedding in featurizer.embeddings]
    blocks += [_frequency(table[found.column], found) for found in featurizer.frequencies]
    blocks += [_codes(table[levels.column], levels) for levels in featurizer.categories]
    if not blocks:
        return np.empty((table.height, 0), np.float32)
    return np.column_stack(blocks).astype(np.float32, copy=False)


def _filled(values: np.ndarray, fill: float | None) -> np.ndarray:
    return values if fill is None else np.where(np.isnan(values), np.float32(fill), values)


def densify(featurizer: Featurizer, codes: np.ndarray) -> np.ndarray:
    """The dense view of `codes`, float32 [n_rows, n_dense]: no missing values, comparable scales."""
    recipe, n_numbers = featurizer.dense, featurizer.n_numbers
    numbers = codes[:, :n_numbers]
    is_missing = np.isnan(numbers)
    scaled = (np.where(is_missing, _row(recipe.means), numbers) - _row(recipe.means)) / _row(recipe.scales)
    blocks = [np.clip(scaled, -CLIP, CLIP), is_missing[:, list(recipe.marked)]]
    if recipe.one_hot:
        where, code = np.array(recipe.one_hot).T
        filled = np.nan_to_num(codes[:, n_numbers:], nan=-1.0)
        blocks.append(filled[:, where - n_numbers] == code.astype(np.float32))
    return np.hstack(blocks, dtype=np.float32, casting="unsafe")


def _row(values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float32)


def _number(column: pl.Series, offset: float = 0.0) -> np.ndarray:
    """A column less its offset as float32, with infinities as missing."""
    values = as_floats(column)
    with np.errstate(over="ignore"):
        narrow = (values - offset).astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32("nan"))


def _date_columns(column: pl.Series, parts: tuple[str, ...]) -> list[np.ndarray]:
    seconds = seconds_since_1970(column)
    is_missing = np.isnan(seconds)
    moment = np.floor(np.where(is_missing, 0.0, seconds)).astype("int64").astype("datetime64[s]")
    return [np.where(is_missing, np.nan, DATE_PARTS[part](moment)).astype(np.float32) for part in parts]


def _codes(column: pl.Series, levels: Levels) -> np.ndarray:
    return _looked_up(column, levels.codes, levels.other, levels.missing)


def _frequency(column: pl.Series, found: Frequencies) -> np.ndarray:
    return _looked_up(column, found.known, found.rare, float("nan"))


def _looked_up(column: pl.Series, known: Mapping[str, float], other: float, missing: float) -> np.ndarray:
    text = _texts(column)
    values = np.array([*known.values()], np.float32)
    found = text.replace_strict([*known], values, default=other, return_dtype=pl.Float32)
    return np.where(text.is_null().to_numpy(), np.float32(missing), found.to_numpy())


def _texts(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String)
    return text.set(text.is_in(MISSING_TEXTS), None)


def _fit_dates(column: pl.Series) -> DateParts:
    """Where no part varies one is kept, so that every column of a kind that is used has a place in `codes`."""
    every = _date_columns(column.drop_nulls(), tuple(DATE_PARTS))
    varying = [part for part, values in zip(DATE_PARTS, every, strict=True) if len(np.unique(values)) > 1]
    return DateParts(column.name, tuple(varying) or ("days",))


def _counted(column: pl.Series) -> pl.DataFrame:
    """Every text with its count, the most frequent first; a whole number as one, whatever its column's type."""
    texts = _texts(column).drop_nulls().rename("value")
    counts = (texts.str.strip_suffix(".0") if column.dtype.is_float() else texts).value_counts()
    return counts.sort(["count", "value"], descending=[True, False])


def _fit_levels(column: pl.Series, wishes: Wishes) -> Levels:
    counts = _counted(column)
    enough = MIN_LEVEL_COUNT if len(column) > SMALL_TABLE else 1
    known = counts.filter(pl.col("count") >= enough).head(MAX_KNOWN)["value"].to_list()
    fill = _fit_category_fill(counts, *wishes.imputers[column.name]) if column.name in wishes.imputers else None
    is_hashed = len(known) > MAX_LEVELS and "hash_one_hot_encoder" not in wishes.blocked
    hashed = known[MAX_LEVELS:] if is_hashed else []
    has_other = len(known[:MAX_LEVELS]) + len(hashed) < counts.height
    n_buckets = 2**wishes.hash_bits if hashed else 0
    return Levels(column.name, tuple(known[:MAX_LEVELS]), has_other, tuple(hashed), n_buckets, fill)


def _fit_category_fill(counts: pl.DataFrame, strategy: str, value: float | str | None) -> str | None:
    if strategy == "constant":
        return str(value)
    return next(iter(counts["value"]), None)


def _fit_frequencies(table: pl.DataFrame, categories: tuple[Levels, ...], wishes: Wishes) -> tuple[Frequencies, ...]:
    if "frequency_encoder" in wishes.blocked:
        return ()
    wide = [levels.column for levels in categories if levels.hashed or levels.has_other]
    return tuple(_fit_frequency(table[name]) for name in wide)


def _fit_frequency(column: pl.Series) -> Frequencies:
    kept = _counted(column).filter(pl.col("count") > 1).head(MAX_KNOWN)
    shares = kept["count"] / len(column)
    return Frequencies(column.name, tuple(kept["value"]), tuple(shares), 1 / len(column))


def _fit_texts(table: pl.DataFrame, wishes: Wishes) -> tuple[Terms, ...]:
    """The columns share out how many terms there may be."""
    most = 0 if "tf_idf" in wishes.blocked else min(wishes.max_terms, MAX_TEXT_COLUMNS // max(1, table.width))
    return tuple(fit_terms(column, most, wishes.max_length, wishes.language) for column in table)


def _is_repeated(column: pl.Series) -> bool:
    """Whether a text is a category as well: most rows hold one that occurs again."""
    counts = _counted(column)["count"]
    return int(counts.filter(counts > 1).sum()) >= REPEATED_SHARE * max(1, int(counts.sum()))


def _fit_offset(column: pl.Series) -> Offset | None:
    """Where float32 takes many values for one another, and fewer of them once the median is subtracted."""
    known = distinct_numbers(column)
    if not len(known) or (before := share_apart(known)) >= KEPT_APART:
        return None
    offset = float(np.quantile(known, 0.5, method="lower"))
    return Offset(column.name, offset) if share_apart(known - offset) > before else None


def distinct_numbers(column: pl.Series) -> np.ndarray:
    """The finite values of a column, each once, ascending, float64."""
    values = as_floats(column)
    return np.unique(values[np.isfinite(values)])


def share_apart(distinct: np.ndarray) -> float:
    """How many of these values float32 tells from one another, as a share.

    >>> share_apart(np.array([1_700_000_000.0, 1_700_000_001.0])), share_apart(np.array([0.0, 1.0]))
    (0.5, 1.0)
    """
    with np.errstate(over="ignore"):
        return len(np.unique(distinct.astype(np.float32))) / len(distinct)


def _fit_fill(column: pl.Series, strategy: str, value: float | str | None) -> Fill:
    values = as_floats(column)
    known = values[np.isfinite(values)]
    is_marked = len(known) < len(values)
    if strategy == "constant":
        return Fill(column.name, float(value or 0.0), is_marked)
    if not len(known):
        return Fill(column.name, 0.0, is_marked)
    ways: dict[str, Callable[[np.ndarray], float]] = {
        "mean": np.mean,
        "median": np.median,
        "most_frequent": _most_frequent,
    }
    return Fill(column.name, float(ways[strategy](known)), is_marked)


def _most_frequent(values: np.ndarray) -> float:
    distinct, counts = np.unique(values, return_counts=True)
    return distinct[counts.argmax()]


def _fit_dense(codes: np.ndarray, featurizer: Featurizer, wishes: Wishes) -> Dense:
    numbers = codes[:, : featurizer.n_numbers].astype(np.float64)
    is_missing = np.isnan(numbers)
    n_known = np.maximum(1, (~is_missing).sum(axis=0))
    means = np.where(is_missing, 0.0, numbers).sum(axis=0) / n_known
    scales = np.sqrt((np.where(is_missing, 0.0, numbers - means) ** 2).sum(axis=0) / n_known)
    for start, n_terms in featurizer.n_terms.items():  # one scale for all terms: a rare one must not look important
        means[start : start + n_terms] = 0.0
        scales[start : start + n_terms] = np.sqrt((scales[start : start + n_terms] ** 2).mean()) if n_terms else 1.0
    return Dense(
        means=tuple(means.tolist()),
        scales=tuple(np.where(scales > np.abs(means) * 1e-7 + TINY, scales, 1.0).tolist()),
        marked=tuple(np.flatnonzero(is_missing.any(axis=0)).tolist()),
        one_hot=() if "one_hot_encoder" in wishes.blocked else _fit_one_hot(codes, featurizer),
    )


def _fit_one_hot(codes: np.ndarray, featurizer: Featurizer) -> tuple[tuple[int, int], ...]:
    """(column, code) of every one-hot column: a two-level category without gaps needs just one."""
    chosen: list[tuple[int, int]] = []
    for (column, n_codes), levels in zip(featurizer.n_levels.items(), featurizer.categories, strict=True):
        has_missing = bool(np.isnan(codes[:, column]).any())
        first = 1 if n_codes == 2 and not has_missing else 0
        n_own = len(levels.values)
        chosen += [(column, code) for code in range(first, min(n_codes, MAX_ONE_HOT))]
        chosen += [(column, code) for code in range(max(MAX_ONE_HOT, n_own), n_own + levels.n_buckets)]
        chosen += [(column, -1)] if has_missing else []
    return tuple(chosen)
