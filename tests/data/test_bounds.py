"""A small file that unpacks to a large one is refused before it is unpacked, with what to set."""

import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import polars as pl
import pytest

from automl_assets import registry
from automl_assets.errors import SettingError, SourceError

MIB = 1 << 20


def read(path: Path | str, kind: str) -> pl.DataFrame:
    part = registry.sources()[kind]
    return part.read(part.options(path=str(path)))


def first_batch(path: Path, kind: str) -> pl.DataFrame:
    part = registry.sources()[kind]
    return next(part.batches(part.options(path=str(path)), 10))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_MOST_BYTES", str(MIB))
    monkeypatch.setenv("AUTOML_MOST_ROWS", "100000")


TOO_MANY = r"rows\..*: it has (more than )?[\d,]+ bytes once it is unpacked; allowed are 1,048,576; .*AUTOML_MOST_BYTES"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_packed_text(kind: str, tmp_path: Path) -> None:
    """64 MiB in 64 KiB."""
    path = tmp_path / f"rows.{kind}.gz"
    path.write_bytes(gzip.compress(b'{"x": "' + b"0" * 64 * MIB + b'"}\n', 1))
    tracemalloc.start()
    with pytest.raises(SourceError, match=TOO_MANY):
        read(path, kind)
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()


def test_a_line_without_end_in_batches(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"x": "' + b"0" * 8 * MIB + b'"}\n', 1))
    with pytest.raises(SourceError, match=TOO_MANY):
        first_batch(tmp_path / "rows.jsonl.gz", "jsonl")


def test_a_column_of_one_value_in_parquet(tmp_path: Path) -> None:
    """A few hundred bytes that mean 1.6 MB."""
    pl.DataFrame({"x": [7]}).select(pl.col("x").repeat_by(200_000).explode()).write_parquet(tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size < 5_000
    with pytest.raises(SourceError, match="it has 200,000 rows; allowed are 100,000; .*AUTOML_MOST_ROWS"):
        read(tmp_path / "rows.parquet", "parquet")


def test_a_list_of_one_value_in_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"x": [[7] * 200_000]}).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(SourceError, match=TOO_MANY):
        read(tmp_path / "rows.parquet", "parquet")


def test_a_member_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", "x\n" + "0" * 8 * MIB)
    with pytest.raises(SourceError, match=TOO_MANY):
        read(f"zip://rows.csv::file://{tmp_path}/all.zip", "csv")


def test_too_many_rows_of_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x\n" + "1\n" * 100_001)
    with pytest.raises(SourceError, match="it has 100,001 rows; allowed are 100,000"):
        read(tmp_path / "rows.csv", "csv")


@pytest.mark.parametrize("text", ["much", "-1", "0", "1e9"])
def test_what_is_no_number(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_MOST_ROWS", text)
    (tmp_path / "rows.csv").write_text("x\n1\n")
    with pytest.raises(SettingError, match=f"AUTOML_MOST_ROWS: got '{text}'; it is a whole number from 1"):
        read(tmp_path / "rows.csv", "csv")


def test_ordinary_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOML_MOST_BYTES")
    monkeypatch.delenv("AUTOML_MOST_ROWS")
    buffer = io.BytesIO()
    pl.DataFrame({"x": range(3)}).write_parquet(buffer)
    (tmp_path / "rows.parquet").write_bytes(buffer.getvalue())
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(b"x\n0\n1\n2\n"))
    assert read(tmp_path / "rows.parquet", "parquet").height == read(tmp_path / "rows.csv.gz", "csv").height == 3
