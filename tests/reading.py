"""Rows of a source as a model that learns from them reads them."""

from typing import Any

import polars as pl

from automl_assets.data.schema import learn_schema
from automl_assets.parts import Source


def read_typed(part: Source, options: Any) -> pl.DataFrame:
    """All rows, by the schema that they themselves give."""
    rows = part.read(options)
    return learn_schema(rows, part.name, part.dialect(options)).read(rows).table


def typed(table: pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame likewise."""
    return learn_schema(table).read(table).table
