"""Text as people really write it: delimiters, quotes, encodings, missing cells, and files that cannot be right."""

import csv
import datetime
import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from automl_assets.data.sources.csv import PART, CsvOptions
from automl_assets.errors import SourceError
from tests.reading import read_typed


def write(folder: Path, content: str | bytes, name: str = "rows.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(path: str, **options: object) -> pl.DataFrame:
    return read_typed(PART, CsvOptions(path=path, **options))


def test_numbers_booleans_and_iso_dates_are_typed(tmp_path: Path) -> None:
    header = "whole,number,flag,day,moment,zoned,text"
    row = "1,1.5,True,2024-02-29,2024-02-29 10:00:00,2024-02-29T10:00:00+02:00,x"
    table = read(write(tmp_path, f"{header}\n{row}\n,,,,,,\n"))
    assert table.dtypes == [
        pl.Int64,
        pl.Float64,
        pl.Boolean,
        pl.Date,
        pl.Datetime("us"),
        pl.Datetime("us", "UTC"),
        pl.String,
    ]
    assert table["zoned"][0] == datetime.datetime(2024, 2, 29, 8, tzinfo=datetime.UTC)
    assert table.row(1) == (None,) * 7


def test_the_whole_file_decides_on_types(tmp_path: Path) -> None:
    assert read(write(tmp_path, "x\n" + "1\n" * 5000 + "1.5\n"))["x"].dtype == pl.Float64


def test_dates_whose_day_and_month_cannot_be_told_apart_stay_text(tmp_path: Path) -> None:
    assert read(write(tmp_path, "hired\n02/05/2007\n09/12/1988\n"))["hired"].dtype == pl.String


def test_impossible_dates_stay_text(tmp_path: Path) -> None:
    assert read(write(tmp_path, "day\n2024-01-31\n2024-02-31\n"))["day"].dtype == pl.String


def test_usual_words_for_missing_are_missing_but_true_categories_are_not(tmp_path: Path) -> None:
    table = read(write(tmp_path, 'x,veneer\n1,None\nNA,?\n" ",NA\n"",""\nNaN,None\n'))
    assert table["x"].to_list() == [1, None, None, None, None]
    assert table["veneer"].to_list() == ["None", "?", None, None, "None"]


def test_own_words_for_missing_replace_the_default_ones(tmp_path: Path) -> None:
    table = read(write(tmp_path, "x,y\n-999,NA\n5,b\n"), null_values=[-999])
    assert table.rows() == [(None, "NA"), (5, "b")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "amount"], ["a, b; c | d", "1"], ["e", "2"]]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert read(str(path)).rows() == [("a, b; c | d", 1), ("e", 2)]


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    assert read(write(tmp_path, "x\n1\n\n3\n"))["x"].to_list() == [1, None, 3]


def test_decimal_commas_are_numbers_when_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "a;b\n1,5;x\n-2,25;y\n")
    assert read(path, decimal_comma=True)["a"].to_list() == [1.5, -2.25]
    assert read(path)["a"].to_list() == ["1,5", "-2,25"]


def test_a_given_delimiter_wins_over_the_likely_one(tmp_path: Path) -> None:
    assert read(write(tmp_path, "a,b;c\n1,2;3\n"), delimiter=";").columns == ["a,b", "c"]


def test_gzip_is_unpacked_whatever_the_name(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,x\n")
    assert read(write(tmp_path, packed, "rows.csv.gz")).equals(read(write(tmp_path, packed, "rows.dat")))


def test_damaged_gzip_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rows\.csv\.gz cannot be read: Compressed file ended"):
        read(write(tmp_path, gzip.compress(b"a,b\n1,x\n" * 99)[:30], "rows.csv.gz"))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "städte,x\nKöln,1\n".encode(encoding))
    assert read(path, encoding=encoding).rows(named=True) == [{"städte": "Köln", "x": 1}]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert read(write(tmp_path, "\ufeffa,b\n1,2\n")).columns == ["a", "b"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_blank_lines_are_no_rows_with_any_line_ending(tmp_path: Path, ending: str) -> None:
    lines = ["", "a,b", "1,x", "", "2,", "  ", "3,z", ""]
    assert read(write(tmp_path, ending.join(lines))).rows() == [(1, "x"), (2, None), (3, "z")]


def test_nameless_columns_get_their_position_as_name(tmp_path: Path) -> None:
    assert read(write(tmp_path, ",a,\n0,1,\n")).columns == ["unnamed_1", "a", "unnamed_3"]


def test_header_cells_may_hold_quotes_and_line_breaks(tmp_path: Path) -> None:
    assert read(write(tmp_path, '"a ""x""","b\nc"\n1,2\n')).columns == ['a "x"', "b\nc"]


def test_cells_longer_than_pythons_own_limit(tmp_path: Path) -> None:
    assert read(write(tmp_path, f"a,b\n{'x' * 300_000},\n"))["a"].str.len_chars().item() == 300_000


def test_empty_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rows\.csv: the file is empty \(0 bytes\); it needs a header"):
        read(write(tmp_path, ""))


def test_blank_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rows\.csv: the file holds nothing but blank lines"):
        read(write(tmp_path, "\n\r\n\n"))


def test_header_only(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"rows\.csv: the file has a header \(a, b\) but no rows"):
        read(write(tmp_path, "a,b\n"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_doubled_column_names(tmp_path: Path, pack) -> None:
    with pytest.raises(SourceError, match=r"names a, b more than once \(columns 1, 3, 4, 5\)"):
        read(write(tmp_path, pack(b"a,c,b,a,b\n1,2,3,4,5\n")))


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"byte 9 \(line 3\) is 0xf6, which is not utf-8; .* `encoding: latin-1`"):
        read(write(tmp_path, "a,b\n1,2\nöl,3\n".encode("latin-1").replace(b"\xf6l", b"k\xf6")))


def test_utf16_without_saying_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="`encoding: utf-16`"):
        read(write(tmp_path, "a,b\n1,2\n".encode("utf-16")))


@pytest.mark.parametrize(("row", "cells"), [("3,4,5", "3 cells"), ("3", "1 cell")])
def test_ragged_rows(tmp_path: Path, row: str, cells: str) -> None:
    with pytest.raises(SourceError, match=rf"rows\.csv: line 5 has {cells} where the header has 2 \(delimiter ','\)"):
        read(write(tmp_path, f'a,b\n1,2\n"x\ny",2\n{row}\n'))


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a double quote opens a cell and is never closed"):
        read(write(tmp_path, 'a,b\n1,"2\n3,4\n'))


def test_types_are_decided_over_all_files_together(tmp_path: Path) -> None:
    write(tmp_path, "code,amount\n007,\n", "a.csv")
    write(tmp_path, "amount,code\n1.5,A1\n", "b.csv")
    assert read(str(tmp_path)).rows() == [("007", None), ("A1", 1.5)]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"delimiter": ";;"}, "it is one ASCII character"),
        ({"encoding": "utf-99"}, "possible: utf-8, utf-16"),
        ({"encoding": "hex"}, "possible: utf-8, utf-16"),
        ({"seperator": ";"}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_options_are_refused_before_reading(options: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        CsvOptions(path="rows.csv", **options)


CELLS = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(['"', "\n", "\r\n", "a,b", "ä;ö", "\u2028", "  ", "NA"]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[CELLS] * n), min_size=1, max_size=6)))
def test_every_table_keeps_its_shape(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    header = [f"column {number}" for number in range(len(rows[0]))]
    path = tmp_path / "any.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    table = read(str(path), delimiter=",")
    assert (table.shape, table.columns) == ((len(rows), len(header)), header)
