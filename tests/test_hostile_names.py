"""Names from data are data: they become no path, no statement, no markup and no code, whatever they hold."""

import ast
import csv
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from automl_assets.assets.report import _plain
from automl_assets.assets.spec import table as shown
from automl_assets.data import files
from automl_assets.data.sources import sql
from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import parse
from automl_assets.forecasting.partition_keys import slug
from automl_assets.resources.partition_store import folder_name
from automl_assets.steps.predict_batches import write
from automl_assets.training_code.source_bundle import Bundle

HOSTILE = [
    "../x", "..", ".", "/etc/passwd", "a/b", "a\\b", "C:\\x", "~root", "con", "current", "runs",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "](javascript:alert(1))", "{{ 7*7 }}", "{% raw %}",
    "'", '"', '"; drop table t; --', "';--", "`x`", "$(reboot)", "${HOME}", "%s", ":name", "a\nb", "a\r\nb", "\t",
    '"""\nraise SystemExit(3)\n"""', "\\", "\\'", "x\x00y", "\x1b[31m", "👩‍👩‍👧", "é", "e\u0301", "\u202egnp.exe", "\u200f", "\ufeff",
    "", " ", "x" * 300, "=cmd()|' /C calc'!A1", "@x", "-1+1", "nan", "null", "__class__",
]  # fmt: skip
names = st.sampled_from(HOSTILE) | st.text(max_size=60)
storable = names.filter(lambda name: "\x00" not in name and name.strip())


@settings(deadline=None)
@given(names)
def test_a_name_is_one_folder_below_its_place(name: str) -> None:
    for made in (folder_name(name), slug([name])):
        assert Path("/place", made).resolve().parent == Path("/place")
        assert len(made.encode()) <= 120 and made.isprintable()


@settings(deadline=None)
@given(st.lists(names, min_size=2, max_size=20, unique=True))
def test_other_names_have_other_folders(several: list[str]) -> None:
    assert len({folder_name(name) for name in several}) == len(several)


@settings(deadline=None)
@given(names)
def test_a_name_in_a_program_is_a_text(name: str) -> None:
    written = Bundle().value({name: (name, [name])})
    assert ast.literal_eval(written) == {name: (name, [name])}


@settings(deadline=None)
@given(names)
@example("${A}'+__import__('os').system('x')+'")
def test_a_location_in_a_program_is_texts_and_variables(location: str) -> None:
    tree = ast.parse(files.text_code(location), mode="eval")
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls <= {"os.environ.get"}


def statements(url: str, **asked: str) -> list[str]:
    """What kinds of statements the program that reads a table consists of."""
    tree = ast.parse(
        "def read():\n" + "".join(f"    {line}\n" for line in sql.code(options(url, **asked)).splitlines())
    )
    return [type(node).__name__ for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.Call)]


def options(url: str, **asked: str) -> sql.SqlOptions:
    return sql.SqlOptions(url=url, **asked)


@settings(deadline=None)
@given(names.filter(bool))
def test_a_question_in_a_program_adds_no_statement(name: str) -> None:
    secret = "postgresql://ann:s3cret@host/"
    assert statements(secret + "shop", table=name) == statements(secret + "shop", table="orders")
    assert statements(secret + "shop", query=name) == statements(secret + "shop", query="select 1")
    assert statements(secret + name, table="orders") == statements(secret + "shop", table="orders")


@settings(deadline=None, max_examples=60)
@given(table=storable, column=storable)
def test_a_table_is_read_by_its_name_alone(table: str, column: str) -> None:
    """The dot of `schema.table` is the one letter with a meaning, beside what stands for a variable."""
    table = table.replace(".", "_").replace("${", "_")
    with sqlite3.connect("file:hostile?mode=memory&cache=shared", uri=True) as database:
        quoted = ['"' + name.replace('"', '""') + '"' for name in (table, column)]
        try:
            database.execute("create table canary (a)")
            database.execute(f"create table {quoted[0]} ({quoted[1]} text)")
            database.execute(f"insert into {quoted[0]} values ('kept')")
            database.commit()
            found = sql.read(options("sqlite:///file:hostile?mode=memory&cache=shared&uri=true", table=table))
            assert found.columns == [column] and found.item() == "kept"
            assert database.execute("select count(*) from canary").fetchone() == (0,)
        finally:
            database.execute("drop table if exists canary")
            database.execute(f"drop table if exists {quoted[0]}")


@settings(deadline=None)
@given(column=names.filter(lambda name: name.strip() and "\x00" not in name), cell=names)
def test_a_table_comes_back_from_csv_as_it_went(
    tmp_path_factory: pytest.TempPathFactory, column: str, cell: str
) -> None:
    file = tmp_path_factory.mktemp("csv") / "out.csv"
    write([pl.DataFrame({column: [cell, "second"], "beside": ["1", "x"]})], file)
    with file.open(newline="", encoding="utf-8") as text:
        assert list(csv.reader(text)) == [[column, "beside"], [cell, "1"], ["second", "x"]]


@settings(deadline=None)
@given(names)
def test_markdown_shows_a_name_as_text(name: str) -> None:
    escaped = _plain(name)
    assert re.sub(r"\\(.)", r"\1", escaped, flags=re.DOTALL) == name
    assert re.search(r"(?<!\\)(\\\\)*[<\[`*_]", escaped) is None


@settings(deadline=None)
@given(names)
def test_a_table_in_the_ui_holds_texts(name: str) -> None:
    (record,) = shown([{"name": name}]).records
    assert record.data == {"name": name}
    json.dumps(record.data)


@settings(deadline=None)
@given(names)
def test_the_name_of_an_experiment_is_plain_or_refused(name: str) -> None:
    given: dict[str, Any] = {
        "task": "classification",
        "source": {"kind": "sklearn", "name": "wine"},
        "target": "target",
    }
    try:
        made = parse(given, name)
    except (AutomlError, ValidationError):
        return
    assert made.name.isascii() and made.name.replace("_", "").isalnum()
