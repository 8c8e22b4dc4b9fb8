"""Rows of the time series that come with statsmodels: for examples and tests of forecasts, no network needed."""

from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from automl_assets.data import files, tables
from automl_assets.errors import listed, nearest
from automl_assets.parts import Source

NAMES = ("co2", "copper", "macrodata", "nile", "sunspots")
TIME, SERIES, VALUE = "time", "series", "value"
PARTS_OF_TIME = ("year", "quarter", "time")  # columns that together say when, whatever their case


class StatsmodelsOptions(BaseModel):
    """Which data set, and in which shape. The text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description=f"One of {listed(NAMES)}.")
    long: bool = Field(False, description=f"One row per column and stamp: {TIME}, {SERIES}, {VALUE}.")

    @field_validator("name")
    @classmethod
    def _is_bundled(cls, value: str) -> str:
        if value not in NAMES and not files.has_variable(value):
            raise ValueError(f"got {value!r}; possible: {listed(NAMES)}.{nearest(value, NAMES)}")
        return value


def read(options: StatsmodelsOptions) -> pl.DataFrame:
    """The columns under statsmodels' names, after the column `time`: years, dates, or the first days of quarters.

    >>> read(StatsmodelsOptions(name="macrodata", long=True)).head(1).rows()
    [(datetime.date(1959, 1, 1), 'realgdp', 2710.349)]
    """
    from statsmodels import datasets

    frame = getattr(datasets, files.expanded(options).name).load_pandas().data
    table = _with_time(frame)
    return table.unpivot(index=TIME, variable_name=SERIES, value_name=VALUE) if options.long else table


def _with_time(frame: Any) -> pl.DataFrame:
    table = pl.DataFrame({str(name): frame[name].to_numpy() for name in frame.columns}, nan_to_null=True)
    parts = {name.lower(): pl.col(name).cast(pl.Int32) for name in table.columns if name.lower() in PARTS_OF_TIME}
    rest = table.select(name for name in table.columns if name.lower() not in parts)
    if "quarter" in parts:
        time = table.select(pl.date(parts["year"], parts["quarter"] * 3 - 2, 1).alias(TIME))
    elif parts:
        time = table.select(next(iter(parts.values())).alias(TIME))
    else:
        time = pl.DataFrame({TIME: frame.index.to_numpy()})
    return pl.concat([time, rest], how="horizontal")


def fingerprint(options: StatsmodelsOptions) -> str:
    """Changes only when a version of statsmodels corrects the data."""
    return tables.fingerprint_table(read(options))


def describe(options: StatsmodelsOptions) -> str:
    """The data set's name."""
    return f"statsmodels' data set {options.name}"


def code(options: StatsmodelsOptions) -> str:
    """The same by statsmodels and pandas."""
    given = files.expanded(options)
    lines = [
        "import pandas as pd",
        "from statsmodels import datasets",
        "",
        f"frame = datasets.{given.name}.load_pandas().data.rename(columns=str)",
        f"parts = {{name.lower(): name for name in frame.columns if name.lower() in {PARTS_OF_TIME!r}}}",
        "if 'quarter' in parts:",
        "    first = frame[parts['quarter']].astype(int) * 3 - 2",
        "    time = pd.to_datetime({'year': frame[parts['year']].astype(int), 'month': first, 'day': 1})",
        "else:",
        "    time = frame[next(iter(parts.values()))].astype(int) if parts else frame.index",
        f"table = pl.from_pandas(frame.drop(columns=list(parts.values())).assign({TIME}=time).reset_index(drop=True))",
    ]
    if given.long:
        lines.append(f"table = table.unpivot(index={TIME!r}, variable_name={SERIES!r}, value_name={VALUE!r})")
    return "\n".join([*lines, "return table", ""])


PART = Source(
    name="statsmodels",
    title="statsmodels' bundled time series",
    options=StatsmodelsOptions,
    read=read,
    fingerprint=fingerprint,
    describe=describe,
    code=code,
    text_option="name",
)
