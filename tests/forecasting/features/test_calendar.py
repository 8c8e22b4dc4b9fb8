"""Parts of stamps: what a frequency leaves of them, local time across changes of the clock, and days around holidays."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.errors import LearningError
from automl_assets.experiment.lag_settings import LagSettings
from automl_assets.forecasting.features.calendar import calendar_features, fit_calendar
from automl_assets.forecasting.records import ForecastProblem
from automl_assets.records import Problem

PROBLEM = ForecastProblem(Problem("forecasting", "mean_absolute_error"), 2, "D", (7,), (0.5,))
WITH_HOLIDAYS = replace(PROBLEM, lags=LagSettings(holidays="US"))


def _stamps(first: str, last: str, unit: str) -> np.ndarray:
    return np.arange(np.datetime64(first, unit), np.datetime64(last, unit)).astype("datetime64[us]")


def _columns(problem: ForecastProblem, learnt: np.ndarray, asked: np.ndarray) -> dict[str, np.ndarray]:
    calendar = fit_calendar(problem, learnt)
    return dict(zip(calendar.names, calendar_features(calendar, asked).T, strict=True))


@pytest.mark.parametrize(
    ("unit", "parts"),
    [
        ("h", ("day_of_year", "day", "day_of_week", "hour")),
        ("D", ("day_of_year", "day", "day_of_week")),
        ("M", ("month",)),
    ],
)
def test_parts_finer_than_the_frequency_or_saying_the_same_are_left_out(unit, parts):
    assert set(fit_calendar(PROBLEM, _stamps("2022-01", "2024-01", unit)).parts) == set(parts)


def test_hours_are_those_of_the_time_zone_on_both_sides_of_a_change():
    problem = replace(PROBLEM, timezone="America/New_York")
    asked = np.array(["2024-03-10T06:00", "2024-03-10T07:00", "2031-07-01T12:00"], "datetime64[us]")
    found = _columns(problem, _stamps("2023-01-01", "2024-02-01", "h"), asked)
    assert found["hour"].tolist() == [1, 3, 8]


def test_days_around_a_holiday_know_it():
    asked = np.arange(np.datetime64("2024-12-21"), np.datetime64("2024-12-30"))
    found = _columns(WITH_HOLIDAYS, _stamps("2022-01-01", "2024-06-01", "D"), asked)
    christmas = found["holiday"][4]
    assert christmas > 0
    assert found["holiday"].tolist() == [0, 0, 0, 0, christmas, 0, 0, 0, 0]
    assert found["days_to_next"].tolist() == [4, 3, 2, 1, 0, 4, 4, 4, 3]  # New Year is three days after the last
    assert found["days_since_last"].tolist() == [4, 4, 4, 4, 0, 1, 2, 3, 4]


def test_a_country_that_is_none_is_refused():
    with pytest.raises(LearningError, match="got 'XX'.*name a country as US"):
        fit_calendar(replace(PROBLEM, lags=LagSettings(holidays="XX")), _stamps("2022-01-01", "2022-06-01", "D"))
