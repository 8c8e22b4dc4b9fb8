"""From raw columns to numbers: what is learnt once from the training rows, and how it is applied.

Uses no target, so nothing can leak. The same recipe as ONNX nodes is in `featurizer_graph`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.records import FeatureColumn, Kind

MAX_LEVELS = 200  # categories of a column that get a code of their own
MAX_ONE_HOT = 50  # of these, how many get a column of their own in the dense view
MIN_LEVEL_COUNT = 2  # rows a category needs, above SMALL_TABLE rows
SMALL_TABLE = 200
MISSING_TEXTS = ("", " ")  # as good as no value, also in the ONNX model, which cannot take a missing text
TINY = float(np.finfo(np.float32).tiny)  # a smaller spread would be rounded to 0
ISO_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f")  # sources know these themselves
DATE_FORMATS = ("%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M", "%Y%m%dT%H%M%S")
CLIP = 10.0  # standard deviations; keeps an outlier from ruling a linear model

# Part of a moment -> how to compute it from datetime64[s], as float64. Names follow Azure's featurizer.
DATE_PARTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "days": lambda moment: moment.astype("int64") / 86400.0,
    "year": lambda moment: moment.astype("datetime64[Y]").astype("int64") + 1970.0,
    "month": lambda moment: moment.astype("datetime64[M]").astype("int64") % 12 + 1.0,
    "day": lambda moment: (
        (_days(moment) - moment.astype("datetime64[M]").astype("datetime64[D]")).astype("int64") + 1.0
    ),
    "day_of_week": lambda moment: (_days(moment).astype("int64") + 3) % 7 + 0.0,  # Monday is 0
    "day_of_year": lambda moment: (
        (_days(moment) - moment.astype("datetime64[Y]").astype("datetime64[D]")).astype("int64") + 1.0
    ),
    "hour": lambda moment: moment.astype("int64") // 3600 % 24 + 0.0,
    "minute": lambda moment: moment.astype("int64") // 60 % 60 + 0.0,
    "second": lambda moment: moment.astype("int64") % 60 + 0.0,
}


def _days(moment: np.ndarray) -> np.ndarray:
    return moment.astype("datetime64[D]")


@dataclass(frozen=True)
class Levels:
    """Categories of a column by code, the most frequent first. `has_other`: one more code stands for all the rest."""

    column: str
    values: tuple[str, ...]
    has_other: bool

    @property
    def n_codes(self) -> int:
        return len(self.values) + self.has_other


@dataclass(frozen=True)
class DateParts:
    """Which parts of a moment vary in the training rows."""

    column: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Dense:
    """From `codes` to the dense view: numbers imputed and standardised, then markers, then one-hot columns."""

    means: tuple[float, ...]  # one per number column of `codes`
    scales: tuple[float, ...]
    marked: tuple[int, ...]  # number columns that had missing values, and so get a marker
    one_hot: tuple[tuple[int, int], ...]  # (column of `codes`, code), code -1 for a missing value


@dataclass(frozen=True)
class Featurizer:
    """The recipe, as plain values. Columns of `codes`: numbers, parts of dates, then categories."""

    numbers: tuple[str, ...]
    dates: tuple[DateParts, ...]
    categories: tuple[Levels, ...]
    dense: Dense

    @property
    def n_numbers(self) -> int:
        """How many leading columns of `codes` are numbers, parts of dates included."""
        return len(self.numbers) + sum(len(date.parts) for date in self.dates)

    @property
    def n_levels(self) -> dict[int, int]:
        """Column of `codes` -> number of categories."""
        return {self.n_numbers + i: levels.n_codes for i, levels in enumerate(self.categories)}

    @property
    def raw_columns(self) -> tuple[str, ...]:
        return self.numbers + tuple(d.column for d in self.dates) + tuple(c.column for c in self.categories)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """One per column of `codes`."""
        numbers = [FeatureColumn(name, name, "number") for name in self.numbers]
        dates = [
            FeatureColumn(f"{d.column}_{part}", d.column, f"{part} of date") for d in self.dates for part in d.parts
        ]
        codes = [FeatureColumn(c.column, c.column, f"category ({c.n_codes} codes)") for c in self.categories]
        return (*numbers, *dates, *codes)


def fit_featurizer(table: pl.DataFrame, kinds: dict[str, Kind]) -> Featurizer:
    """Learns the recipe from the training rows `table`; columns of kind `ignored` are left out."""
    of_kind: dict[str, list[str]] = {kind: [name for name, k in kinds.items() if k == kind] for kind in kinds.values()}
    dates = tuple(_fit_dates(table[name]) for name in of_kind.get("datetime", []))
    categories = tuple(_fit_levels(table[name]) for name in of_kind.get("categorical", []))
    empty = Featurizer(tuple(of_kind.get("numeric", [])), dates, categories, Dense((), (), (), ()))
    return Featurizer(empty.numbers, dates, categories, _fit_dense(encode(empty, table), empty))


def encode(featurizer: Featurizer, table: pl.DataFrame) -> np.ndarray:
    """Rows as codes, float32 [n_rows, n_codes]. Missing values and unseen categories are NaN."""
    blocks = [_number(table[name]) for name in featurizer.numbers]
    blocks += [part for date in featurizer.dates for part in _date_columns(table[date.column], date.parts)]
    blocks += [_codes(table[levels.column], levels) for levels in featurizer.categories]
    if not blocks:
        return np.empty((table.height, 0), np.float32)
    return np.column_stack(blocks).astype(np.float32, copy=False)


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


def _number(column: pl.Series) -> np.ndarray:
    """A column as float32, with infinities as missing."""
    values = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return np.where(np.isfinite(narrow), narrow, np.float32("nan"))


def seconds_since_1970(column: pl.Series) -> np.ndarray:
    """Moments as float64 seconds, UTC; missing is NaN. This is what the ONNX model takes for a date column."""
    return as_moments(column).dt.epoch("ms").cast(pl.Float64).fill_null(float("nan")).to_numpy() / 1000.0


def as_moments(column: pl.Series) -> pl.Series:
    """A column as Datetime; texts by the format that reads most of them, and what is no date is missing.

    >>> as_moments(pl.Series(["12/31/1999", "soon"])).to_list()
    [datetime.datetime(1999, 12, 31, 0, 0), None]
    """
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.cast_time_unit("ms")
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("ms"))
    text = column.cast(pl.String)
    readings = [text.str.to_datetime(form, time_unit="ms", strict=False) for form in (*ISO_FORMATS, *DATE_FORMATS)]
    return max(readings, key=lambda moments: moments.count())


def _date_columns(column: pl.Series, parts: tuple[str, ...]) -> list[np.ndarray]:
    seconds = seconds_since_1970(column)
    is_missing = np.isnan(seconds)
    moment = np.floor(np.where(is_missing, 0.0, seconds)).astype("int64").astype("datetime64[s]")
    return [np.where(is_missing, np.nan, DATE_PARTS[part](moment)).astype(np.float32) for part in parts]


def _codes(column: pl.Series, levels: Levels) -> np.ndarray:
    text = _texts(column)
    codes = np.arange(len(levels.values), dtype=np.float32)
    other = float(len(levels.values)) if levels.has_other else float("nan")
    known = text.replace_strict(levels.values, codes, default=other, return_dtype=pl.Float32)
    return np.where(text.is_null().to_numpy(), np.float32("nan"), known.to_numpy())


def _texts(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String)
    return text.set(text.is_in(MISSING_TEXTS), None)


def _fit_dates(column: pl.Series) -> DateParts:
    """Where no part varies one is kept, so that every column of a kind that is used has a place in `codes`."""
    every = _date_columns(column.drop_nulls(), tuple(DATE_PARTS))
    varying = [part for part, values in zip(DATE_PARTS, every, strict=True) if len(np.unique(values)) > 1]
    return DateParts(column.name, tuple(varying) or ("days",))


def _fit_levels(column: pl.Series) -> Levels:
    counts = (
        _texts(column).drop_nulls().rename("value").value_counts().sort(["count", "value"], descending=[True, False])
    )
    enough = MIN_LEVEL_COUNT if len(column) > SMALL_TABLE else 1
    kept = counts.filter(pl.col("count") >= enough).head(MAX_LEVELS)
    return Levels(column.name, tuple(kept["value"]), has_other=kept.height < counts.height)


def _fit_dense(codes: np.ndarray, featurizer: Featurizer) -> Dense:
    numbers = codes[:, : featurizer.n_numbers].astype(np.float64)
    is_missing = np.isnan(numbers)
    n_known = np.maximum(1, (~is_missing).sum(axis=0))
    means = np.where(is_missing, 0.0, numbers).sum(axis=0) / n_known
    scales = np.sqrt((np.where(is_missing, 0.0, numbers - means) ** 2).sum(axis=0) / n_known)
    return Dense(
        means=tuple(means.tolist()),
        scales=tuple(np.where(scales > np.abs(means) * 1e-7 + TINY, scales, 1.0).tolist()),
        marked=tuple(np.flatnonzero(is_missing.any(axis=0)).tolist()),
        one_hot=_fit_one_hot(codes, featurizer),
    )


def _fit_one_hot(codes: np.ndarray, featurizer: Featurizer) -> tuple[tuple[int, int], ...]:
    """(column, code) of every one-hot column: a two-level category without gaps needs just one."""
    chosen: list[tuple[int, int]] = []
    for column, n_codes in featurizer.n_levels.items():
        has_missing = bool(np.isnan(codes[:, column]).any())
        first = 1 if n_codes == 2 and not has_missing else 0
        chosen += [(column, code) for code in range(first, min(n_codes, MAX_ONE_HOT))]
        chosen += [(column, -1)] if has_missing else []
    return tuple(chosen)
