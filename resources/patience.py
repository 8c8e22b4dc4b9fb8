"""PostgreSQL that goes away and comes back: a restart, an update, another machine taking over. Who uses it waits.

Dagster by itself waits eleven seconds for a new connection, and gives up when one breaks in the middle of a statement.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import dagster as dg
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData, serialize_value
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from automl_assets.errors import ServiceError, SettingError
from automl_assets.resources.home import DATABASE

WAIT = "AUTOML_DATABASE_SECONDS"  # environment variable: how long the server may be away before that is an error
DEFAULT_WAIT_SECONDS = 120.0
RETRY_SECONDS = 0.5


class PatientStorage(DagsterPostgresStorage):
    """Dagster's own storage but for what it does while the server is away."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None):
        try:
            super().__init__(postgres_url, inst_data=inst_data)
        except DagsterPostgresException as error:
            raise ServiceError(
                f"PostgreSQL cannot be reached: {_reason(error.__cause__)}. Start it, or mend {DATABASE}"
            ) from error
        self._run_storage = PatientRuns(postgres_url, should_autocreate_tables=False)
        self._event_log_storage = PatientEventLog(postgres_url, should_autocreate_tables=False)
        self._schedule_storage = PatientSchedules(postgres_url, should_autocreate_tables=False)
        patience = Patience()
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            patience.teach(storage._engine)

    @classmethod
    def config_type(cls) -> Any:
        return {"postgres_url": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # type: ignore[override]
        return cls(config_value["postgres_url"], inst_data)


class Waits:
    """What the three storages have in common: how they connect."""

    _engine: Engine

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """The UI keeps connections, which break when the server is restarted."""
        super().optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)  # type: ignore[misc]
        Patience().teach(self._engine)
        event.listen(self._engine, "checkout", _check)


class PatientRuns(Waits, PostgresRunStorage):
    """Dagster's own."""


class PatientSchedules(Waits, PostgresScheduleStorage):
    """Dagster's own."""


class PatientEventLog(Waits, PostgresEventLogStorage):
    """Stores an event again when the connection breaks meanwhile."""

    def store_event(self, event: EventLogEntry) -> None:
        self._store([event], partial(super().store_event, event))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        self._store(events, partial(super().store_event_batch, events))

    def _store(self, events: Sequence[EventLogEntry], store: Callable[[], None]) -> None:
        try:
            store()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            self._remove(events)
            store()

    def _remove(self, events: Sequence[EventLogEntry]) -> None:
        """What an attempt that was cut off may have left, so that no event is there twice."""
        table, texts = SqlEventLogStorageTable, [serialize_value(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(table.delete().where(table.c.run_id == events[0].run_id, table.c.event.in_(texts)))


class Patience:
    """Waits for a server, as long as the environment says since it answered last."""

    def __init__(self) -> None:
        self._seconds = _wait_seconds()
        self._away_since: float | None = None

    def teach(self, engine: Engine) -> None:
        """From now on the engine waits where it would fail to connect."""
        event.listen(engine, "do_connect", self._connected)

    def _connected(self, dialect: Any, _: Any, arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        while True:
            try:
                connection = dialect.connect(*arguments, **settings)
            except dialect.loaded_dbapi.OperationalError as error:
                self._wait(error)
            else:
                self._away_since = None
                return connection

    def _wait(self, error: Exception) -> None:
        now = time.monotonic()
        if self._away_since is None:
            logging.getLogger(__name__).warning(
                "waiting up to %.0f s for PostgreSQL: %s", self._seconds, _reason(error)
            )
            self._away_since = now
        if now - self._away_since > self._seconds:
            raise ServiceError(f"PostgreSQL has been away for {self._seconds:.0f} s: {_reason(error)}") from error
        time.sleep(RETRY_SECONDS)


def _check(connection: Any, *_: Any) -> None:
    """Raises what SQLAlchemy answers with another connection, when the one that was kept has broken."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except connection.Error as error:
        raise DisconnectionError from error


def _wait_seconds() -> float:
    text = os.environ.get(WAIT) or str(DEFAULT_WAIT_SECONDS)
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{WAIT}: got {text!r}; it is a number of seconds") from None


def _reason(error: BaseException | None) -> str:
    """What the driver says, in one line.

    >>> _reason(OSError("connection refused\\n\\tIs the server running?"))
    'connection refused'
    """
    said = getattr(error, "orig", None) or error
    return str(said).strip().partition("\n")[0]
