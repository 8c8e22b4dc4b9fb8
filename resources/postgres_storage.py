"""Dagster's storage on a PostgreSQL that goes away and comes back: who uses it waits, and nothing is stored twice.

Dagster by itself waits eleven seconds for a new connection, and gives up when one breaks in the middle of a statement. It
opens a connection for everything it notes, too, which takes fifty times as long as to note it: here some are kept.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Self

import dagster as dg
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy import Engine, create_engine, select

from automl_assets.errors import ServiceError
from automl_assets.resources.dagster_internals import (
    RUN_FAILURE_REASON_TAG,
    ConfigurableClassData,
    RunTagsTable,
)
from automl_assets.resources.dagster_internals import AssetCheckExecutionsTable as Checks
from automl_assets.resources.dagster_internals import AssetEventTagsTable as Tags
from automl_assets.resources.dagster_internals import SqlEventLogStorageTable as Events
from automl_assets.resources.home import DATABASE
from automl_assets.resources.postgres_connections import Patience, SteadyConnection, reason, unbroken

KEPT = 2  # connections of a process, one of them for what is asked while the other is in use; more are closed after use


class PatientStorage(DagsterPostgresStorage):
    """Dagster's own storage but for what it does while the server is away."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None):
        try:
            super().__init__(postgres_url, inst_data=inst_data)
        except DagsterPostgresException as error:
            raise ServiceError(
                f"PostgreSQL cannot be reached: {reason(error.__cause__)}. Start it, or mend {DATABASE}"
            ) from error
        self._run_storage = PatientRuns(postgres_url, should_autocreate_tables=False)
        self._event_log_storage = PatientEventLog(postgres_url, should_autocreate_tables=False)
        self._schedule_storage = PatientSchedules(postgres_url, should_autocreate_tables=False)
        engine = _patient(create_engine(postgres_url, isolation_level="AUTOCOMMIT", pool_size=KEPT, max_overflow=-1))
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage.use(engine)

    @classmethod
    def config_type(cls) -> Any:
        return {"postgres_url": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # type: ignore[override]
        return cls(config_value["postgres_url"], inst_data)


class Waits:
    """What the three storages have in common: how they connect, and ask."""

    _engine: Engine

    def use(self, engine: Engine) -> None:
        """From now on the storage connects by this engine."""
        self._engine = engine

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        super().optimize_for_webserver(statement_timeout, pool_recycle, max_overflow)  # type: ignore[misc]
        _patient(self._engine)

    def dispose(self) -> None:
        super().dispose()  # type: ignore[misc]
        self._engine.dispose()


def _patient(engine: Engine) -> Engine:
    """From now on whoever connects by the engine waits for its server."""
    Patience().teach(engine)
    engine._connection_cls = SteadyConnection
    engine.pool._pre_ping = True  # as `pool_pre_ping` of an engine, which Dagster makes for the web server without it
    return engine


class PatientRuns(Waits, PostgresRunStorage):
    """Adds a run, or what became of it, again when the connection breaks meanwhile."""

    def _core_add_run(self, col_values: dict[str, Any], tags: Mapping[str, str]) -> None:
        add = partial(super()._core_add_run, col_values, tags)
        unbroken(add, between=lambda: self.delete_run(col_values["run_id"]))

    def handle_run_event(self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None) -> None:
        handle = partial(super().handle_run_event, run_id, event, update_timestamp)
        unbroken(handle, between=lambda: self._remove_reason(run_id))

    def _remove_reason(self, run_id: str) -> None:
        """Why a run failed, a tag that an attempt may have added already."""
        table = RunTagsTable
        with self.connect() as connection:
            connection.execute(table.delete().where(table.c.run_id == run_id, table.c.key == RUN_FAILURE_REASON_TAG))


class PatientSchedules(Waits, PostgresScheduleStorage):
    """Dagster's own."""


class PatientEventLog(Waits, PostgresEventLogStorage):
    """Stores an event again when the connection breaks meanwhile."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        unbroken(partial(super().store_event, event), between=lambda: self._remove([event]))

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        unbroken(partial(super().store_event_batch, events), between=lambda: self._remove(events))

    def _remove(self, events: Sequence[dg.EventLogEntry]) -> None:
        """What an attempt that was cut off may have left, so that no event is there twice."""
        texts = [dg.serialize_value(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            are_these = Events.c.run_id == events[0].run_id, Events.c.event.in_(texts)
            left = connection.execute(select(Events.c.id).where(*are_these)).scalars().all()
            for told, of in (
                (Tags, Tags.c.event_id),
                (Checks, Checks.c.evaluation_event_storage_id),
                (Events, Events.c.id),
            ):
                connection.execute(told.delete().where(of.in_(left)))
