"""While PostgreSQL is away whoever needs it waits; an event whose connection breaks is stored once all the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import NullPool, create_engine, event, text

from automl_assets.errors import ServiceError, SettingError
from automl_assets.resources.home import prepare
from automl_assets.resources.patience import Patience, PatientStorage
from tests.servers import free_port

CUT_OTHERS = (
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
    "where pid <> pg_backend_pid() and datname = current_database()"
)
MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION


@pytest.fixture
def instance(tmp_path: Path, database: str) -> Iterator[dg.DagsterInstance]:
    prepare(tmp_path / "home")
    with dg.DagsterInstance.get() as opened:
        yield opened


def break_once(instance: dg.DagsterInstance, database: str, where: str) -> list[str]:
    """The next statement of the event log that begins with `where` finds its connection cut; gives it, once it has."""
    others, broken = create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool), list[str]()

    def cut(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not broken and statement.strip().startswith(where):
            broken.append(statement)
            process = connection.connection.driver_connection.info.backend_pid
            with others.connect() as other:
                other.execute(text(f"select pg_terminate_backend({process}, 5000)"))

    event.listen(instance.event_log_storage._engine, "before_cursor_execute", cut)
    return broken


@pytest.mark.parametrize("where", ["INSERT INTO event_logs", "NOTIFY", "INSERT INTO asset_keys"])
def test_an_event_whose_connection_breaks_is_stored_once(
    instance: dg.DagsterInstance, database: str, where: str
) -> None:
    broken = break_once(instance, database, where)
    instance.report_runless_asset_event(dg.AssetMaterialization("table"))
    assert broken and len(instance.fetch_materializations(dg.AssetKey("table"), limit=9).records) == 1


def test_events_of_a_batch_are_stored_once(instance: dg.DagsterInstance, database: str) -> None:
    for asset in ("one", "two"):
        instance.report_runless_asset_event(dg.AssetMaterialization(asset))
    log = instance.event_log_storage
    events = [record.event_log_entry for record in log.get_event_records(dg.EventRecordsFilter(MATERIALISED))]
    broken = break_once(instance, database, "INSERT INTO asset_keys")
    log.store_event_batch(events)
    assert broken and len(log.get_event_records(dg.EventRecordsFilter(MATERIALISED))) == 2


def test_connections_that_the_ui_keeps_are_made_anew(instance: dg.DagsterInstance, database: str) -> None:
    instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=100, max_overflow=2)
    assert instance.get_runs() == []
    with create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as other:
        assert other.execute(text(CUT_OTHERS)).all() != []
    assert instance.get_runs() == []


def test_what_is_wrong_with_a_statement_is_told_at_once(instance: dg.DagsterInstance, database: str) -> None:
    with create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
        connection.execute(text("drop table event_logs"))
    with pytest.raises(Exception, match='relation "event_logs" does not exist'):
        instance.report_runless_asset_event(dg.AssetMaterialization("table"))


def test_patience_ends(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AUTOML_DATABASE_SECONDS", "0.2")
    engine = create_engine(f"postgresql://ann:s3cret@127.0.0.1:{free_port()}/automl", poolclass=NullPool)
    Patience().teach(engine)
    with pytest.raises(ServiceError, match="PostgreSQL has been away for 0 s: connection to server at") as caught:
        engine.connect()
    assert "Connection refused" in caplog.text and "s3cret" not in caplog.text + str(caught.value)


def test_a_patience_that_is_no_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_DATABASE_SECONDS", "long")
    with pytest.raises(SettingError, match="AUTOML_DATABASE_SECONDS: got 'long'; it is a number of seconds"):
        Patience()


@pytest.mark.slow  # Dagster itself tries for eleven seconds
def test_a_server_that_refuses_is_told(postgres: str) -> None:
    with pytest.raises(ServiceError, match="cannot be reached: .*password authentication failed.*mend AUTOML_DATABASE"):
        PatientStorage(postgres.replace("s3cret", "no"))
