"""draft: the YAML for a question about a table, with the task that its target asks for."""

import polars as pl

from automl_assets import registry
from automl_assets.steps.draft import IMAGES, DraftRequest, algorithm_names, as_yaml

MOST_CLASSES = 20  # a number with at most so many whole values is taken for a class
BINARY_METRIC_SHARE = 0.35  # below this share of the rarer class, accuracy says little


def draft(asked: DraftRequest) -> str | None:
    """None for images, and where a column says when: that is no question about rows that stand for themselves."""
    if asked.time is not None or (asked.kind == IMAGES and asked.task is None):
        return None
    column = asked.table[asked.target]
    task, why = (asked.task, "as asked for") if asked.task else infer_task(column)
    return _text(asked, task, why, column)


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


def _metric(task: str, column: pl.Series) -> str:
    if task != "classification":
        return registry.tasks()[task].default_metric
    counts = column.drop_nulls().rename("class").value_counts()["count"].to_list()
    return "AUC_weighted" if min(counts) / sum(counts) < BINARY_METRIC_SHARE else "accuracy"


def _text(asked: DraftRequest, task: str, why: str, column: pl.Series) -> str:
    table, n_missing = asked.table, column.null_count()
    missing = f"; {n_missing} of them without a value, which take no part" if n_missing else ""
    return f"""\
# {table.height} rows, {table.width} columns.
task: {task}    # {why}{missing}
source: {asked.source}
target: {as_yaml(asked.target)}
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
# algorithms: {{blocked: []}}    # possible: {algorithm_names(task)}
# ensemble: true
# explain: true    # importances, SHAP values, dependence, error analysis
# onnx: true
# predict_source: null    # rows without a target, to be predicted
# retrain: false    # true: again by itself when new rows come; or {{cron: 0 3 * * mon}}, {{drift: retrain}}
# seed: 0
"""
