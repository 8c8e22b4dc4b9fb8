"""What is already known about the future stands in it; everything else stays."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import SourceError
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.forecasting.steps.fill_known_future import by_series
from automl_assets.forecasting.steps.fill_known_future import fill_known_future as overlay_by_series
from automl_assets.records import Problem

COVARIATES = (
    Covariate("price", "known"),
    Covariate("colour", "known", ("blue", "red", ""), 2),
    Covariate("rain", "past"),
)


def overlay(future: Panel, problem: ForecastProblem, rows: pl.DataFrame) -> Panel:
    return overlay_by_series(future, problem, by_series(rows, problem))


def _problem(**changes: Any) -> ForecastProblem:
    given: dict[str, Any] = {"covariates": COVARIATES, "time": "day", "series": ("shop",), "frequency": "D"} | changes
    return ForecastProblem(Problem("forecasting", "MASE"), horizon=2, periods=(), quantiles=(0.5,), **given)


def _future(names: tuple[str, ...] = ("a", "b")) -> Panel:
    days = np.array(["2024-01-05", "2024-01-06"] * len(names), "datetime64[us]")
    made = np.tile(np.array([[9.0, 2.0, np.nan]], np.float32), (len(days), 1))
    none = np.zeros((len(names), 0), np.float32)
    offsets = np.arange(len(names) + 1) * 2
    return Panel(names, offsets, days, np.full(len(days), np.nan), np.zeros(len(days), bool), made, none)


def test_known_values_find_their_series_and_stamp() -> None:
    rows = pl.DataFrame(
        {
            "shop": ["b", "a", "c", "a"],
            "day": ["2024-01-06", "2024-01-05", "2024-01-05", "2024-02-01"],
            "price": [1.5, 2.5, 3.5, 4.5],
            "colour": ["red", None, "red", "red"],
            "rain": [1.0, 1.0, 1.0, 1.0],
        }
    )
    found = overlay(_future(), _problem(), rows).covariates
    assert found[:, 0].tolist() == [2.5, 9, 9, 1.5]
    assert found[:, 1].tolist() == [2, 2, 2, 1]
    assert np.isnan(found[:, 2]).all()


def test_several_rows_come_to_what_was_learnt_from() -> None:
    price = Covariate("price", "known", merge="mean")
    covariates = (price, Covariate("price_max", "known", source="price", merge="max"), COVARIATES[2])
    rows = pl.DataFrame({"shop": ["a"] * 3, "day": [datetime(2024, 1, 5)] * 3, "price": [1.0, None, 2.0]})
    assert overlay(_future(), _problem(covariates=covariates), rows).covariates[0, :2].tolist() == [1.5, 2]


def test_the_last_of_several_rows_counts() -> None:
    rows = pl.DataFrame({"shop": ["a", "a"], "day": [datetime(2024, 1, 5)] * 2, "price": [1.0, 2.0]})
    assert overlay(_future(), _problem(), rows).covariates[0, 0] == 2


def test_days_with_a_zone_are_days_where_they_are_lived() -> None:
    day = pl.Series([datetime(2024, 1, 5)]).dt.replace_time_zone("Asia/Tokyo")
    rows = pl.DataFrame({"shop": ["a"], "day": day, "price": [1.0]})
    assert overlay(_future(), _problem(), rows).covariates[0, 0] == 1


def test_no_rows_and_no_covariates_change_nothing() -> None:
    empty = pl.DataFrame(schema={"shop": pl.String, "day": pl.Date, "price": pl.Float64})
    assert np.array_equal(overlay(_future(), _problem(), empty).covariates, _future().covariates, equal_nan=True)
    bare = overlay(_future(), _problem(covariates=()), empty)
    assert bare.covariates is not None


def test_one_series_needs_no_id() -> None:
    rows = pl.DataFrame({"day": ["2024-01-06"], "price": [1.0]})
    assert overlay(_future(("",)), _problem(series=()), rows).covariates[:, 0].tolist() == [9, 1]


def test_rows_that_name_no_series_are_refused() -> None:
    rows = pl.DataFrame({"shopp": ["a"], "day": ["2024-01-05"]})
    with pytest.raises(SourceError, match=r'has no column "shop"; it has shopp, day\. Did you mean "shopp"\?'):
        overlay(_future(), _problem(), rows)


def test_midnights_in_utc_are_the_days_where_they_are_lived() -> None:
    days = pl.Series("day", [datetime(2024, 1, 5), datetime(2024, 1, 6)]).dt.replace_time_zone("Europe/Berlin")
    rows = pl.DataFrame({"shop": ["a", "a"], "price": [1.0, 2.0]}).with_columns(days.dt.convert_time_zone("UTC"))
    known = by_series(rows, _problem(), "Europe/Berlin")
    assert overlay_by_series(_future(("a",)), _problem(), known).covariates[:, 0].tolist() == [1.0, 2.0]


def test_an_hour_that_comes_twice_is_known_twice() -> None:
    """Clocks are put back at 3:00, which is 1:00 in UTC."""
    problem = _problem(frequency="h", timezone="Europe/Berlin")
    rows = pl.DataFrame({"shop": ["a", "a"], "day": ["2023-10-29 02:00"] * 2, "price": [1.0, 2.0]})
    hours = np.array(["2023-10-29T00", "2023-10-29T01"], "datetime64[us]")
    future = replace(_future(("a",)), stamps=hours)
    assert overlay(future, problem, rows).covariates[:, 0].tolist() == [1.0, 2.0]
