"""drift: how much larger errors are than they were in the test, and how far what is known ahead has moved.

The forecast that was made when a group was learnt last is held against the rows that came after. Errors of one series
hang together, so chance is worked out from the number of series. What is known ahead is compared as columns of a table
are (`steps.drift`), but neighbours in time are alike, and have seasons: what the past strayed by is no news.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import polars as pl

from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.records import Forecast, ForecastEvaluation, Panel
from automl_assets.model_records import ColumnDrift
from automl_assets.records import SOURCE, Dataset
from automl_assets.steps.column_profile import column_profile
from automl_assets.steps.drift import columns_drift

SPREAD = float(np.sqrt(np.pi / 2 - 1))  # standard deviation of the size of a normal error, in units of its mean
STRAYING = float(np.sqrt(2 / np.pi))  # how far a normal variable strays in the mean, in standard deviations
MOST_NAMED = 5
MOST_PARTS = 100  # of the past that are compared with all of it
KEY = ["series", "stamp"]


def drift(group: str, made: Forecast, judged: ForecastEvaluation, truth: Panel, limit: float) -> ColumnDrift | None:
    """By how much the mean absolute error has grown, as a share of what it was so many stamps ahead; None while nothing
    of it has come true."""
    both = _expected(made, judged).join(_known(truth), on=KEY).drop_nans()
    if both.is_empty():
        return None
    now = float((both["y"] - both["point"]).abs().to_numpy().mean())
    before = max(float(both["error"].to_numpy().mean()), np.finfo(float).tiny)
    chance = STRAYING * SPREAD / np.sqrt(both["series"].n_unique())
    return ColumnDrift(group, "error", now / before - 1, float(chance), limit)


def known_drift(dataset: Dataset, rows: pl.DataFrame, experiment: Experiment) -> tuple[ColumnDrift, ...]:
    """How far the rows of `predict_source` lie from those learnt from, in the covariates known ahead that they bring: a
    line per column and measure, the farthest beyond its limit first. One that they lack is no gap, but taken to be as a
    season before. The limit is raised by what as many neighbouring rows learnt from have strayed at most."""
    learnt, limits = dataset.table.filter(dataset.part == SOURCE), experiment.retrain.drift
    known = [column_profile(learnt[name], experiment) for name in dataset.roles.known if name in rows.columns]
    strayed: dict[tuple[str, str], float] = defaultdict(float)
    for past in _neighbours(learnt, experiment, rows.height) if known else ():
        for line in columns_drift(known, learnt.height, past, limits):
            key = line.column, line.measure
            strayed[key] = max(strayed[key], line.distance - line.chance)
    found = columns_drift(known, learnt.height, rows, limits)
    lines = (replace(line, limit=line.limit + strayed[line.column, line.measure]) for line in found)
    return tuple(sorted(lines, key=lambda line: -line.excess))


def _neighbours(learnt: pl.DataFrame, experiment: Experiment, n_rows: int) -> Iterator[pl.DataFrame]:
    """Rows that follow each other in time, so many together, from all over the past."""
    n_parts = learnt.height // max(1, n_rows)
    parts = learnt.sort(experiment.time_column or "").iter_slices(max(1, n_rows))
    return islice(parts, 0, n_parts, max(1, -(-n_parts // MOST_PARTS)))


def told(lines: tuple[ColumnDrift, ...]) -> str:
    """Which groups have gone astray, in a sentence.

    >>> told((ColumnDrift("north", "error", 4.0, 0.1, 0.5), ColumnDrift("south", "error", 0.2, 0.1, 0.5)))
    'errors have grown: north (by 400%)'
    """
    grown = [f"{line.column} (by {line.distance:.0%})" for line in lines if line.is_drifted]
    return f"errors have grown: {listed(grown, MOST_NAMED)}" if grown else "no group's errors have grown"


def _expected(made: Forecast, judged: ForecastEvaluation) -> pl.DataFrame:
    """A row per stamp that was forecast, with the error that a forecast so far ahead had."""
    n_series, n_ahead = made.point.shape
    error = judged.by_horizon[np.minimum(np.arange(n_ahead), len(judged.by_horizon) - 1)]
    return pl.DataFrame({
        "series": np.repeat(np.array(made.names, object), n_ahead),
        "stamp": made.stamps.reshape(-1),
        "point": made.point.reshape(-1),
        "error": np.tile(error, n_series),
    }, schema_overrides={"series": pl.String})  # fmt: skip


def _known(truth: Panel) -> pl.DataFrame:
    """A row per stamp of which the data tells the value."""
    series = np.repeat(np.array(truth.names, object), truth.lengths)
    rows = {"series": series, "stamp": truth.stamps, "y": truth.y}
    return pl.DataFrame(rows, schema_overrides={"series": pl.String}).filter(pl.Series(~truth.is_filled))
