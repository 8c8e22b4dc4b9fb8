"""Columns of a table as the numbers that models take. What type a column has is found out by its schema."""

import numpy as np
import polars as pl

from automl_assets.data.dates import ISO, read_dates


def as_numbers(column: pl.Series) -> pl.Series:
    """A column as Float64; what is no number, true or false is missing.

    >>> as_numbers(pl.Series(["1.5", " True", "false", "soon"])).to_list()
    [1.5, 1.0, 0.0, None]
    """
    numbers = column.cast(pl.Float64, strict=False)
    if column.dtype != pl.String or numbers.null_count() == column.null_count():
        return numbers
    texts = column.str.strip_chars().str.to_lowercase()
    words = texts.replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    return texts.cast(pl.Float64, strict=False).fill_null(words)


def as_floats(column: pl.Series) -> np.ndarray:
    """The same as float64 [n_rows]; missing is NaN."""
    return as_numbers(column).to_numpy()


def seconds_since_1970(column: pl.Series) -> np.ndarray:
    """Moments as float64 seconds, UTC; missing is NaN. This is what the ONNX model takes for a date column."""
    return as_moments(column).dt.epoch("ms").cast(pl.Float64).fill_null(float("nan")).to_numpy() / 1000.0


def as_moments(column: pl.Series) -> pl.Series:
    """A column as Datetime; texts by ISO 8601, and what is no date is missing.

    >>> as_moments(pl.Series(["1999-12-31", "soon"])).to_list()
    [datetime.datetime(1999, 12, 31, 0, 0), None]
    """
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.cast_time_unit("ms")
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("ms"))
    return read_dates(column.cast(pl.String), ISO).dt.cast_time_unit("ms")


def completed(rows: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """Rows with those columns of the first that they lack, all of them missing."""
    lacking = [name for name in first.columns if name not in rows.columns]
    return rows.with_columns(pl.lit(None, first.schema[name]).alias(name) for name in lacking)


def stacked(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows of all tables, which one schema has read, under the columns of the first. Whole numbers give way to fractions."""
    return pl.concat([table.select(tables[0].columns) for table in tables], how="vertical_relaxed")
