"""Dagster's event log on SQLite, with its connections kept open.

Dagster opens a connection for every event and closes it; the last to be closed makes SQLite write its log back to the
disk. Kept open, an event costs a third of the time, and a run is made of hundreds. For power cuts SQLite's own words hold:
the last events may be lost, the database is never damaged (https://sqlite.org/pragma.html#pragma_synchronous).
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import dagster as dg
from sqlalchemy import Connection, Engine, create_engine, event

from automl_assets.resources.dagster_internals import ConfigurableClassData, SqliteEventLogStorage
from automl_assets.resources.home import home

FOLDER = "history/runs"  # in the home: where Dagster keeps its event log by default
WAIT_SECONDS = 60  # for a lock that another process holds
MOST_OPEN = 8  # databases: one for each run that is looked at, and the index


class SteadyEventLog(SqliteEventLogStorage):
    """Dagster's own storage but for how it connects."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None):
        self._engines: OrderedDict[str, Engine] = OrderedDict()  # by shard, the one used last at the end
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        return {"base_dir": dg.Field(dg.StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(config_value.get("base_dir") or str(home() / FOLDER), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                n_before = _n_changes(connection)
                yield connection
                is_written = _n_changes(connection) > n_before
            if is_written:
                os.utime(self.path_for_shard(shard))  # who watches a run looks at this file, not at SQLite's log

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            self._engines[shard] = _opened(self.conn_string_for_shard(shard))
        self._engines.move_to_end(shard)
        while len(self._engines) > MOST_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def dispose(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


def _n_changes(connection: Connection) -> int:
    return connection.connection.driver_connection.total_changes  # type: ignore[union-attr]


def _opened(address: str) -> Engine:
    """An engine that keeps one connection."""
    engine = create_engine(address, pool_size=1, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = NORMAL"))
    return engine
