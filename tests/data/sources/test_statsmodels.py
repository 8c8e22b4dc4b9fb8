"""The bundled time series: shapes as published, one column that says when, and one row per series where asked."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from automl_assets.data.sources.statsmodels import NAMES, PART, StatsmodelsOptions

SHAPES = {"co2": (2284, 2), "copper": (25, 6), "macrodata": (203, 13), "nile": (100, 2), "sunspots": (309, 2)}


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_time(name: str) -> None:
    table = PART.read(StatsmodelsOptions(name=name))
    assert table.shape == SHAPES[name]
    assert table.columns[0] == "time"
    assert table["time"].is_sorted() and table["time"].n_unique() == table.height


def test_quarters_are_dates_and_columns_become_series() -> None:
    table = PART.read(StatsmodelsOptions(name="macrodata", long=True))
    assert table.shape == (203 * 12, 3)
    first = table.filter(pl.col("series") == "unemp").row(0)
    assert first == (date(1959, 1, 1), "unemp", 5.8)
    assert table["time"].max() == date(2009, 7, 1)


@pytest.mark.parametrize("options", [{"name": "macrodata", "long": True}, {"name": "co2"}, {"name": "nile"}])
def test_code_reads_the_same(options: dict[str, Any]) -> None:
    given = StatsmodelsOptions(**options)
    body = "".join(f"    {line}\n" for line in PART.code(given).splitlines())
    scope: dict[str, Any] = {"pl": pl}
    exec(f"def rows():\n{body}", scope)
    found, expected = scope["rows"](), PART.read(given)
    columns = [name for name in expected.columns if name != "time"]
    assert found.select(columns).equals(expected.select(columns))
    assert found["time"].cast(expected["time"].dtype).to_list() == expected["time"].to_list()


def test_fingerprints_are_stable_and_differ() -> None:
    found = [PART.fingerprint(StatsmodelsOptions(name=name)) for name in ("nile", "co2", "nile")]
    assert found[0] == found[2] != found[1]


def test_an_unknown_name() -> None:
    with pytest.raises(ValidationError, match=r"possible: co2, .*sunspots\. Did you mean \"macrodata\"\?"):
        StatsmodelsOptions(name="macro_data")
