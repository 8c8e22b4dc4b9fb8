"""column_profile: one column described: its kind, and why; its statistics; what occurs most."""

import numpy as np
import polars as pl

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import ColumnProfile, Kind
from automl_assets.steps.drift import quantiles

IDENTIFIER_SHARE = 0.95  # texts of which so many are unique tell nothing about other rows
IDENTIFIER_ROWS = 50
TEXT_WORDS = 2  # words per text, from which many different texts are taken for free text
UNIQUE_TEXT_WORDS = 3  # the same where nearly every text is unique: names of two words tell nothing
RECURRING_SHARE = 0.5  # of all words must have been seen before: words of a language come again, parts of ids do not
WORD = r"\p{L}{2,}"


TEXT_ROWS = 2_000  # that are looked at
N_BINS = 20
MOST_TOP = 50  # most frequent texts that are counted


def column_profile(column: pl.Series, experiment: Experiment) -> ColumnProfile:
    """What is in a column, and how it will be used. Raises DataError where it cannot be used as the experiment says."""
    n_unique = (column.drop_nulls() if column.null_count() else column).n_unique()
    kind, reason = _kind(column, n_unique, experiment)
    _check_imputer(column.name, kind, experiment)
    numbers, n_nan = _numbers(column)
    return ColumnProfile(
        name=column.name,
        dtype=str(column.dtype),
        kind=kind,
        n_missing=column.null_count() + n_nan,
        n_unique=n_unique,
        reason=reason,
        top=_top(column),
        **_statistics(numbers),
    )


def _kind(column: pl.Series, n_unique: int, experiment: Experiment) -> tuple[Kind, str]:
    wished = experiment.featurization.column_types.get(column.name)
    if wished:
        _check_wish(column, wished)
        return wished, "as the experiment says"
    found, reason = _natural_kind(column, n_unique)
    if experiment.featurization.mode == "off" and found != "numeric":
        return "ignored", "is not numeric, and featurization is off"
    return found, reason


def _check_wish(column: pl.Series, wished: Kind) -> None:
    is_moment = isinstance(column.dtype, pl.Date | pl.Datetime)
    has_number = column.cast(pl.Float64, strict=False).count() > 0
    if (wished == "datetime" and not is_moment) or (wished == "numeric" and not has_number):
        example = next(iter(column.drop_nulls()), None)
        raise DataError(
            f'featurization.column_types: "{column.name}" cannot be {wished}; it holds {column.dtype}, such as {example!r}. '
            "Say categorical or ignored, or write every value alike (dates as 2024-12-31, numbers as 1.5)."
        )


def _natural_kind(column: pl.Series, n_unique: int) -> tuple[Kind, str]:
    """Numbers are always kept as numbers: an id that is a number can be dropped by name, a lost column cannot be found."""
    if n_unique == 0 or (n_unique == 1 and column.null_count() == 0):
        return "ignored", "has the same value in every row" if n_unique else "has no value"
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return "numeric", "holds numbers"
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return "datetime", "holds dates"
    return _kind_of_text(column, n_unique)


def _kind_of_text(column: pl.Series, n_unique: int) -> tuple[Kind, str]:
    if column.dtype != pl.String:
        return "ignored", f"is of type {column.dtype}, which is not supported"
    n_known = len(column) - column.null_count()
    is_unique = n_known >= IDENTIFIER_ROWS and n_unique > IDENTIFIER_SHARE * n_known
    n_words = _words_per_text(column) if is_unique or n_unique > HIGH_CARDINALITY else 0.0
    if n_words >= (UNIQUE_TEXT_WORDS if is_unique else TEXT_WORDS):
        return "text", f"holds {n_unique} different texts of {n_words:.1f} words"
    if is_unique:
        return "ignored", f"is an identifier: {n_unique} different texts in {n_known} rows"
    return "categorical", f"holds {n_unique} different texts"


def _words_per_text(column: pl.Series) -> float:
    """Mean number of words in texts whose words recur; 0 where they do not."""
    words = column.drop_nulls().head(TEXT_ROWS).str.to_lowercase().str.extract_all(WORD)
    every = words.explode().drop_nulls()
    recurring = 1 - every.n_unique() / max(1, len(every))
    return len(every) / max(1, len(words)) if recurring >= RECURRING_SHARE else 0.0


def _check_imputer(name: str, kind: Kind, experiment: Experiment) -> None:
    """Numbers can be filled by every strategy, with a number; categories by a category."""
    imputer = experiment.featurization.imputers.get(name)
    if imputer is None or (kind == "numeric" and not isinstance(imputer.fill_value, str)):
        return
    if kind != "categorical" or imputer.strategy not in ("most_frequent", "constant"):
        possible = {"numeric": "a fill_value that is a number", "categorical": "most_frequent or constant"}
        raise DataError(
            f'featurization.imputers: "{name}" is {kind} and takes {possible.get(kind, "no imputer")}; '
            f"got {imputer.strategy} with fill_value {imputer.fill_value!r}."
        )


def _numbers(column: pl.Series) -> tuple[np.ndarray, int]:
    """The finite numbers of a column, and how many of its values are none but not missing either."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return np.empty(0), 0
    values = column.cast(pl.Float64).to_numpy()
    return values[np.isfinite(values)], int(np.isnan(values).sum()) - column.null_count()


def _statistics(numbers: np.ndarray) -> dict:
    if numbers.size == 0:
        return {}
    return {
        "mean": float(numbers.mean()),
        "std": float(numbers.std()),
        "minimum": float(numbers.min()),
        "maximum": float(numbers.max()),
        "histogram": _histogram(numbers),
        "quantiles": quantiles(numbers),
    }


def _histogram(numbers: np.ndarray) -> tuple[int, ...]:
    """Counts in equal bins; halves of numbers, because the largest of them lie farther apart than a number can say."""
    low, high = numbers.min() / 2, numbers.max() / 2
    if low == high:
        return (numbers.size,)
    bins = np.minimum(((numbers / 2 - low) / (high - low) * N_BINS).astype(np.int64), N_BINS - 1)
    return tuple(np.bincount(bins, minlength=N_BINS).tolist())


def _top(column: pl.Series) -> tuple[tuple[str, int], ...]:
    if column.dtype != pl.String:
        return ()
    counts = (
        column.drop_nulls()
        .rename("value")
        .value_counts()
        .sort(["count", "value"], descending=[True, False])
        .head(MOST_TOP)
    )
    return tuple((value, count) for value, count in counts.iter_rows())


HIGH_CARDINALITY = 100
