"""Rows read a batch at a time are the rows read at once, of the same types, whatever a batch holds alone."""

import gzip
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from automl_assets.errors import SourceError
from automl_assets.experiment.experiment import SourceSetting
from automl_assets.steps.read_source import learn, read, written, written_batches

# Each column looks like something else in its first rows.
LINES = [
    *("1,1,7,x,2024-01-01,true,a,,007", "2,2,8,y,2024-01-02,false,b,,1", ",3,9,z,2024-01-03,true,c,,2"),
    *('4,4.5,A1,"two\nlines",soon,1,NA,,3', "5,5,10,é,,false,d,0.5,4", '6,1e300,1e5,"a,""b""",2024-01-06,,e,,5'),
]
CSV = "\n".join(["whole,fraction,code,text,day,flag,gaps,late,zip", *LINES, "", ""])


def _setting(path: Path, kind: str = "csv", **options: object) -> SourceSetting:
    return SourceSetting.model_validate({"kind": kind, "path": str(path), **options})


def _batches(setting: SourceSetting, most_rows: int) -> list[pl.DataFrame]:
    """As whoever knows the schema of the whole reads them."""
    schema = learn(setting, written(setting))
    return [schema.read(part).table for part in written_batches(setting, most_rows)]


def _alike(setting: SourceSetting, most_rows: int = 2) -> list[pl.DataFrame]:
    """The batches, when they are as they should be."""
    parts = _batches(setting, most_rows)
    assert max(part.height for part in parts) <= most_rows
    assert_frame_equal(pl.concat(parts), read(setting))
    return parts


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(CSV)
    parts = _alike(_setting(tmp_path / "rows.csv"))
    assert parts[0]["code"].to_list() == ["7", "8"], "what is text further down is text from the start"
    assert parts[0].schema["fraction"] == pl.Float64 and parts[0].schema["late"] == pl.Float64


@pytest.mark.parametrize(
    ("encoding", "packed"), [("latin-1", False), ("utf-16", False), (None, True), ("cp1252", True)]
)
def test_csv_of_other_encodings_and_packed(tmp_path: Path, encoding: str | None, packed: bool) -> None:
    content = CSV.replace(",", ";").encode(encoding or "utf-8-sig")
    (tmp_path / "rows.csv").write_bytes(gzip.compress(content) if packed else content)
    _alike(_setting(tmp_path / "rows.csv", encoding=encoding))


def test_csv_with_decimal_commas_and_gaps_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a;b\n1,5;?\n2;x\n3,25;y\n")
    parts = _alike(_setting(tmp_path / "rows.csv", decimal_comma=True, null_values=["?"]))
    assert parts[0]["a"].to_list() == [1.5, 2.0] and parts[0]["b"].to_list() == [None, "x"]


def test_a_folder_of_csv_whose_types_differ(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "2.csv").write_text("b,a\nz,1.5\n")
    _alike(_setting(tmp_path))


def test_parquet(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": range(5), "b": pl.Series(["u", None, "v", "u", "w"], dtype=pl.Categorical)})
    table.with_columns(d=pl.date(2024, 1, 1)).write_parquet(tmp_path / "rows.parquet")
    _alike(_setting(tmp_path / "rows.parquet", "parquet"))


def test_json_lines_with_keys_that_come_late(tmp_path: Path) -> None:
    lines = ['{"a": 1, "b": "2024-01-01"}', '{"a": 2}', "", '{"a": 2.5, "b": null, "c": true}', '{"b": "2024-01-02"}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    _alike(_setting(tmp_path / "rows.jsonl", "jsonl"))


@pytest.mark.parametrize("asked", [{"table": "shop"}, {"query": "SELECT amount, day FROM shop ORDER BY day"}])
def test_sql(tmp_path: Path, asked: dict[str, str]) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE shop (amount REAL, day TEXT, note TEXT)")
        rows = [(None, "2024-01-01", "1"), (1.5, "2024-01-02", "2"), (2.0, "2024-01-03", "x")]
        database.executemany("INSERT INTO shop VALUES (?, ?, ?)", rows)
    setting = SourceSetting.model_validate({"kind": "sql", "url": f"sqlite:///{tmp_path / 'shop.db'}", **asked})
    assert _alike(setting, 1)[0].schema["day"] == pl.Date


def test_a_source_that_reads_at_once_is_cut_into_batches() -> None:
    setting = SourceSetting.model_validate({"kind": "sklearn", "name": "wine"})
    assert [part.height for part in written_batches(setting, 100)] == [100, 78]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("rows.csv", "a,b\n1,2\n3\n", r"rows\.csv cannot be read: .*Expected 2 columns, got 1"),
        ("rows.csv", "a,a\n1,2\n", r"rows\.csv: the header names a more than once"),
        ("rows.csv", "a,b\n", r"rows\.csv: there are no rows; add some below the header"),
        ("rows.jsonl", '{"a": 1}\n{"a": 2}\n{"a": 3}\n[4]\n', r"rows\.jsonl: line 4 is not an object but a list"),
        ("rows.parquet", "no parquet", r"rows\.parquet cannot be read: "),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError, match=told):
        list(written_batches(SourceSetting.model_validate(str(tmp_path / name)), 2))


def test_files_of_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "2.csv").write_text("a,c\n1,x\n")
    with pytest.raises(SourceError, match=r"2\.csv has not the columns of .*1\.csv: it lacks b and also has c"):
        list(written_batches(_setting(tmp_path), 2))
