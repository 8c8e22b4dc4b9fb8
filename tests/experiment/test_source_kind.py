"""A folder or a glob is of the kind of the files there are; what is of several kinds, or of none, is told with its files."""

from pathlib import Path

import fsspec
import polars as pl
import pytest

from automl_assets.cli.drafting import draft
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import load, parse, source_of
from automl_assets.steps.read_source import read

ROWS = pl.DataFrame({"x": [1, 2, 3] * 10, "y": ["a", "b", "a"] * 10})
WRITERS = {"csv": "write_csv", "parquet": "write_parquet", "jsonl": "write_ndjson"}


def written(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        writer = WRITERS.get(name.rpartition(".")[2])
        getattr(ROWS, writer)(folder / name) if writer else (folder / name).write_text("a note")
    return folder


def asked(folder: Path, source: str) -> Path:
    file = folder / "sales.yaml"
    file.write_text(f"task: classification\ntarget: y\nsource: {source}\n")
    return file


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "source", ["data/sales/", "data/sales", "data/sales/*", "{{path: data/sales/}}", "./data/sal*/*"]
)
def test_a_folder_is_of_the_kind_of_its_files(tmp_path: Path, kind: str, source: str) -> None:
    written(tmp_path / "data" / "sales", f"1.{kind}", f"2.{kind}")
    source_setting = load(asked(tmp_path, source.replace("{{", "{").replace("}}", "}"))).source
    assert source_setting.kind == kind
    assert read(source_setting).equals(pl.concat([ROWS, ROWS]))


def test_what_is_no_data_in_a_folder_counts_for_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path / "sales", "1.csv", "README.txt", ".hidden.parquet", "_SUCCESS.parquet")
    assert read(source_of(str(folder))).equals(ROWS)
    assert load(asked(tmp_path, "sales")).source.kind == "csv"  # a word is a folder where it lies beside the YAML


def test_options_may_stand_beside_the_path_of_a_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "sales")
    ROWS.write_csv(folder / "1.csv", separator=";")
    source = load(asked(tmp_path, "{path: sales/, delimiter: ;}")).source
    assert source.kind == "csv" and read(source).equals(ROWS)


@pytest.mark.parametrize(
    ("files", "source", "message"),
    [
        (["b.parquet", "a.csv"], "sales/", r"the folder has files of several kinds: csv \(a\.csv\) and parquet \(b\.parquet\); "
         r"name those of one with a glob, such as .*/sales/\*\.csv, or put"),
        (["b.parquet", "a.csv"], "sales/*", r"the pattern has files of several kinds: csv \(a\.csv\) and parquet"),
        (["a.csv", "notes.txt"], "sales/*", r"the pattern matches notes\.txt, of no known kind; .*/sales/\*\.csv, or say `kind:`"),
        (["notes.txt"], "sales/", r"the folder holds notes\.txt, of no known kind; name other files with a glob"),
        ([], "sales/", r"the folder is empty; bring files, or name another place"),
        (["a.csv"], "sales/b*", r"the pattern matches no file; \* stands for any text"),
        ([], "nowhere/", r"nowhere' is of no known kind, and no folder lies there; say `kind:` with one of conll, csv"),
        ([], "nowhere", r"'nowhere' is of no known kind; say `kind:` .*\. A folder is written with a slash: nowhere/$"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_apart_is_told(tmp_path: Path, files: list[str], source: str, message: str) -> None:
    written(tmp_path / "sales", *files)
    with pytest.raises(SettingError, match=f"^source: .*{message}"):
        load(asked(tmp_path, source))


def test_a_word_is_never_a_folder_that_happens_to_lie_where_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "here" / "sales", "1.csv")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert source_of("sales").options.path == str(tmp_path / "here" / "sales")
    with pytest.raises(SettingError, match="of no known kind"):
        load(asked(tmp_path / "there", "sales"))


def test_a_folder_of_an_object_store_and_of_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = ROWS.write_csv().encode()
    fsspec.filesystem("memory").pipe({"/lake/sales/1.csv": content})
    settings = {"task": "classification", "target": "y"}
    assert read(parse({**settings, "source": "memory://lake/sales/"}, "sales").source).equals(ROWS)
    monkeypatch.setenv("SALES", str(written(tmp_path / "sales", "1.jsonl")))
    source = parse({**settings, "source": "${SALES}/"}, "sales").source
    assert (source.kind, source.options.path) == ("jsonl", "${SALES}/")
    with pytest.raises(SettingError, match=r"^source: path: the environment variable NO_SUCH_PLACE is not set"):
        parse({**settings, "source": "${NO_SUCH_PLACE}/sales/"}, "sales")


def test_a_draft_of_a_folder_can_be_run_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "data" / "sales", "1.csv", "2.csv")
    monkeypatch.chdir(tmp_path)
    for data in ("data/sales/", "data/sales", "data/sales/*"):
        name, text = draft(data, "y")
        (tmp_path / "elsewhere.yaml").write_text(text)
        assert name == "sales" and load(tmp_path / "elsewhere.yaml").source.kind == "csv"
