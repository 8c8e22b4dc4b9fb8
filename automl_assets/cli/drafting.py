"""Drafts an experiment: looks at data and writes the YAML a person would have begun with, commented."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from automl_assets import registry
from automl_assets.errors import SettingError, listed, nearest
from automl_assets.experiment.experiment import NAME, source_of
from automl_assets.steps.read_source import read

MOST_CLASSES = 20  # a number with at most so many whole values is taken for a class
MOST_IDS = 20  # columns of which pairs are tried to tell series apart
BINARY_METRIC_SHARE = 0.35  # below this share of the rarer class, accuracy says little


def draft(data: str, target: str, time: str | None = None) -> tuple[str, str]:
    """A name and the YAML text for predicting `target` from `data`, or for forecasting it along a column `time`.

    Raises SettingError when a column is not there.
    """
    table = read(source_of(data))
    for option, name in (("target", target), ("time", time)):
        if name is not None and name not in table.columns:
            hint = nearest(name, table.columns)
            raise SettingError(f'--{option}: {data} has no column "{name}"; it has {listed(table.columns)}.{hint}')
    column = table[target]
    if column.null_count() == table.height:
        raise SettingError(f'--target: "{target}" has no value in any row of {data}')
    if time is not None:
        return name_of(data), _forecast_text(data, target, time, table)
    task, why = infer_task(column)
    return name_of(data), _text(data, target, task, why, column, table)


def infer_task(target: pl.Series) -> tuple[str, str]:
    """The task that a target column asks for, and why.

    >>> infer_task(pl.Series("y", ["a", "b", "a"]))[0], infer_task(pl.Series("y", [0.5, 1.5, 2.5]))[0]
    ('classification', 'regression')
    """
    values = target.drop_nulls()
    n_unique = values.n_unique()
    if not target.dtype.is_numeric():
        return "classification", f"{n_unique} different values that are no numbers"
    is_whole = bool((values == values.round()).all())
    if is_whole and n_unique <= MOST_CLASSES and n_unique <= max(2, len(values) // 10):
        return "classification", f"{n_unique} different whole numbers"
    return "regression", f"{n_unique} different numbers"


def infer_series(table: pl.DataFrame, time: str, target: str) -> list[str]:
    """The columns that tell series apart: as few as leave no stamp of a series twice.

    >>> rows = pl.DataFrame({"day": [1, 2, 1, 2], "shop": ["a", "a", "b", "b"], "sales": [1.0, 2.0, 3.0, 4.0]})
    >>> infer_series(rows, "day", "sales"), infer_series(rows.head(2), "day", "sales")
    (['shop'], [])
    """
    names = [name for name in table.columns if name not in (time, target) and not table[name].dtype.is_float()]
    texts = [name for name in names if not table[name].dtype.is_numeric()]
    sets = [[], *([name] for name in names), *(list(pair) for pair in combinations(names[:MOST_IDS], 2)), texts]
    return next((ids for ids in sets if not table.select(time, *ids).is_duplicated().any()), texts)


def name_of(data: str) -> str:
    """An experiment's name from a path or URL.

    >>> name_of("s3://lake/Bank Marketing.csv.gz"), name_of("2024.csv")
    ('bank_marketing', 'experiment_2024')
    """
    stem = Path(data.rstrip("/*")).name.split(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")[:50]
    return name if NAME.match(name) else f"experiment_{name}".rstrip("_")


def _metric(task: str, column: pl.Series) -> str:
    if task != "classification":
        return registry.tasks()[task].default_metric
    counts = column.drop_nulls().rename("class").value_counts()["count"].to_list()
    return "AUC_weighted" if min(counts) / sum(counts) < BINARY_METRIC_SHARE else "accuracy"


def _value(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


def _forecast_text(data: str, target: str, time: str, table: pl.DataFrame) -> str:
    ids = infer_series(table, time, target)
    n_series = table.select(ids).n_unique() if ids else 1
    told = f"{n_series} series" if n_series > 1 else "one series"
    return f"""\
# {table.height} rows, {table.width} columns, {told}.
task: forecasting
source: {_value(_written(data))}
target: {_value(target)}
time_column: {_value(time)}
forecasting:
  series_id_columns: {_value(ids)}    # what tells series apart
  partition_by: []    # one group, with a model and a partition of its own, for each of their values; none: one group
  horizon: auto    # stamps ahead
  frequency: auto
metric: {registry.tasks()["forecasting"].default_metric}    # what the search makes as good as it can
limits:
  timeout_minutes: 10    # for the whole run, to the last file

# More that can be said (shown with its default):
# test: 0.2    # share of the stamps of each series kept away until the end; or a file, or none
# coverage: [0.8, 0.95]    # of the intervals
# algorithms: {{blocked: []}}    # possible: {", ".join(_algorithms("forecasting"))}
# explain: true
# onnx: true
# predict_source: null    # rows with the known covariates of the stamps to be forecast
# retrain: false    # true: again by itself for groups with new rows; or {{cron: 0 3 * * mon}}, {{drift: retrain}}
# seed: 0
# Under forecasting: known_covariates, past_covariates, holidays: US, seasonality: auto, target_lags: auto, short_series: auto
"""


def _written(data: str) -> str:
    """A path or URL as a YAML that may lie anywhere names it."""
    is_local = "://" not in data and not data.startswith("$")
    return str(Path(data).expanduser().resolve()) if is_local else data


def _text(data: str, target: str, task: str, why: str, column: pl.Series, table: pl.DataFrame) -> str:
    n_missing = column.null_count()
    missing = f"; {n_missing} of them without a value, which take no part" if n_missing else ""
    return f"""\
# {table.height} rows, {table.width} columns.
task: {task}    # {why}{missing}
source: {_value(_written(data))}
target: {_value(target)}
metric: {_metric(task, column)}    # what the search makes as good as it can
test: 0.2    # share of rows kept away until the end; or a file
limits:
  timeout_minutes: 10    # for the whole run, to the last file

# More that can be said (shown with its default):
# drop_columns: []    # columns that will not be known when predicting
# sensitive_columns: []    # metrics are compared between their groups
# weight_column: null
# group_column: null    # rows of one group stay on one side of every split
# time_column: null    # later rows validate and test earlier ones
# validation: auto    # or {{folds: 5}}, {{fraction: 0.2}}, a file, {{fold_columns: [...]}}
# algorithms: {{blocked: []}}    # possible: {", ".join(_algorithms(task))}
# ensemble: true
# explain: true    # importances, SHAP values, dependence, error analysis
# onnx: true
# predict_source: null    # rows without a target, to be predicted
# retrain: false    # true: again by itself when new rows come; or {{cron: 0 3 * * mon}}, {{drift: retrain}}
# seed: 0
"""


def _algorithms(task: str) -> list[str]:
    if task == "forecasting":
        return [name for name, part in registry.algorithms("forecasting").items() if not part.is_fallback]
    family = registry.algorithms(registry.tasks()[task].family)
    return [name for name, part in family.items() if task in part.tasks and not part.is_fallback]
