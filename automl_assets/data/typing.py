"""How texts become numbers, dates and truth values: the one home of types."""

from typing import Any

import numpy as np
import polars as pl

from automl_assets.errors import SourceError

ISO_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f")  # sources know these themselves


DATE_FORMATS = ("%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S", "%m/%d/%Y %H:%M", "%Y%m%dT%H%M%S")


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


def seconds_since_1970(column: pl.Series) -> np.ndarray:
    """Moments as float64 seconds, UTC; missing is NaN. This is what the ONNX model takes for a date column."""
    return as_moments(column).dt.epoch("ms").cast(pl.Float64).fill_null(float("nan")).to_numpy() / 1000.0


def as_moments(column: pl.Series) -> pl.Series:
    """A column as Datetime; texts by the format that reads most of them, and what is no date is missing.

    >>> as_moments(pl.Series(["12/31/1999", "soon"])).to_list()
    [datetime.datetime(1999, 12, 31, 0, 0), None]
    """
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.cast_time_unit("ms")
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("ms"))
    text = column.cast(pl.String)
    readings = [text.str.to_datetime(form, time_unit="ms", strict=False) for form in (*ISO_FORMATS, *DATE_FORMATS)]
    return max(readings, key=lambda moments: moments.count())


def completed(rows: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """Rows with those columns of the first that they lack, all of them missing."""
    lacking = [name for name in first.columns if name not in rows.columns]
    return rows.with_columns(pl.lit(None, first.schema[name]).alias(name) for name in lacking)


def stacked(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows of all tables under the columns of the first."""
    return pl.DataFrame([_joined([table[name] for table in tables]) for name in tables[0].columns])


def _joined(columns: list[pl.Series]) -> pl.Series:
    """One column from several files: whole numbers give way to fractions, anything else follows the first's type."""
    first = columns[0].dtype
    is_widened = first.is_integer() and any(column.dtype.is_float() for column in columns)
    wanted = pl.Float64 if is_widened else first
    return pl.concat([as_type(column, wanted) for column in columns])


def as_type(column: pl.Series, wanted: Any) -> pl.Series:
    """A column as another type. Raises SourceError where its values cannot be."""
    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), wanted)
    moments = column.dtype == pl.String and isinstance(wanted, pl.Date | pl.Datetime)
    try:
        return (as_moments(column) if moments else column).cast(wanted, strict=False)
    except pl.exceptions.PolarsError:
        raise SourceError(
            f'column "{column.name}" is {wanted} in the source and {column.dtype} in a validation or test file; '
            "write its values alike"
        ) from None
