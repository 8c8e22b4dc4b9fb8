"""Stamps of later rows are read on the clocks of those learnt from."""

from datetime import datetime

import polars as pl
import pytest

from automl_assets.data.schema import Schema, learn_schema
from automl_assets.data.timestamps import learn_format
from automl_assets.errors import DataError
from automl_assets.forecasting.steps.load_series import on_clocks_of, read_time


def learnt(*stamps: object) -> Schema:
    table = pl.DataFrame({"t": pl.Series(stamps)})
    return learn_schema(table, time_formats={"t": learn_format(table["t"])})


def read(schema: Schema, *stamps: object, zone: str | None = None) -> list:
    return read_time(pl.DataFrame({"t": pl.Series(stamps)}), "t", schema, zone)["t"].to_list()


HOURS = "2024-01-31T10:00:00", "2024-01-31T11:00:00"


def test_an_offset_where_none_was_learnt_is_refused() -> None:
    """It would shift all stamps without a word."""
    with pytest.raises(
        DataError, match="2024-02-01T10:00:00[+]05:00 has an offset, and stamps learnt from have none; wr"
    ):
        read(learnt(*HOURS), "2024-02-01T10:00:00+05:00")
    zoned = pl.Series([datetime(2024, 2, 1, 10)]).dt.replace_time_zone("Asia/Karachi")
    with pytest.raises(DataError, match="has an offset"):
        read(learnt(*HOURS), *zoned)


def test_utc_is_the_same_clock_where_no_zone_is_named() -> None:
    assert read(learnt(*HOURS), "2024-02-01T10:00:00Z") == [datetime(2024, 2, 1, 10)]


def test_a_zone_tells_what_stamps_without_an_offset_mean() -> None:
    (moment,) = read(learnt(*HOURS), "2024-02-01T10:00:00+05:00", zone="Europe/Berlin")
    assert moment.timestamp() == datetime.fromisoformat("2024-02-01T05:00:00+00:00").timestamp()


def test_further_files_stand_on_the_clocks_of_the_first() -> None:
    """One writes offsets, the other does not; the zone says what the latter means."""
    naive = pl.DataFrame({"t": [datetime(2024, 2, 1, 6)]})
    zoned = naive.with_columns(pl.lit(datetime(2024, 2, 1, 5)).dt.replace_time_zone("UTC").alias("t"))
    assert on_clocks_of(naive, zoned, "t", "Europe/Berlin")["t"].to_list() == naive["t"].to_list()
    assert on_clocks_of(zoned, naive, "t", "Europe/Berlin")["t"].to_list() == zoned["t"].to_list()
    assert on_clocks_of(naive, naive, "t", None)["t"].to_list() == naive["t"].to_list()
