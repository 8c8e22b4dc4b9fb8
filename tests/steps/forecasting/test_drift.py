"""Errors since then against those of the test, so many stamps ahead, where the data tells what came."""

import numpy as np
import polars as pl
import pytest

from automl_assets.series import Forecast, ForecastEvaluation, Panel
from automl_assets.steps.forecasting.drift import drift

MONTHS = np.arange("2024-01", "2024-05", dtype="datetime64[M]").astype("datetime64[us]")
MADE = Forecast(("x", "y"), np.tile(MONTHS[1:], (2, 1)), np.full((2, 3), 10.0), np.empty((2, 3, 0)), ())
JUDGED = ForecastEvaluation("test", 6, {}, {}, np.array([1.0, 2.0, 3.0]), {}, pl.DataFrame())


def _panel(x: list[float], y: list[float], filled: tuple[int, ...] = ()) -> Panel:
    """Two series from January on."""
    lengths, n_rows = (len(x), len(y)), len(x) + len(y)
    return Panel(
        names=("x", "y"),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        stamps=np.concatenate([MONTHS[:length] for length in lengths]),
        y=np.array([*x, *y], float),
        is_filled=np.isin(np.arange(n_rows), filled),
        covariates=np.empty((n_rows, 0), np.float32),
        statics=np.empty((2, 0), np.float32),
    )


def test_nothing_is_said_while_nothing_has_come_true() -> None:
    assert drift("g", MADE, JUDGED, _panel([7], [7]), 0.5) is None


def test_errors_are_compared_with_those_as_far_ahead() -> None:
    line = drift("g", MADE, JUDGED, _panel([7, 13, 6], [7, 7]), 0.5)
    assert line is not None and (line.column, line.measure, line.limit) == ("g", "error", 0.5)
    assert line.distance == pytest.approx((3 + 4 + 3) / (1 + 2 + 1) - 1)


def test_values_that_were_filled_in_are_no_truth() -> None:
    line = drift("g", MADE, JUDGED, _panel([7, 13, 90], [7, 90], filled=(2, 4)), 0.5)
    assert line is not None and line.distance == pytest.approx(2.0)


def test_chance_goes_by_the_number_of_series() -> None:
    """Of normal errors, by simulation: how far the mean size of so many strays, as a share of what it should be."""
    random = np.random.default_rng(0)
    sizes = np.abs(random.normal(size=(20_000, 2))).mean(axis=1) / np.sqrt(2 / np.pi)
    line = drift("g", MADE, JUDGED, _panel([7, 13, 6], [7, 7]), 0.5)
    assert line is not None and line.chance == pytest.approx(np.abs(sizes - 1).mean(), rel=0.05)
