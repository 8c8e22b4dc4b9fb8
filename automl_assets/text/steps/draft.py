"""draft: the YAML for a question about texts, where a person says that it is one."""

import polars as pl

from automl_assets import registry
from automl_assets.errors import SettingError, listed
from automl_assets.steps.draft import DraftRequest, algorithm_names, as_yaml


def draft(asked: DraftRequest) -> str | None:
    """None where no task is named: rows with texts may as well be a question about a table. Raises SettingError where no
    column holds texts."""
    if asked.task is None:
        return None
    texts = [column.name for column in asked.table if column.dtype == pl.String and column.name != asked.target]
    if not texts:
        raise SettingError(
            f"--task {asked.task}: no column of {asked.data} holds texts; it has {listed(asked.table.columns)}"
        )
    return _text(asked, max(texts, key=lambda name: _length(asked.table[name])))


def _length(column: pl.Series) -> float:
    return float(column.str.len_chars().mean() or 0.0)  # type: ignore[arg-type]


def _text(asked: DraftRequest, longest: str) -> str:
    table, task = asked.table, str(asked.task)
    n_labels, n_missing = table[asked.target].n_unique(), table[asked.target].null_count()
    missing = f"; {n_missing} rows without one take no part" if n_missing else ""
    return f"""\
# {table.height} rows, {table.width} columns; the longest texts stand in {as_yaml(longest)}.
task: {task}    # {n_labels} different labels{missing}
source: {asked.source}
target: {as_yaml(asked.target)}
metric: {registry.tasks()[task].default_metric}    # what the search makes as good as it can
test: 0.2    # share of rows kept away until the end; or a file
limits:
  timeout_minutes: 10    # for the whole run, to the last file

# More that can be said (shown with its default):
# featurization: {{column_types: {{}}}}    # name a column `text` where it is not seen by itself
# drop_columns: []    # columns that will not be known when predicting
# group_column: null    # rows of one group stay on one side of every split
# time_column: null    # later rows validate and test earlier ones
# validation: auto    # or {{folds: 5}}, {{fraction: 0.2}}, a file, {{fold_columns: [...]}}
# algorithms: {{blocked: []}}    # possible: {algorithm_names(task)}
# ensemble: true
# onnx: true
# predict_source: null    # rows without a target, to be predicted
# retrain: false    # true: again by itself when new rows come; or {{cron: 0 3 * * mon}}, {{drift: retrain}}
# seed: 0
"""
