"""Rows from any database that SQLAlchemy knows. Passwords never leave this module, in no text and no error."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from automl_assets.data import files, tables
from automl_assets.data.append_rows import alone_at
from automl_assets.errors import SourceError, listed, nearest
from automl_assets.masking import HIDDEN, is_written, masked, remember, without_secrets
from automl_assets.parts import Source

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, FromClause, Table, TextClause

Found = TypeVar("Found")

LOCK = int.from_bytes(b"labels", "big")  # number of the advisory lock of whoever adds rows to a PostgreSQL database
READ_ONLY = {  # what lets nobody write with a connection, by the dialect
    "sqlite": "pragma query_only = on",
    "mysql": "set session transaction read only",
    "mariadb": "set session transaction read only",
    "oracle": "set transaction read only",
}
READING = ("select", "with", "values", "table", "show", "describe", "explain")  # first words of statements
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)
_BEFORE_HOST = re.compile(r"^.*@", re.DOTALL)


class SqlOptions(BaseModel):
    """Which database, and which rows of it. Every text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(
        repr=False,
        description="An SQLAlchemy URL, such as postgresql://${DB_USER}:${DB_PASSWORD}@host/database.",
    )
    table: str | None = Field(None, description="A table or view, with its schema where needed: schema.table.")
    query: str | None = Field(None, description="A SELECT statement, instead of `table`.")
    watermark: str | None = Field(
        None,
        description="A column that grows with every change, such as updated_at. The fingerprint is then the number "
        "of rows and this column's maximum, worked out by the database. Without it all rows are read to tell whether any is "
        "new, and the longer that takes the less often: a sensor spends a twentieth of its time on it at most.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError(f"takes either `table` or `query`; got {'neither' if self.table is None else 'both'}")
        return self


def read(options: SqlOptions) -> pl.DataFrame:
    """All rows of the table or the query's answer.

    Raises SourceError when the database cannot be reached, or refuses the question.
    """
    return _answer(files.expanded(options), _rows)


def read_marked(options: SqlOptions) -> tuple[pl.DataFrame, str]:
    """The same, and the fingerprint of just these rows: their hash, or the watermark, in one transaction."""
    given = files.expanded(options)
    if given.watermark is None:
        rows = _answer(given, _rows)
        return rows, tables.fingerprint_table(rows)
    mark, rows = _answer(given, _marked_rows)
    return rows, tables.fingerprint_table(mark)


def batches(options: SqlOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """The same, a batch at a time. Raises SourceError as `read` does."""
    return tables.steady(partial(_batches, options, most_rows))


def _batches(options: SqlOptions, most_rows: int) -> Iterator[pl.DataFrame]:
    """As the database sends them, each with the types that its own values have."""
    given = files.expanded(options)
    with _connected(given) as connection:
        stream = connection.execution_options(stream_results=True, max_row_buffer=most_rows)
        with _columns_explained():
            yield from map(
                tables.plain,
                pl.read_database(
                    _question(stream, given), stream, iter_batches=True, batch_size=most_rows, infer_schema_length=None
                ),
            )


def fingerprint(options: SqlOptions) -> str:
    """A hash of all rows, whatever their order; of their number and the watermark where one is set."""
    given = files.expanded(options)
    if given.watermark is None:
        return tables.fingerprint_table(_answer(given, _rows))
    return tables.fingerprint_table(_answer(given, _watermark))


def add(options: SqlOptions, rows: pl.DataFrame) -> str:
    """Inserts rows into the table, all of them or none. Raises SourceError for a query, which is no place."""
    from sqlalchemy import insert

    given = files.expanded(options)
    if given.table is None:
        raise SourceError("a query brings rows but takes none; name a `table`, or insert the rows yourself")
    with _connected(given, is_read_only=False) as connection:
        connection.execute(insert(_table(connection, given.table)), rows.to_dicts())
        connection.commit()
    return describe(options)


def correct(options: SqlOptions, rows: pl.DataFrame, column: str, cells: Mapping[int, Any]) -> str:
    """Updates the cells of all these rows or of none: found by their primary key where there is one, else by all that they
    hold. Raises SourceError for a query, and for a row that is no longer as it was read."""
    from sqlalchemy import and_, update

    given = files.expanded(options)
    if given.table is None:
        raise SourceError("a query brings rows but takes none; name a `table`, or correct the rows yourself")
    with _connected(given, is_read_only=False) as connection:
        table = _table(connection, given.table)
        names = list(dict.fromkeys([*(one.name for one in table.primary_key), column]))
        names = names if len(names) > 1 and {*names} <= {*rows.columns} else rows.columns
        for number, cell in cells.items():
            own = rows.row(number, named=True)
            is_it = and_(*(table.columns[name].is_not_distinct_from(own[name]) for name in names))
            wanted = and_(is_it, table.columns[column].is_distinct_from(cell))
            done = connection.execute(update(table).where(wanted).values({column: cell}))
            if done.rowcount < 1 and not _is_copy(rows, number, cells):
                raise SourceError(f"row {number + 1} is no longer as it was read; nothing was changed, try again")
        connection.commit()
    return describe(options)


def _is_copy(rows: pl.DataFrame, number: int, cells: Mapping[int, Any]) -> bool:
    """Whether a row was changed along with an earlier one that holds the same."""
    own = rows.row(number)
    return any(rows.row(one) == own for one in cells if one < number)


@contextmanager
def alone(options: SqlOptions) -> Iterator[None]:
    """One process at a time looks at what the database holds and adds to it: of all that use a PostgreSQL database, of
    those of this machine that use an SQLite file. Other programs may write meanwhile; other databases are not locked."""
    from sqlalchemy import NullPool, create_engine

    url = _checked_url(files.expanded(options).url)
    with ExitStack() as held:
        with _without_secrets(url):
            connection = held.enter_context(create_engine(url, poolclass=NullPool).connect())
            held.enter_context(_lock(connection))
        yield


def _lock(connection: "Connection") -> AbstractContextManager[None]:
    """PostgreSQL's own, held until the connection is closed. SQLite's would lock out the connection that adds, too."""
    from sqlalchemy import func, select

    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    if connection.dialect.name == "sqlite":
        (file,) = (row.file for row in connection.exec_driver_sql("pragma database_list") if row.name == "main")
        return alone_at(f"{file}-labels") if file else nullcontext()
    return nullcontext()


def describe(options: SqlOptions) -> str:
    """Database and table (or query), variables not filled in; user and password hidden.

    >>> describe(SqlOptions(url="postgresql://ann:s3cret@host/shop", table="orders"))
    'postgresql://***@host/shop, table orders'
    """
    asked = f"table {options.table}" if options.table else f"query {options.query}"
    return f"{_shown(options.url)}, {masked(asked)}"


def code(options: SqlOptions) -> str:
    """The same question, asked through SQLAlchemy. A password that is written down is asked for by DATABASE_URL."""
    schema, _, bare = (options.table or "").rpartition(".")
    question = (
        f"sqlalchemy.Table({bare!r}, sqlalchemy.MetaData(), schema={schema or None!r}, autoload_with=connection).select()"
        if options.table
        else f"sqlalchemy.text({_escaped(options.query or '')!r})"
    )
    url = f'os.environ["DATABASE_URL"]  # of {_shown(options.url)!r}'
    return f"""\
import sqlalchemy

url = {url if _holds_secret(options.url) else files.text_code(options.url)}
with sqlalchemy.create_engine(url).connect() as connection:
    return pl.read_database({question}, connection, infer_schema_length=None)
"""


def _holds_secret(text: str) -> bool:
    """Whether a URL may hold a secret that is not left to an environment variable."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    written = files.without_variables(text)
    if not written:
        return False
    try:
        make_url(written)
    except (ArgumentError, ValueError):
        return True
    return is_written(written)


def _answer(options: SqlOptions, ask: Callable[["Connection", SqlOptions], Found]) -> Found:
    """What a question to the database brings, in a connection of its own."""
    with _connected(options) as connection:
        return ask(connection, options)


@contextmanager
def _connected(options: SqlOptions, is_read_only: bool = True) -> Iterator["Connection"]:
    from sqlalchemy import NullPool, create_engine

    url = _checked_url(options.url)
    with _without_secrets(url):
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            yield _read_only(connection) if is_read_only else connection


def _read_only(connection: "Connection") -> "Connection":
    """The connection, with which the database lets nobody write, as far as it knows of such."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        return connection.execution_options(postgresql_readonly=True)
    if dialect in READ_ONLY:
        connection.exec_driver_sql(READ_ONLY[dialect])
        if dialect != "oracle":  # there it holds for one transaction, elsewhere for the session
            connection.commit()
    return connection


def _checked_url(text: str) -> "URL":
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SourceError(
            f"url: got {_shown(text)}, which is not a database URL; write dialect://user:password@host/database, "
            "such as postgresql://… or sqlite:////data/shop.db"
        ) from None
    if "@" in (url.host or ""):
        raise SourceError(f"url: the password in {_shown(text)} holds an @; write it as %40")
    return _checked_file(url) if url.drivername.startswith("sqlite") else url


def _checked_file(url: "URL") -> "URL":
    """SQLite would make an empty database where there is none."""
    path = os.path.expanduser(url.database or "")
    if path in ("", ":memory:") or path.startswith("file:"):
        return url
    if not os.path.isfile(path):
        raise SourceError(f"no such SQLite file: {os.path.abspath(path)}; check the path behind sqlite:///")
    return url.set(database=path)


def _rows(connection: "Connection", options: SqlOptions) -> pl.DataFrame:
    with _columns_explained():
        found = tables.plain(pl.read_database(_question(connection, options), connection, infer_schema_length=None))
    if found.is_empty():
        raise SourceError(f"{_shown(options.url)}: no rows came back; check the condition, or choose another table")
    return found


def _marked_rows(connection: "Connection", options: SqlOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Watermark and rows of one moment. Where a database has no such transactions, the watermark is the older of the two,
    so that the next look takes for new what came in between."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("begin")  # its driver begins none in order to read
    if connection.dialect.name in ("postgresql", "mysql", "mariadb"):
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
    return _watermark(connection, options), _rows(connection, options)


def _question(connection: "Connection", options: SqlOptions) -> Any:
    return _table(connection, options.table).select() if options.table else _statement(options.query or "")


@contextmanager
def _columns_explained() -> Iterator[None]:
    try:
        yield
    except pl.exceptions.DuplicateError as error:
        raise SourceError(f"query: {error}; give each column its own name with AS") from error
    except AttributeError as error:  # polars looks for columns that a statement such as DELETE doesn't have
        raise SourceError("query: the statement brings no columns; write one that does, such as SELECT") from error


def _watermark(connection: "Connection", options: SqlOptions) -> pl.DataFrame:
    """Number of rows and maximum of the watermark, as text: one row of two columns."""
    from sqlalchemy import func, select

    name = options.watermark or ""
    rows = _selectable(connection, options, name)
    question = select(func.count(), func.max(rows.columns[name])).select_from(rows)
    count, maximum = connection.execute(question).one()
    return pl.DataFrame({"n_rows": [str(count)], "maximum": [str(maximum)]})


def _selectable(connection: "Connection", options: SqlOptions, watermark: str) -> "FromClause":
    from sqlalchemy import column

    if options.query:
        return _statement(options.query).columns(column(watermark)).subquery("asked")
    table = _table(connection, options.table or "")
    if watermark not in table.columns:
        names = [column.name for column in table.columns]
        raise SourceError(
            f"watermark: table {options.table} has no column {watermark!r}; possible: {listed(names)}."
            f"{nearest(watermark, names)}"
        )
    return table


def _table(connection: "Connection", name: str) -> "Table":
    """The table or view as the database describes it, so that its column types hold."""
    from sqlalchemy import MetaData, Table, inspect
    from sqlalchemy.exc import NoSuchTableError

    schema, _, bare = name.rpartition(".")
    try:
        return Table(bare, MetaData(), schema=schema or None, autoload_with=connection)
    except NoSuchTableError:
        inspector = inspect(connection)
        present = sorted(inspector.get_table_names(schema or None) + inspector.get_view_names(schema or None))
        raise SourceError(
            f"table: there is no {name!r} in {connection.engine.url.database}; possible: {listed(present) or 'none'}."
            f"{nearest(bare, present)}"
        ) from None


def _statement(query: str) -> "TextClause":
    """The query as it is written: SQLAlchemy would take `:name` in it for a parameter."""
    from sqlalchemy import text

    _check_reads(query)
    return text(_escaped(query))


def _check_reads(query: str) -> None:
    """Raises SourceError for a query that is more than one statement, or one that does something else than read."""
    bare = (
        _QUOTED.sub(lambda found: " " if found[0].startswith(("--", "/*")) else "''", query).strip().rstrip(";").strip()
    )
    word = re.match(r"[\s(]*(\w*)", bare)
    first = word[1].lower() if word else ""
    if first not in READING or ";" in bare:
        got = "several statements" if ";" in bare else f"{first.upper() or 'no statement'}"
        raise SourceError(
            f"query: got {got}; a source is read alone: write one statement that begins with SELECT or WITH"
        )


def _escaped(query: str) -> str:
    return query.strip().rstrip(";").replace(":", r"\:")


@contextmanager
def _without_secrets(url: "URL") -> Iterator[None]:
    """Turns whatever a driver raises into a SourceError without password; the cause is cut off, as it may hold it."""
    from sqlalchemy.exc import NoSuchModuleError

    place = _shown(url.render_as_string(hide_password=False))
    remember(url.render_as_string(hide_password=False))
    try:
        yield
    except SourceError:
        raise
    except NoSuchModuleError:
        hint = nearest(url.drivername, ("postgresql", "mysql", "sqlite", "mssql", "oracle"))
        raise SourceError(
            f"{place}: no driver is installed for {url.drivername!r}; install its package.{hint}"
        ) from None
    except ImportError as error:
        raise SourceError(f"{place}: the driver is not installed ({error}); install its package") from None
    except Exception as error:
        raise SourceError(f"{place}: {_said(error)}") from None


def _said(error: Exception) -> str:
    """The driver's own words, on one line, without the statement that SQLAlchemy appends."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _shown(url: str) -> str:
    """A database URL without user, password and query.

    Nobody knows where the password stands in a text that is no URL: only what follows its last @ is shown.
    """
    shown = without_secrets(url) if "://" in url else _BEFORE_HOST.sub(f"{HIDDEN}@", url).split("?", 1)[0]
    return masked(shown)


PART = Source(
    name="sql",
    title="SQL database",
    options=SqlOptions,
    read=read,
    read_marked=read_marked,
    fingerprint=fingerprint,
    describe=describe,
    code=code,
    text_option="url",
    add=add,
    correct=correct,
    alone=alone,
    batches=batches,
)
