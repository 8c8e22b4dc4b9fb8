"""drift: how much larger errors are than they were in the test, of what was forecast and has come true since.

The forecast that was made when a group was learnt last is held against the rows that came after. Errors of one series
hang together, so chance is worked out from the number of series.
"""

import numpy as np
import polars as pl

from automl_assets.errors import listed
from automl_assets.records import ColumnDrift
from automl_assets.series import Forecast, ForecastEvaluation, Panel

SPREAD = float(np.sqrt(np.pi / 2 - 1))  # standard deviation of the size of a normal error, in units of its mean
STRAYING = float(np.sqrt(2 / np.pi))  # how far a normal variable strays in the mean, in standard deviations
MOST_NAMED = 5
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
