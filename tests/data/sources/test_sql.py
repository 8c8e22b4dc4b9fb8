"""SQL on a real SQLite file and a real PostgreSQL server. No password may come out anywhere."""

import datetime
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from sqlalchemy import NullPool, create_engine, text

from automl_assets.data.sources import sql
from automl_assets.data.sources.sql import PART, SqlOptions, _connected
from automl_assets.errors import SourceError

Execute = Callable[[str], None]
SCHEMA = "create table orders (id integer primary key, amount numeric(8, 2), day date, city text, changed integer)"
ROWS = "insert into orders values (1, 9.5, '2024-02-29', 'Oslo', 1), (2, 3, '2024-03-01', null, 2)"
SECRETS = ("s3cret", "pass/word", "%2Fword")  # the password and what is left of it when it is cut in pieces


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute(SCHEMA)
        connection.execute(ROWS)
    connection.close()
    return f"sqlite:///{tmp_path}/shop.db"


def executor(url: str) -> Execute:
    def execute(statement: str) -> None:
        with create_engine(url, poolclass=NullPool).begin() as connection:
            connection.execute(text(statement))

    return execute


@pytest.fixture
def shop(postgres: str) -> Iterator[str]:
    execute = executor(postgres)
    execute("drop schema if exists shop cascade")
    execute("create schema shop")
    execute(SCHEMA.replace("orders", "shop.orders"))
    execute(ROWS.replace("orders", "shop.orders"))
    yield postgres
    execute("drop schema shop cascade")


def read(url: str, **options: str) -> pl.DataFrame:
    return PART.read(SqlOptions(url=url, **options))


def fingerprint(url: str, **options: str) -> str:
    return PART.fingerprint(SqlOptions(url=url, **options))


def test_a_sqlite_table_with_its_declared_types(sqlite: str) -> None:
    table = read(sqlite, table="orders")
    assert table.schema == {
        "id": pl.Int64,
        "amount": pl.Float64,
        "day": pl.Date,
        "city": pl.String,
        "changed": pl.Int64,
    }
    assert table.row(0) == (1, 9.5, datetime.date(2024, 2, 29), "Oslo", 1)


def test_a_sqlite_query_with_colons_and_percent_signs(sqlite: str) -> None:
    found = read(sqlite, query="select id, day, ' :x 12:30' as note from orders where city like 'O%';")
    assert found.rows() == [(1, "2024-02-29", " :x 12:30")], "as SQLite brings it"


def test_types_are_decided_over_all_rows(sqlite: str) -> None:
    numbers = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 500) "
    assert (
        read(sqlite, query=numbers + "select case when x = 500 then 0.5 else x end as x from n")["x"].sum() == 124750.5
    )


def test_a_postgres_table_in_a_schema(shop: str) -> None:
    table = read(shop, table="shop.orders")
    assert table.schema == {
        "id": pl.Int64,
        "amount": pl.Float64,
        "day": pl.Date,
        "city": pl.String,
        "changed": pl.Int64,
    }
    assert table.sort("id").rows()[1] == (2, 3.0, datetime.date(2024, 3, 1), None, 2)


def test_a_postgres_view_with_a_name_that_needs_quotes(shop: str) -> None:
    executor(shop)('create view shop."Big Orders" as select id, amount from shop.orders where amount > 5')
    assert read(shop, table="shop.Big Orders").rows() == [(1, 9.5)]


def test_a_postgres_query_with_casts_and_percent_signs(shop: str) -> None:
    query = "select '1'::int as one, gen_random_uuid() as key, true as flag from shop.orders where city like 'O%'"
    table = read(shop, query=query)
    assert table.schema == {"one": pl.Int64, "key": pl.String, "flag": pl.Boolean}


def test_postgres_columns_that_polars_does_not_know_become_text(shop: str) -> None:
    executor(shop)("create table shop.keys as select gen_random_uuid() as key from shop.orders")
    assert read(shop, table="shop.keys")["key"].str.len_chars().to_list() == [36, 36]


@pytest.mark.parametrize("options", [{}, {"watermark": "changed"}])
@pytest.mark.parametrize("asked", [{"table": "shop.orders"}, {"query": "select * from shop.orders;"}])
def test_the_fingerprint_follows_the_rows_and_not_their_order(
    shop: str, options: dict[str, str], asked: dict[str, str]
) -> None:
    before = fingerprint(shop, **asked, **options)
    executor(shop)("update shop.orders set city = city where id = 1")  # moves the row to the end of the table
    assert fingerprint(shop, **asked, **options) == before
    executor(shop)("update shop.orders set city = 'Bergen', changed = 3 where id = 1")
    assert fingerprint(shop, **asked, **options) != before
    assert len(before) == 16


def test_a_watermark_sees_nothing_but_itself_and_the_count(sqlite: str) -> None:
    before = fingerprint(sqlite, table="orders", watermark="changed")
    executor(sqlite)("update orders set city = 'Bergen'")
    assert fingerprint(sqlite, table="orders", watermark="changed") == before
    executor(sqlite)("delete from orders where id = 1")
    assert fingerprint(sqlite, table="orders", watermark="changed") != before


@pytest.mark.parametrize("kind", ["sqlite", "shop"])
def test_a_watermark_is_that_of_the_rows_that_were_read(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody adds a row just after the watermark was asked for."""
    url, table = request.getfixturevalue(kind), {"sqlite": "orders", "shop": "shop.orders"}[kind]
    if kind == "sqlite":
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("pragma journal_mode=wal")  # or a reader would lock writers out
    before, ask = fingerprint(url, table=table, watermark="changed"), sql._watermark

    def ask_and_add(*given: Any) -> pl.DataFrame:
        found = ask(*given)
        executor(url)(f"insert into {table} values (3, 1, '2024-03-02', 'Rome', 3)")
        return found

    monkeypatch.setattr(sql, "_watermark", ask_and_add)
    rows, mark = sql.read_marked(SqlOptions(url=url, table=table, watermark="changed"))
    assert rows["changed"].to_list() == [1, 2] and mark == before


def test_without_a_watermark_the_mark_is_of_just_the_rows(sqlite: str) -> None:
    rows, mark = sql.read_marked(SqlOptions(url=sqlite, table="orders"))
    assert mark == fingerprint(sqlite, table="orders") and rows.height == 2


def test_reading_changes_nothing(sqlite: str) -> None:
    with pytest.raises(SourceError, match="query: got DELETE; a source is read alone"):
        read(sqlite, query="delete from orders")
    assert read(sqlite, table="orders").height == 2


def test_variables_in_the_url(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "s3cret%3Apass%2Fword")
    options = SqlOptions(url=shop.replace("s3cret%3Apass%2Fword", "${SHOP_PASSWORD}"), table="shop.orders")
    assert PART.read(options).height == 2
    assert "SHOP_PASSWORD" in options.url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:s3cret@host:5432/shop?password=word", "postgresql://***@host:5432/shop"),
        ("postgresql://ann:${PASSWORD}@host/shop", "postgresql://***@host/shop"),
        ("${SHOP_URL}", "${SHOP_URL}"),
        ("mssql+pyodbc:///?odbc_connect=PWD=s3cret", "mssql+pyodbc:///"),
        ("postgresql://ann:s3cret@word@host/shop", "postgresql://***@host/shop"),
        ("postgresql//ann:s3cret@host/shop", "***@host/shop"),
        ("postgresql://ann:s3cret@host:word/shop", "postgresql://***@host:word/shop"),
    ],
)
def test_descriptions_hide_the_password(url: str, shown: str) -> None:
    options = SqlOptions(url=url, table="orders")
    assert PART.describe(options) == f"{shown}, table orders"
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("owner:", "stranger:"), 'password authentication failed for user "stranger"'),
        (("127.0.0.1:", "127.0.0.1:1"), "port|host"),
        (("/postgres", "/nowhere"), 'database "nowhere" does not exist'),
        (("/postgres", "/postgres?password=s3cret%3Apass%2Fword&nonsense=1"), "nonsense"),
        (("/postgres", "/postgres?options=-c password=s3cret"), r"password"),
        (("%3Apass", "@pass"), "the password in .* holds an @; write it as %40"),
        (("+psycopg2", "+nosuch"), "no driver is installed for 'postgresql\\+nosuch'"),
        (("postgresql+psycopg2", "postgres"), 'no driver is installed.*Did you mean "postgresql"'),
        (("+psycopg2", "+asyncpg"), "the driver is not installed"),
        (("://", ":/"), "which is not a database URL"),
    ],
)
def test_errors_hide_the_password(shop: str, change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint) as caught:
        read(shop.replace(*change), query="select 1 as x")
    shown = "".join(traceback.format_exception(caught.value))
    assert not any(secret in shown for secret in SECRETS), shown


def test_a_missing_table_names_those_that_exist(shop: str, sqlite: str) -> None:
    with pytest.raises(SourceError, match=r"there is no 'shop\.order' in postgres; possible: orders\. Did you mean"):
        read(shop, table="shop.order")
    with pytest.raises(SourceError, match=r"there is no 'nothing' in .*shop\.db; possible: orders"):
        read(sqlite, table="nothing")


def test_a_missing_watermark_names_the_columns(sqlite: str) -> None:
    with pytest.raises(SourceError, match=r"has no column 'change'; possible: id, .* Did you mean \"changed\""):
        fingerprint(sqlite, table="orders", watermark="change")


def test_a_wrong_statement_is_told_in_the_databases_words(shop: str) -> None:
    with pytest.raises(SourceError, match='column "nothing" does not exist'):
        read(shop, query="select nothing from shop.orders")


def test_doubled_names_in_an_answer(sqlite: str) -> None:
    with pytest.raises(SourceError, match=r"'id' appears more than once .*; give each column its own name with AS"):
        read(sqlite, query="select a.id, b.id from orders a join orders b on a.id = b.id")


def test_no_rows(sqlite: str) -> None:
    with pytest.raises(SourceError, match="no rows came back"):
        read(sqlite, query="select * from orders where id < 0")


def test_a_missing_sqlite_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such SQLite file: .*shop\.db"):
        read(f"sqlite:///{tmp_path}/shop.db", table="orders")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("a,b\n1,2\n" * 99)
    with pytest.raises(SourceError, match="file is not a database"):
        read(f"sqlite:///{tmp_path}/shop.db", table="orders")


@pytest.mark.parametrize(("asked", "got"), [({}, "neither"), ({"table": "a", "query": "b"}, "both")])
def test_exactly_one_question(asked: dict[str, str], got: str) -> None:
    with pytest.raises(ValidationError, match=f"takes either `table` or `query`; got {got}") as caught:
        SqlOptions(url="postgresql://ann:s3cret@host/shop", **asked)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["sqlite", "shop"])
def test_what_fails_while_nobody_else_adds_is_told_as_it_is(kind: str, request: pytest.FixtureRequest) -> None:
    """And the next one is not kept waiting."""
    for _ in range(2):
        with (
            pytest.raises(KeyError, match="mine"),
            PART.alone(SqlOptions(url=request.getfixturevalue(kind), table="x")),
        ):
            raise KeyError("mine")


def test_a_database_without_a_file_needs_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with PART.alone(SqlOptions(url="sqlite://", table="x")):
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (
            "drop table {}",
            "query: got DROP; a source is read alone: write one statement that begins with SELECT or WITH",
        ),
        ("delete from {} returning id", "query: got DELETE"),
        ("/* harmless */ -- select\n update {} set city = 'x' returning id", "query: got UPDATE"),
        ("select 1 as x; drop table {}", "query: got several statements"),
        ("select 1 as x; commit; drop table {}", "query: got several statements"),
        ("", "query: got no statement"),
        ("pragma query_only = off", "query: got PRAGMA"),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite", "shop"])
def test_a_source_is_read_alone(kind: str, query: str, told: str, request: pytest.FixtureRequest) -> None:
    url, table = request.getfixturevalue(kind), {"sqlite": "orders", "shop": "shop.orders"}[kind]
    with pytest.raises(SourceError, match=told):
        read(url, query=query.format(table))
    assert read(url, table=table).height == 2


@pytest.mark.parametrize(
    "query",
    [
        "with gone as (delete from shop.orders returning id) select * from gone",
        "select * into shop.copy from shop.orders",
        "select setval(pg_get_serial_sequence('shop.counted', 'id'), 99)",
    ],
)
def test_postgresql_itself_lets_nobody_write(shop: str, query: str) -> None:
    executor(shop)("create table shop.counted (id serial)")
    with pytest.raises(SourceError, match="in a read-only transaction"):
        read(shop, query=query)
    assert read(shop, table="shop.orders").height == 2


def test_sqlite_itself_lets_nobody_write(sqlite: str) -> None:
    with _connected(SqlOptions(url=sqlite, table="orders")) as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("drop table orders")


def test_what_only_looks_like_more_is_read(sqlite: str) -> None:
    query = "-- all; of them\n(select id, 'a; drop' as note /* ; */ from orders where city <> 'x;''y');"
    assert read(sqlite, query=query.replace("(", "").replace(")", "")).rows() == [(1, "a; drop")]
    assert read(sqlite, query="with a as (select 1 as x) select x from a").rows() == [(1,)]
    assert fingerprint(sqlite, query="select * from orders", watermark="changed")


def test_rows_are_still_added(sqlite: str, shop: str) -> None:
    rows = pl.DataFrame({"id": [3], "city": ["Rome"]})
    for url, table in ((sqlite, "orders"), (shop, "shop.orders")):
        PART.add(SqlOptions(url=url, table=table), rows)
        assert read(url, table=table).height == 3
