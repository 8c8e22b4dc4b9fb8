"""What csv, parquet and jsonl promise alike: files, folders, globs, any file system, fingerprints, variables."""

import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.errors import SourceError
from automl_assets.parts import Source
from tests.reading import read_typed

TABLE = pl.DataFrame({"x": [1, 2, 3], "city": ["Oslo", None, 'Bergen, "Vest"']})
WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "csv": pl.DataFrame.write_csv,
    "parquet": pl.DataFrame.write_parquet,
    "jsonl": pl.DataFrame.write_ndjson,
}


@pytest.fixture(params=sorted(WRITERS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def part(kind: str) -> Source:
    return registry.sources()[kind]


def read(part: Source, path: object) -> pl.DataFrame:
    return read_typed(part, part.options(path=str(path)))


def fingerprint(part: Source, path: object) -> str:
    return part.fingerprint(part.options(path=str(path)))


def write(kind: str, folder: Path, name: str = "rows", table: pl.DataFrame = TABLE) -> Path:
    path = folder / f"{name}.{kind}"
    WRITERS[kind](table, path)
    return path


def test_one_file(kind: str, part: Source, tmp_path: Path) -> None:
    assert read(part, write(kind, tmp_path)).equals(TABLE)


def test_a_relative_path_starts_at_the_current_folder(
    kind: str, part: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(kind, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert read(part, f"rows.{kind}").equals(TABLE)


def test_a_tilde_is_the_home_folder(kind: str, part: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(kind, tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read(part, f"~/rows.{kind}").equals(TABLE)


def test_a_folder_is_read_in_sorted_order_without_foreign_files(kind: str, part: Source, tmp_path: Path) -> None:
    for name, row in (("b", 1), ("a", 0), ("c", 2)):
        write(kind, tmp_path, name, TABLE[row : row + 1])
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / f".hidden.{kind}").touch()
    (tmp_path / "README.md").write_text("no data")
    assert read(part, tmp_path).equals(TABLE)


def test_a_glob_takes_what_it_matches(kind: str, part: Source, tmp_path: Path) -> None:
    for year in ("2023", "2024"):
        (tmp_path / year).mkdir()
        write(kind, tmp_path / year)
    assert read(part, tmp_path / "2024" / f"*.{kind}").height == 3
    assert read(part, tmp_path / "**" / f"*.{kind}").height == 6


def test_glob_characters_in_the_name_of_a_file_that_exists(kind: str, part: Source, tmp_path: Path) -> None:
    assert read(part, write(kind, tmp_path, "rows[1]")).equals(TABLE)


def test_columns_are_put_together_by_name_and_widened(kind: str, part: Source, tmp_path: Path) -> None:
    write(kind, tmp_path, "a", pl.DataFrame({"x": [1], "y": [None]}, schema={"x": pl.Int64, "y": pl.String}))
    write(kind, tmp_path, "b", pl.DataFrame({"y": [7], "x": [2.5]}))
    table = read(part, tmp_path)
    assert table.rows() == [(1.0, None), (2.5, 7)]
    assert table.dtypes == [pl.Float64, pl.Int64]


def test_differing_columns_are_named_with_their_file(kind: str, part: Source, tmp_path: Path) -> None:
    write(kind, tmp_path, "a")
    write(kind, tmp_path, "b", pl.DataFrame({"x": [1], "town": ["Oslo"], "land": ["NO"]}))
    complaint = rf"b\.{kind} has not the columns of .*a\.{kind}: it lacks city and also has town, land;"
    with pytest.raises(SourceError, match=complaint):
        read(part, tmp_path)


def test_an_object_store(kind: str, part: Source, tmp_path: Path, store: fsspec.AbstractFileSystem) -> None:
    store.pipe({f"/bucket/{name}.{kind}": write(kind, tmp_path).read_bytes() for name in "ab"})
    assert read(part, f"memory://bucket/a.{kind}").equals(TABLE)
    assert read(part, "memory://bucket").height == 6
    assert read(part, f"memory://bucket/*.{kind}").height == 6
    assert fingerprint(part, f"memory://bucket/a.{kind}") == fingerprint(part, f"memory://bucket/b.{kind}")


def test_a_web_server(kind: str, part: Source, web: tuple[str, Path]) -> None:
    url, folder = web
    write(kind, folder)
    assert read(part, f"{url}/rows.{kind}?version=2").equals(TABLE)
    assert fingerprint(part, f"{url}/rows.{kind}") == fingerprint(part, folder / f"rows.{kind}")


def test_the_checksum_of_a_store_spares_reading(web: tuple[str, Path]) -> None:
    url, folder = web
    path = write("csv", folder, "with_etag")
    part = registry.sources()["csv"]
    before = fingerprint(part, f"{url}/with_etag.csv")
    path.write_text("other,content\n1,2\n")
    assert fingerprint(part, f"{url}/with_etag.csv") == before != fingerprint(part, path)


def test_the_fingerprint_follows_content_alone(kind: str, part: Source, tmp_path: Path) -> None:
    path = write(kind, tmp_path)
    before = fingerprint(part, path)
    os.utime(path, (1, 1))
    assert fingerprint(part, path) == before == fingerprint(part, path.rename(tmp_path / f"moved.{kind}"))
    assert len(before) == 16
    assert int(before, 16) >= 0
    assert fingerprint(part, write(kind, tmp_path, table=TABLE[::-1])) != before


def test_the_fingerprint_of_a_folder_follows_every_file(kind: str, part: Source, tmp_path: Path) -> None:
    write(kind, tmp_path, "a")
    before = fingerprint(part, tmp_path)
    write(kind, tmp_path, "b", TABLE[:1])
    with_two = fingerprint(part, tmp_path)
    write(kind, tmp_path, "b", TABLE[:2])
    assert len({before, with_two, fingerprint(part, tmp_path)}) == 3


def test_the_fingerprint_of_a_folder_follows_neither_names_nor_their_order(
    kind: str, part: Source, tmp_path: Path
) -> None:
    for number, name in enumerate("abc", start=1):
        write(kind, tmp_path, name, TABLE[:number])
    before = fingerprint(part, tmp_path)
    (tmp_path / f"a.{kind}").rename(tmp_path / f"z.{kind}")
    assert fingerprint(part, tmp_path) == before == fingerprint(part, tmp_path / f"*.{kind}")
    write(kind, tmp_path, "twice", TABLE[:1])
    assert fingerprint(part, tmp_path) != before


def test_environment_variables(kind: str, part: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(kind, tmp_path)
    monkeypatch.setenv("AUTOML_ROWS", str(tmp_path))
    options = part.options(path=f"${{AUTOML_ROWS}}/${{AUTOML_NO_SUCH:-rows}}.{kind}")
    assert read_typed(part, options).equals(TABLE)
    assert "AUTOML_ROWS" in options.path
    assert part.describe(options) == options.path


def test_an_unset_variable_is_named(part: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_ROWS", "x")
    complaint = r'path: the environment variable AUTOML_ROW is not set.*\$\{AUTOML_ROW:-default\}.*"AUTOML_ROWS"'
    for function in (part.read, part.fingerprint):
        with pytest.raises(SourceError, match=complaint):
            function(part.options(path="${AUTOML_ROW}/rows"))


def test_what_a_variable_holds_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = registry.sources()["csv"]
    monkeypatch.setenv("DELIMITER", "comma")
    with pytest.raises(SourceError, match="delimiter: got 'comma'; it is one ASCII character"):
        part.read(part.options(path=str(write("csv", tmp_path)), delimiter="${DELIMITER}"))


def test_a_missing_file_names_its_neighbour(kind: str, part: Source, tmp_path: Path) -> None:
    write(kind, tmp_path, "train")
    for function in (part.read, part.fingerprint):
        with pytest.raises(SourceError, match=rf'trian\.{kind}: no such file or folder. Did you mean "train\.{kind}"'):
            function(part.options(path=str(tmp_path / f"trian.{kind}")))


def test_a_missing_file_without_neighbour_or_folder(part: Source, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such file or folder\. Its folder holds: nothing"):
        read(part, tmp_path / "rows")
    with pytest.raises(SourceError, match=r"no such file or folder\. Check the spelling"):
        read(part, tmp_path / "no" / "rows")


def test_missing_in_stores_and_on_the_web(
    kind: str, part: Source, web: tuple[str, Path], store: fsspec.AbstractFileSystem
) -> None:
    with pytest.raises(SourceError, match=rf"memory://bucket/x\.{kind}: no such file or folder"):
        read(part, f"memory://bucket/x.{kind}")
    with pytest.raises(SourceError, match=rf"http://127.*/x\.{kind}: no such file or folder"):
        read(part, f"{web[0]}/x.{kind}?sig=s3cret")


def test_a_folder_and_a_glob_without_files(kind: str, part: Source, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceError, match=rf"holds no file ending in \.{kind}.* it holds: notes\.txt\. Name the files"):
        read(part, tmp_path)
    with pytest.raises(SourceError, match=r"no file matches this pattern"):
        read(part, tmp_path / f"*.{kind}")


def test_unknown_protocols_and_absent_packages(part: Source) -> None:
    with pytest.raises(SourceError, match="nosuch://bucket/rows cannot be read: Protocol not known"):
        read(part, "nosuch://bucket/rows")
    with pytest.raises(SourceError, match=r"lakefs://.* cannot be read: .*lakefs"):
        read(part, "lakefs://bucket/rows")


def test_empty_files(kind: str, part: Source, tmp_path: Path) -> None:
    (tmp_path / f"rows.{kind}").touch()
    with pytest.raises(SourceError, match=rf"rows\.{kind}: the file is empty \(0 bytes\)"):
        read(part, tmp_path / f"rows.{kind}")


def test_signatures_and_passwords_are_not_shown(part: Source) -> None:
    assert part.describe(part.options(path="https://host/rows.csv?sig=s3cret")) == "https://host/rows.csv"
    assert part.describe(part.options(path="ftp://ann:s3cret@host/rows.csv")) == "ftp://***@host/rows.csv"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rows.csv", "csv"),
        ("data/*.CSV.gz", "csv"),
        ("rows.tsv", "csv"),
        ("https://host/rows.csv?raw=1", "csv"),
        ("s3://bucket/rows.parquet", "parquet"),
        ("rows.jsonl.gz", "jsonl"),
        ("${DATA}/rows.ndjson", "jsonl"),
    ],
)
def test_a_bare_text_is_claimed_by_exactly_one_kind(text: str, name: str) -> None:
    assert [part.name for part in registry.sources().values() if part.claims(text)] == [name]


@pytest.mark.parametrize("text", ["folder", "notes.txt", "postgresql://host/db", "iris"])
def test_other_texts_are_claimed_by_nobody(text: str) -> None:
    assert not any(part.claims(text) for part in registry.sources().values())
