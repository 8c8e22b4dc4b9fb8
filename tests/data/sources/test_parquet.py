"""Parquet: few types come out, whatever went in."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from automl_assets.data.sources.parquet import PART, ParquetOptions
from automl_assets.errors import SourceError


def test_decimals_categories_and_untyped_columns(tmp_path: Path) -> None:
    table = pl.DataFrame({"price": [Decimal("1.20")], "size": ["L"], "none": [None]}).cast({"size": pl.Categorical})
    table.write_parquet(tmp_path / "rows.parquet")
    found = PART.read(ParquetOptions(path=str(tmp_path)))
    assert found.schema == {"price": pl.Float64, "size": pl.String, "none": pl.String}
    assert found.row(0) == (1.2, "L", None)


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"rows\.parquet cannot be read: .*[Pp]arquet"):
        PART.read(ParquetOptions(path=str(tmp_path / "rows.parquet")))


def test_a_table_without_rows(tmp_path: Path) -> None:
    pl.DataFrame({"x": []}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(SourceError, match=r"a header \(x\) but no rows"):
        PART.read(ParquetOptions(path=str(tmp_path / "rows.parquet")))
