"""draft: the YAML for a forecast, with the columns that tell its series apart."""

from itertools import combinations

import polars as pl

from automl_assets import registry
from automl_assets.steps.draft import DraftRequest, algorithm_names, as_yaml

MOST_IDS = 20  # columns of which pairs are tried to tell series apart


def draft(asked: DraftRequest) -> str | None:
    """None where no column says when."""
    if asked.time is None:
        return None
    table = asked.table
    ids = infer_series(table, asked.time, asked.target)
    n_series = table.select(ids).n_unique() if ids else 1
    told = f"{n_series} series" if n_series > 1 else "one series"
    return f"""\
# {table.height} rows, {table.width} columns, {told}.
task: forecasting
source: {asked.source}
target: {as_yaml(asked.target)}
time_column: {as_yaml(asked.time)}
forecasting:
  series_id_columns: {as_yaml(ids)}    # what tells series apart
  partition_by: []    # one group, with a model and a partition of its own, for each of their values; none: one group
  horizon: auto    # stamps ahead
  frequency: auto
metric: {registry.tasks()["forecasting"].default_metric}    # what the search makes as good as it can
limits:
  timeout_minutes: 10    # for the whole run, to the last file

# More that can be said (shown with its default):
# test: 0.2    # share of the stamps of each series kept away until the end; or a file, or none
# coverage: [0.8, 0.95]    # of the intervals
# algorithms: {{blocked: []}}    # possible: {algorithm_names("forecasting")}
# explain: true
# onnx: true
# predict_source: null    # rows with the known covariates of the stamps to be forecast
# retrain: false    # true: again by itself for groups with new rows; or {{cron: 0 3 * * mon}}, {{drift: retrain}}
# seed: 0
# Under forecasting: known_covariates, past_covariates, holidays: US, seasonality: auto, target_lags: auto, short_series: auto
"""


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
