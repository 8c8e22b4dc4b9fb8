"""Columns of new rows as they were learnt, for programs that stand alone."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from automl_assets.data.tables import with_dates
from automl_assets.data.typing import as_moments, as_type, typed
from automl_assets.errors import DataError, listed


def check_columns(wanted: Iterable[str], table: pl.DataFrame) -> None:
    """Raises DataError where some are lacking."""
    lacking = [name for name in wanted if name not in table.columns]
    if lacking:
        raise DataError(f"the rows lack the columns {listed(lacking)}; they have {listed(table.columns)}")


def as_learnt(column: pl.Series, wanted: Any) -> pl.Series:
    """A column as its source brings it, with the type under which it was learnt."""
    if column.dtype != pl.String:
        return as_type(typed(column.to_frame()).to_series(), wanted)
    text = column.set(column.str.strip_chars() == "", None)
    if wanted == pl.String:
        return text
    if wanted == pl.Boolean:
        return text.str.strip_chars().str.to_lowercase() == "true"
    if wanted.is_temporal():
        dates = with_dates(text.to_frame()).to_series()
        return (as_moments(text) if dates.dtype == pl.String else dates).cast(wanted, strict=False)
    return text.str.strip_chars().cast(wanted, strict=False)
