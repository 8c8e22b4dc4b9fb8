"""JSON lines: what counts as a row, how values are typed, and which line is to blame."""

import datetime
import gzip
from pathlib import Path

import polars as pl
import pytest

from automl_assets.data.sources.jsonl import PART, JsonlOptions
from automl_assets.errors import SourceError
from tests.reading import read_typed


def read(folder: Path, content: bytes, name: str = "rows.jsonl") -> pl.DataFrame:
    (folder / name).write_bytes(content)
    return read_typed(PART, JsonlOptions(path=str(folder / name)))


def test_keys_left_out_are_missing_and_iso_dates_are_dates(tmp_path: Path) -> None:
    table = read(tmp_path, b'{"x": 1, "day": "2024-02-29"}\n\n{"x": 2.5, "late": "y"}\n')
    assert table.rows() == [(1.0, datetime.date(2024, 2, 29), None), (2.5, None, "y")]


def test_texts_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"code": "007"}\n')["code"].to_list() == ["007"]


def test_gzip_and_byte_order_mark(tmp_path: Path) -> None:
    content = gzip.compress('\ufeff{"ø": 1}\n'.encode())
    assert read(tmp_path, content, "rows.ndjson.gz").rows(named=True) == [{"ø": 1}]


def test_a_column_without_values_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"x": null}\n')["x"].dtype == pl.String


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": 1}\n{"a":\n', r"line 2 is not JSON \(Expecting value"),
        (b'[{"a": 1}]\n', "line 1 is not an object but a list; write one JSON object per line"),
        (b'{"a": NaN}\n', "line 1 is not JSON .NaN is not a JSON number, write null"),
        (b"\n \n", "nothing but blank lines"),
        (b'{"a": "\xe9"}\n', r"byte 7 \(line 1\) is 0xe9, which is not utf-8"),
        (b'{"a": 1}\n{"a": true}\n{"a": [1]}\n', "write one JSON object per line"),
    ],
)
def test_the_line_to_blame_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        read(tmp_path, content)
