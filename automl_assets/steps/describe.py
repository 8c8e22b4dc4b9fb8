"""describe: what is in each column, how it will be used, and what a person should know before learning from it."""

from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.errors import DataError, SettingError, listed
from automl_assets.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Kind, Problem, Profile
from automl_assets.steps import guardrails
from automl_assets.steps.drift import quantiles

IMBALANCE_RATIO = 0.2  # rarest class to most frequent, as in Azure
IDENTIFIER_SHARE = 0.95  # texts of which so many are unique tell nothing about other rows
IDENTIFIER_ROWS = 50
HIGH_CARDINALITY = 100
TEXT_WORDS = 2  # words per text, from which many different texts are taken for free text
UNIQUE_TEXT_WORDS = 3  # the same where nearly every text is unique: names of two words tell nothing
RECURRING_SHARE = 0.5  # of all words must have been seen before: words of a language come again, parts of ids do not
WORD = r"\p{L}{2,}"
TEXT_ROWS = 2_000  # that are looked at
N_BINS = 20
MOST_TOP = 50  # most frequent texts that are counted


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the rows of the source itself; rows of validation and test files are not looked at."""
    table = dataset.table.filter(dataset.part == SOURCE)
    problem = _problem(table, experiment)
    columns = tuple(column_profile(table[name], experiment) for name in dataset.roles.features)
    if all(column.kind == "ignored" for column in columns):
        reasons = "; ".join(f"{column.name} {column.reason}" for column in columns[:10])
        raise DataError(
            f"no column is left to learn from: {reasons}. "
            "Name the kind of a column under featurization.column_types to keep it."
        )
    found = (*_guardrails(table, columns, problem, experiment), _unseen_classes(dataset, problem, experiment))
    return Profile(table.height, columns, found, problem)


def _problem(table: pl.DataFrame, experiment: Experiment) -> Problem:
    problem = experiment.task_part.problem(table[experiment.target], experiment.metric, experiment.positive_label)
    return problem if experiment.threshold == "auto" else _with_threshold(problem, experiment.threshold)


def _with_threshold(problem: Problem, threshold: float) -> Problem:
    """The experiment speaks of the positive class, the problem of the second."""
    if problem.n_classes != 2:
        raise SettingError(f"threshold: only two classes have one; the target has {problem.n_classes}. Remove it")
    return replace(problem, threshold=threshold if problem.positive == 1 else 1.0 - threshold)


def column_profile(column: pl.Series, experiment: Experiment) -> ColumnProfile:
    """What is in a column, and how it will be used. Raises DataError where it cannot be used as the experiment says."""
    n_unique = column.drop_nulls().n_unique()
    kind, reason = _kind(column, n_unique, experiment)
    _check_imputer(column.name, kind, experiment)
    numbers = _numbers(column)
    return ColumnProfile(
        name=column.name,
        dtype=str(column.dtype),
        kind=kind,
        n_missing=column.null_count() + int(column.is_nan().sum() if column.dtype.is_float() else 0),
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


def _numbers(column: pl.Series) -> np.ndarray:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return np.empty(0)
    values = column.cast(pl.Float64).drop_nulls().to_numpy()
    return values[np.isfinite(values)]


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


def _guardrails(
    table: pl.DataFrame, columns: tuple[ColumnProfile, ...], problem: Problem, experiment: Experiment
) -> tuple[Guardrail, ...]:
    target = experiment.target
    y = experiment.task_part.encode_target(table[target], problem)
    return (
        _missing_values(columns, table.height),
        _missing_target(table[target]),
        _high_cardinality(columns),
        _ignored_columns(columns),
        _class_balance(table[target], problem),
        guardrails.near_constant(table, columns),
        guardrails.target_leakage(table, columns, y),
        guardrails.time_leakage(table, columns, y, experiment),
        guardrails.memory(columns, table.height),
        _duplicate_rows(table),
    )


def _missing_values(columns: tuple[ColumnProfile, ...], n_rows: int) -> Guardrail:
    gaps = {c.name: c.n_missing for c in columns if c.n_missing and c.kind != "ignored"}
    if not gaps:
        return Guardrail("missing_values", "passed", "No feature has missing values.")
    most = max(gaps, key=lambda name: gaps[name])
    text = f"{len(gaps)} columns have missing values, most of all {most} ({gaps[most] / n_rows:.0%}). They are imputed and marked."
    return Guardrail("missing_values", "done", text, {"columns": len(gaps), "cells": sum(gaps.values())})


def _missing_target(target: pl.Series) -> Guardrail:
    n_missing = target.null_count()
    if not n_missing:
        return Guardrail("missing_target", "passed", "Every row has a target.")
    text = f"{n_missing} of {len(target)} rows have no target and take no part."
    return Guardrail("missing_target", "done", text, {"rows": n_missing})


def _high_cardinality(columns: tuple[ColumnProfile, ...]) -> Guardrail:
    many = [c.name for c in columns if c.kind == "categorical" and c.n_unique > HIGH_CARDINALITY]
    if not many:
        return Guardrail("high_cardinality", "passed", "No categorical column has very many categories.")
    text = f"{', '.join(many)}: over {HIGH_CARDINALITY} categories; rare ones are taken together."
    return Guardrail("high_cardinality", "done", text, {"columns": len(many)})


def _ignored_columns(columns: tuple[ColumnProfile, ...]) -> Guardrail:
    ignored = [c for c in columns if c.kind == "ignored"]
    if not ignored:
        return Guardrail("ignored_columns", "passed", "Every column is used.")
    text = "Not used: " + "; ".join(f"{c.name} ({c.reason})" for c in ignored[:20]) + "."
    return Guardrail("ignored_columns", "done", text, {"columns": len(ignored)})


def _class_balance(target: pl.Series, problem: Problem) -> Guardrail:
    if not problem.classes:
        return Guardrail("class_balance", "passed", "A regression has no classes.")
    counts = target.drop_nulls().rename("class").value_counts()["count"].to_list()
    rarest, most = min(counts), max(counts)
    ratio = rarest / most
    figures = {"rarest": rarest, "most_frequent": most, "ratio": ratio}
    if ratio > IMBALANCE_RATIO:
        return Guardrail("class_balance", "passed", f"The rarest class is {ratio:.0%} of the most frequent.", figures)
    text = (
        f"The rarest class has {rarest} rows, {ratio:.1%} of the most frequent ({most}). "
        "Accuracy can hide that it is never found: look at AUC_weighted, norm_macro_recall or f1_score_macro."
    )
    return Guardrail("class_balance", "alerted", text, figures)


def _unseen_classes(dataset: Dataset, problem: Problem, experiment: Experiment) -> Guardrail:
    """Rows of a validation or test file whose class the source lacks: no model can answer with it."""
    others = dataset.table[dataset.roles.target].filter(dataset.part != SOURCE).drop_nulls()
    unknown = (
        experiment.task_part.encode_target(others, problem) < 0 if problem.classes else np.zeros(len(others), bool)
    )
    if not unknown.any():
        return Guardrail("unseen_classes", "passed", "No validation or test file has a class that the source lacks.")
    classes = listed(sorted(map(str, others.filter(unknown).unique())))
    n_rows = int(unknown.sum())
    text = (
        f"{n_rows} of {len(others)} rows of the validation and test files have a class that the source lacks ({classes}). "
        "They take no part: every metric leaves them out."
    )
    return Guardrail("unseen_classes", "alerted", text, {"rows": n_rows, "classes": classes})


def _duplicate_rows(table: pl.DataFrame) -> Guardrail:
    n_twice = table.height - table.n_unique()
    if not n_twice:
        return Guardrail("duplicate_rows", "passed", "No row occurs twice.")
    share = n_twice / table.height
    text = f"{n_twice} rows ({share:.1%}) repeat an earlier one; copies may fall on both sides of the split."
    return Guardrail("duplicate_rows", "alerted" if share > 0.01 else "done", text, {"rows": n_twice})
