"""Connections to PostgreSQL that break: before a statement arrives, or after it was done and before the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event, text

MOMENTS = {"unheard": "before_cursor_execute", "unanswered": "after_cursor_execute"}


@contextmanager
def each_statement_broken_once(database: str, moment: str) -> Iterator[set[str]]:
    """Every statement of this process that differs from all before finds its connection cut; gives their texts."""
    executioner = create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    broken = set[str]()

    def cut(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if connection.engine is executioner or connection.dialect.name != "postgresql" or statement in broken:
            return
        broken.add(statement)
        process = connection.connection.driver_connection.info.backend_pid
        with executioner.connect() as other:
            other.execute(text(f"select pg_terminate_backend({process}, 5000)"))
        if moment == "unanswered":
            cursor.execute("select 1")  # it breaks here

    event.listen(Engine, MOMENTS[moment], cut)
    try:
        yield broken
    finally:
        event.remove(Engine, MOMENTS[moment], cut)
