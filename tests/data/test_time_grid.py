"""Grids of stamps against pandas, which names them; what is found in data; seasons and horizons."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_assets.data.time_grid import Grid, found, grid, seasons, usual_horizon

ALIASES = ["s", "15min", "30min", "h", "6h", "D", "B", "W-SUN", "W-THU", "MS", "ME", "2MS", "QS", "QE", "QE-JAN", "YS"]
ALIASES += ["YE-JUN", "SMS-15", "SME-15", "SMS-10", "BMS", "BME", "BQS-JAN", "BQE-FEB", "BYE-DEC"]


def stamps(alias: str, n_rows: int = 40, start: str = "2023-12-01") -> np.ndarray:
    return pd.date_range(start, periods=n_rows, freq=alias).to_numpy().astype("datetime64[us]")


@pytest.mark.parametrize("alias", ALIASES)
def test_counting_and_back_is_what_pandas_says(alias: str) -> None:
    expected = stamps(alias)
    one = grid(alias).anchored(expected)
    numbers = one.numbers(expected)
    assert np.diff(numbers).tolist() == [1] * 39
    assert (one.stamps(numbers) == expected).all()
    assert one.holds(expected).all()
    assert (one.ahead(expected[:1], 39)[0] == expected[1:]).all()


@pytest.mark.parametrize("alias", ALIASES)
def test_the_grid_is_found_and_named_as_pandas_names_it(alias: str) -> None:
    expected = stamps(alias)
    one = found(expected, np.zeros(40))
    assert one is not None
    assert (pd.date_range(expected[0], periods=40, freq=one.alias).to_numpy() == expected).all()
    assert grid(one.alias).alias == one.alias


@pytest.mark.parametrize("alias", ["h", "D", "B", "W-THU", "MS", "QE"])
def test_gaps_and_series_do_not_hide_the_grid(alias: str) -> None:
    kept = np.sort(np.random.default_rng(0).permutation(60)[:40])
    rows = np.concatenate([stamps(alias, 60)[kept], stamps(alias, 30, "2020-02-01")])
    one = found(rows, np.repeat([0, 1], [40, 30]))
    assert one is not None and one.holds(rows).all()
    assert one.alias.split("-")[0] == alias.split("-", maxsplit=1)[0]


def test_a_few_odd_stamps_do_not_hide_the_grid() -> None:
    rows = np.sort(np.append(stamps("h", 400), np.datetime64("2023-12-03T10:07")))
    one = found(rows, np.zeros(401))
    assert one is not None and one.alias == "h"


def test_no_series_with_two_stamps_has_no_grid() -> None:
    assert found(stamps("D", 3), np.arange(3)) is None
    assert found(stamps("D", 1), np.zeros(1)) is None


@given(st.datetimes(), st.sampled_from(ALIASES))
def test_a_moment_lies_in_the_period_of_its_number(moment: object, alias: str) -> None:
    one, given_ = grid(alias), np.array([moment], "datetime64[us]")
    number = one.numbers(given_)
    assert (one.numbers(one.stamps(number)) == number).all()
    low, high = one.stamps(number - 1)[0], one.stamps(number + 1)[0]
    assert low <= given_[0] <= high


@pytest.mark.parametrize("alias", ["D", "W-SUN", "MS", "ME", "QE-DEC", "B", "SMS-15", "BMS", "BME"])
def test_rows_are_summed_up_where_pandas_sums_them(alias: str) -> None:
    days = stamps("D", 100)
    one = grid(alias)
    expected = pd.Series(1, index=pd.DatetimeIndex(days)).resample(alias).sum()
    numbers, counts = np.unique(one.numbers(days), return_counts=True)
    assert (one.stamps(numbers) == expected.index.to_numpy()).all()
    assert counts.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "alias",
    [
        "",
        "x",
        "0D",
        "W-XXX",
        "QS-XXX",
        "D-MON-",
        "-1D",
        "15 min",
        "ME-15",
        "MS-31",
        "D-15",
        "SMS-31",
        "SMS-20-10",
        "2SMS",
    ],
)
def test_what_is_no_grid_is_refused(alias: str) -> None:
    with pytest.raises(ValueError, match=r"^got "):
        grid(alias)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("H", "h"),
        ("T", "min"),
        ("M", "ME"),
        ("Q", "QE"),
        ("A", "YE"),
        ("15T", "15min"),
        ("SM", "SME-15"),
        ("BM", "BME"),
    ],
)
def test_old_names_are_known(old: str, new: str) -> None:
    assert grid(old).alias == new


@pytest.mark.parametrize(
    ("alias", "expected"), [("15min", (96, 672)), ("2h", (12, 84)), ("YS", ()), ("5h", ()), ("s", (60, 3600))]
)
def test_seasons_are_whole(alias: str, expected: tuple[int, ...]) -> None:
    assert seasons(grid(alias)) == expected


@pytest.mark.parametrize("alias", [*ALIASES, "3D", "4W", "30s", "2YS"])
def test_every_grid_has_a_horizon(alias: str) -> None:
    assert usual_horizon(grid(alias)) >= 1


def test_four_weeks_with_gaps_are_no_months() -> None:
    kept = [0, 1, 2, 3, 5, 6, 8, 9, 10, 12]
    one = found(stamps("28D", 13)[kept], np.zeros(len(kept)))
    assert one is not None and one.alias == "28D"


@pytest.mark.parametrize("alias", ["MS-15", "MS-30", "QS-FEB-15", "YS-APR-6", "2MS-10", "SMS-10-25", "SME-10"])
def test_a_day_of_months_is_part_of_the_name(alias: str) -> None:
    one = grid(alias)
    numbers = np.arange(600, 700)
    assert one.alias == alias
    assert (one.numbers(one.stamps(numbers)) == numbers).all()
    days = one.stamps(numbers).astype("datetime64[D]").astype(object)
    wanted = {31 if day == 31 else day for day in one.days}
    assert {day.day for day in days} <= {*wanted, 28, 29, 30, 31} and (
        31 in wanted or wanted & {day.day for day in days}
    )


def test_a_time_of_day_stays() -> None:
    closes = pd.date_range("2024-01-31 17:30", periods=5, freq="BME").to_numpy().astype("datetime64[us]")
    one = found(closes, np.zeros(5))
    assert one is not None and one.holds(closes).all()
    assert (grid(one.alias).ahead(closes[:1], 4)[0] == closes[1:]).all()


def test_a_business_day_of_a_weekend_is_the_friday_before() -> None:
    weekend = np.array(["2024-01-06", "2024-01-07T12:00"], "datetime64[us]")
    one = Grid("business", 1)
    assert one.stamps(one.numbers(weekend)).astype("datetime64[D]").astype(str).tolist() == ["2024-01-05"] * 2
