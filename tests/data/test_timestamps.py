"""How columns that say when are written: learnt from one column, held to in every later one, never guessed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.data.timestamps import ISO, LOCAL_DAYS, learn_format, parse_timestamps, read_timestamps
from automl_assets.errors import DataError

START = datetime(2019, 3, 4)
EPOCH = datetime(1970, 1, 1)


def column(values: list[Any]) -> pl.Series:
    return pl.Series("at", values)


def seconds(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())


def days(n: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(days=day) for day in range(n)]


def hours(n: int) -> list[datetime]:
    return [START + timedelta(hours=hour) for hour in range(n)]


def months(n: int) -> list[datetime]:
    return [datetime(2019 + place // 12, place % 12 + 1, 1) for place in range(n)]


# Format -> moments that it can say, and how one of them is written
WRITTEN: dict[str, tuple[list[datetime], Callable[[datetime], Any]]] = {
    ISO: (hours(40), lambda moment: moment.isoformat(" ")),
    "%d/%m/%Y": (days(40), lambda moment: f"{moment:%d/%m/%Y}"),
    "%m/%d/%Y": (days(40), lambda moment: f"{moment:%m/%d/%Y}"),
    "%d.%m.%Y %H:%M": (hours(40), lambda moment: f"{moment:%d.%m.%Y %H:%M}"),
    "%m/%d/%Y %I:%M %p": (hours(500), lambda moment: f"{moment:%m/%d/%Y %I:%M %p}"),
    "%d %b %Y": (days(40), lambda moment: f"{moment:%d %b %Y}"),
    "%Y-%m": (months(30), lambda moment: f"{moment:%Y-%m}"),
    "%m/%Y": (months(30), lambda moment: f"{moment:%m/%Y}"),
    "%b %Y": (months(30), lambda moment: f"{moment:%b %Y}"),
    "quarter": (months(36)[::3], lambda moment: f"{moment.year}Q{moment.month // 3 + 1}"),
    "iso week": (days(70)[::7], lambda moment: f"{moment:%G-W%V}"),
    "year": (months(60)[::12], lambda moment: moment.year),
    "YYYYMM": (months(30), lambda moment: moment.year * 100 + moment.month),
    "YYYYMMDD": (days(40), lambda moment: int(f"{moment:%Y%m%d}")),
    "YYYYMMDDHH": (hours(40), lambda moment: int(f"{moment:%Y%m%d%H}")),
    "YYYYMMDDHHMM": (hours(40), lambda moment: int(f"{moment:%Y%m%d%H%M}")),
    "unix seconds": (hours(40), seconds),
    "unix milliseconds": (hours(40), lambda moment: seconds(moment) * 1000),
    "unix microseconds": (hours(40), lambda moment: seconds(moment) * 1_000_000),
    "unix nanoseconds": (hours(40), lambda moment: seconds(moment) * 1_000_000_000),
    "excel days": (days(40), lambda moment: seconds(moment) // 86_400 + 25_569),
    "days": (days(40, EPOCH), lambda moment: (moment - EPOCH).days),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_format_is_learnt_and_read_back(name: str) -> None:
    moments, write = WRITTEN[name]
    written = column([write(moment) for moment in moments])
    assert learn_format(written) == name
    assert read_timestamps(written, name).to_list() == moments
    assert parse_timestamps(written).to_list() == moments


NUMBERS = [name for name, (moments, write) in WRITTEN.items() if isinstance(write(moments[0]), int)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("form", [str, float, lambda value: f" {value}.0 "], ids=["text", "fraction", "text of it"])
def test_a_number_means_the_same_however_a_file_holds_it(name: str, form: Callable[[int], Any]) -> None:
    """20230719, 20230719.0 and "20230719", from CSV, JSON, Parquet or a server."""
    moments, write = WRITTEN[name]
    written = column([form(write(moment)) for moment in moments])
    if name != "unix nanoseconds" or form is str:  # which fractions cannot hold
        assert learn_format(written) == name
        assert read_timestamps(written, name).to_list() == moments


@pytest.mark.parametrize("name", WRITTEN)
def test_dates_of_a_file_that_knows_them_need_no_format(name: str) -> None:
    for known in (pl.Series("at", [date(2024, 1, 31)]), pl.Series("at", [datetime(2024, 1, 31)])):
        assert learn_format(known) == ISO
        assert read_timestamps(known, name).to_list() == [datetime(2024, 1, 31)]


# --- the day or the month first -----------------------------------------------------------------------------------


def test_months_written_day_first_are_months() -> None:
    """60 first days of months, not 12 days of each of five Januaries."""
    written = column([f"{moment:%d/%m/%Y}" for moment in months(60)])
    assert parse_timestamps(written).to_list() == months(60)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"])
@settings(max_examples=25, deadline=None)
@given(day=st.dates(date(1990, 1, 1), date(2030, 1, 1)), step=st.sampled_from([1, 7, 14]), n=st.integers(40, 60))
def test_what_is_regular_in_one_reading_is_never_read_otherwise(form: str, day: date, step: int, n: int) -> None:
    moments = [datetime(day.year, day.month, day.day) + timedelta(days=step * place) for place in range(n)]
    assert parse_timestamps(column([f"{moment:{form}}" for moment in moments])).to_list() == moments


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y"])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("day", [1, 5, 12])
def test_months_are_told_from_days(form: str, size: int, day: int) -> None:
    moments = [moment.replace(day=day) for moment in months(60)[::size]]
    assert parse_timestamps(column([f"{moment:{form}}" for moment in moments])).to_list() == moments


def test_what_both_readings_make_regular_is_refused() -> None:
    twelve = column([f"{moment:%d/%m/%Y}" for moment in days(12, datetime(2024, 1, 1))])
    with pytest.raises(DataError, match=r"'02/01/2024' may be 2 January 2024 or 1 February 2024, .*date_formats: {"):
        learn_format(twelve)
    assert learn_format(twelve, given="%d/%m/%Y") == "%d/%m/%Y"
    assert read_timestamps(twelve, "%m/%d/%Y").dt.month().to_list() == [*range(1, 13)]


def test_days_and_months_of_one_number_are_no_question() -> None:
    assert parse_timestamps(column(["01/01/2024", "02/02/2024"])).dt.month().to_list() == [1, 2]


# --- offsets ------------------------------------------------------------------------------------------------------


def test_moments_with_offsets_are_kept_in_utc() -> None:
    read = parse_timestamps(column(["2024-01-31T00:30:00+01:00", "2024-07-31T00:00:00+0200", "2024-07-31 00:00Z"]))
    expected = [datetime(2024, 1, 30, 23, 30), datetime(2024, 7, 30, 22), datetime(2024, 7, 31)]
    assert read.to_list() == [moment.replace(tzinfo=UTC) for moment in expected]


@pytest.mark.parametrize("offsets", [("+02:00", "+01:00"), ("-04:00", "-05:00"), ("+13:00", "+12:00"), ("Z", "Z")])
def test_midnights_of_changing_clocks_are_days(offsets: tuple[str, str]) -> None:
    moments = days(100, datetime(2023, 8, 1))
    written = column([f"{day:%Y-%m-%d}T00:00:00{offsets[place > 80]}" for place, day in enumerate(moments)])
    assert learn_format(written) == LOCAL_DAYS
    assert read_timestamps(written, LOCAL_DAYS).to_list() == moments


def test_an_offset_here_and_none_there_is_refused() -> None:
    with pytest.raises(DataError, match=r"1 of 2 values, such as '2024-07-31', is no time"):
        learn_format(column(["2024-01-31T00:30:00+01:00", "2024-07-31"]))


# --- what says no time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["2024-01-01", "soon", "2024-01-02"], "1 of 3 values, such as 'soon', is no time"),
        (["13/10/2008", "06/31/2004"], "1 of 2 values, such as "),
        ([20240131, 20240230], "1 of 2 values, such as 20240230, is no time; numbers are years, YYYYMM"),
        ([1959.25, 1959.5], "2 of 2 values, such as 1959.25, 1959.5, are no time"),
        ([True, False], "such as True, False, are no time"),
        ([123_456, 654_321], "2 of 2 values, such as 123456, 654321, are no time"),
        ([5 * 10**18], "is no time"),
        ([float("inf")], "is no time"),
        (["01/02/19"], 'say how they are written: date_formats: {"at": "%d/%m/%Y"}'),
    ],
)
def test_what_says_no_time_is_counted_and_shown(values: list[Any], told: str) -> None:
    with pytest.raises(DataError) as refused:
        learn_format(column(values))
    assert str(refused.value).startswith('time_column "at": ') and told in str(refused.value)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_later_column_is_held_to_the_format(name: str) -> None:
    with pytest.raises(
        DataError, match=f"\"at\": 2 of 3 values, such as 'soon', '7/7', are no time of the form {name};"
    ):
        read_timestamps(column([None, "soon", "7/7"]), name)


@pytest.mark.parametrize("name", ["dd/mm/yyyy", "iso", ""])
def test_a_format_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"^date_formats: got '.*'; it is one of iso 8601, "):
        learn_format(column(["2024-01-01"]), given=name)


def test_years_of_two_digits_are_read_where_a_person_says_so() -> None:
    assert (
        read_timestamps(column(["01/02/19"]), learn_format(column(["01/02/19"]), given="%d/%m/%y")).dt.year()[0] == 2019
    )


def test_gaps_stay_gaps() -> None:
    assert parse_timestamps(column([None, "2024-01-31"])).to_list() == [None, datetime(2024, 1, 31)]
    assert parse_timestamps(column([None, None])).null_count() == 2


def test_the_first_and_the_last_day_there_are() -> None:
    assert parse_timestamps(column(["0001-01-01", "9999-12-31"])).dt.year().to_list() == [1, 9999]
