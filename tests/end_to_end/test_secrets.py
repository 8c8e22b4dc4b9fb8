"""Passwords come from the environment and stay there: nothing that a run leaves behind or says holds one."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import yaml
from sqlalchemy import NullPool, create_engine, inspect, text

from tests.command_line import Answer, automl
from tests.processes import command
from tests.services import new_database

pytestmark = pytest.mark.slow

PASSWORD = "s3cret%3Apass%2Fword"  # of the server that `postgres` starts, as an address takes it
KEY = "5ec2e7" * 10 + "5ec2"
MARKS = [b"s3cret:pass", b"s3cret%3A", b"pass/word", b"pass%2Fword", b"5ec2e75ec2e7"]


@dataclass(frozen=True)
class Left:
    """A run from a database, recorded in a database: where everything lies, and what was said."""

    folder: Path
    database: str
    ended_well: subprocess.CompletedProcess
    refused: Answer


@pytest.fixture(scope="module")
def left(postgres: str, tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    folder, database = tmp_path_factory.mktemp("secrets"), new_database(postgres)
    settings = yaml.safe_load(tiny(folder).read_text())
    source = {"kind": "sql", "url": postgres.replace(PASSWORD, "${SHOP_PASSWORD}"), "table": "tiny"}
    assert "${SHOP_PASSWORD}" in source["url"]
    (folder / "tiny.yaml").write_text(yaml.safe_dump({**settings, "source": source, "predict_source": source}))
    fill(postgres, pl.read_csv(folder / "tiny.csv"))
    secrets = {"AUTOML_DATABASE": database, "AUTOML_KEY": KEY, "SHOP_PASSWORD": PASSWORD}
    ask = ["run", "tiny.yaml", "--home", "home"]
    ended_well = command(*ask, "--json", "told.json", cwd=folder, env=os.environ | secrets)
    refused = automl(*ask, cwd=folder, env=secrets | {"SHOP_PASSWORD": f"no-{PASSWORD}"})
    yield Left(folder, database, ended_well, refused)


def fill(url: str, rows: pl.DataFrame) -> None:
    """Makes the table `tiny` of the rows."""
    columns = ", ".join(
        f"{name} {'text' if dtype == pl.String else 'double precision'}" for name, dtype in rows.schema.items()
    )
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("drop table if exists tiny"))
        connection.execute(text(f"create table tiny ({columns})"))
        values = ", ".join(f":{name}" for name in rows.columns)
        connection.execute(text(f"insert into tiny values ({values})"), rows.to_dicts())


def holds_secret(content: bytes) -> bool:
    return any(mark in content or mark.hex().encode() in content for mark in MARKS)


def test_the_run_used_them(left: Left) -> None:
    """Else there would be nothing to find."""
    assert left.ended_well.returncode == 0, left.ended_well.stdout + left.ended_well.stderr
    assert left.refused.returncode == 1
    assert "password authentication failed" in " ".join(left.refused.stderr.replace("│", " ").split())


def test_no_file_holds_a_secret(left: Left) -> None:
    files = [file for file in left.folder.rglob("*") if file.is_file()]
    assert {"page.html", "script.py", "told.json", "MLmodel"} <= {file.name for file in files}
    assert [file for file in files if holds_secret(file.read_bytes())] == []


def test_no_output_holds_a_secret(left: Left) -> None:
    for said in (left.ended_well, left.refused):
        assert not holds_secret((said.stdout + said.stderr).encode())


def test_no_table_of_dagster_or_mlflow_holds_a_secret(left: Left) -> None:
    with create_engine(left.database, poolclass=NullPool).connect() as connection:
        tables = [
            (schema, name) for schema in ("public", "mlflow") for name in inspect(connection).get_table_names(schema)
        ]
        assert {("public", "event_logs"), ("mlflow", "tags")} <= set(tables)
        for schema, name in tables:
            rows = connection.execute(text(f'select t::text from {schema}."{name}" t')).scalars()
            assert not any(holds_secret(row.encode()) for row in rows), name
