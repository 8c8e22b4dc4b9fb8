"""Whatever of Dagster's statements to PostgreSQL breaks, a run goes on, and everything is stored once."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.runs.schema import InstanceInfo
from sqlalchemy import NullPool, create_engine, text

from automl_assets.errors import ServiceError
from automl_assets.resources.home import prepare
from automl_assets.resources.postgres_storage import KEPT, PatientStorage
from tests.breaks import MOMENTS, each_statement_broken_once
from tests.processes import until

OTHERS = "pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
CUT_OTHERS = f"select pg_terminate_backend(pid, 5000) from {OTHERS}"
CONNECTED = f"select pid from {OTHERS}"
SECONDS = 30  # in which a connection that was closed is gone from the server
MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION


@pytest.fixture
def instance(tmp_path: Path, database: str) -> Iterator[dg.DagsterInstance]:
    prepare(tmp_path / "home")
    with dg.DagsterInstance.get() as opened:
        yield opened


GROUPS = dg.DynamicPartitionsDefinition(name="groups")


@dg.asset(partitions_def=GROUPS, check_specs=[dg.AssetCheckSpec("is_good", asset="made")])
def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset(deps=[made])
def failed(context: dg.AssetExecutionContext) -> None:
    assert context.instance.get_latest_materialization_event(dg.AssetKey("made"))
    raise ValueError("as it should")


@pytest.mark.parametrize("moment", MOMENTS)
def test_every_statement_of_a_run_may_break(instance: dg.DagsterInstance, database: str, moment: str) -> None:
    with each_statement_broken_once(database, moment) as broken:
        instance.add_dynamic_partitions("groups", ["x", "y"])
        good = dg.materialize([made], instance=instance, partition_key="x", raise_on_error=False)
        bad = dg.materialize([failed], instance=instance, raise_on_error=False)
    tables = ("dynamic_partitions", "snapshots", "runs", "run_tags", "event_logs", "asset_keys", "asset_event_tags")
    assert all(any(f"INSERT INTO {table}" in text for text in broken) for table in (*tables, "asset_check_executions"))
    assert (good.success, bad.success) == (True, False)
    assert {run.run_id: run.status for run in instance.get_runs()} == {
        good.run_id: dg.DagsterRunStatus.SUCCESS,
        bad.run_id: dg.DagsterRunStatus.FAILURE,
    }
    (reason,) = rows(database, "select value from run_tags where key = 'dagster/failure_reason'")
    assert reason == ("STEP_FAILURE",)
    assert rows(database, "select key, count(*) from asset_event_tags group by key") == [("dagster/data_version", 1)]
    assert rows(database, "select execution_status from asset_check_executions") == [("SUCCEEDED",)]
    for run in (good, bad):
        logged = Counter(event.dagster_event_type for event in instance.all_logs(run.run_id))
        happened = Counter(event.event_type for event in run.all_events)
        assert {kind: logged[kind] for kind in happened} == happened


def rows(database: str, question: str) -> list[tuple[Any, ...]]:
    with create_engine(database, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


@pytest.mark.parametrize("moment", MOMENTS)
def test_events_of_a_batch_are_stored_once(instance: dg.DagsterInstance, database: str, moment: str) -> None:
    for asset in ("one", "two"):
        instance.report_runless_asset_event(dg.AssetMaterialization(asset))
    log = instance.event_log_storage
    events = [record.event_log_entry for record in log.get_event_records(dg.EventRecordsFilter(MATERIALISED))]
    with each_statement_broken_once(database, moment):
        log.store_event_batch(events)
    assert len(log.get_event_records(dg.EventRecordsFilter(MATERIALISED))) == 2


@pytest.mark.parametrize("keeper", ["run", "ui"])
def test_connections_that_are_kept_are_made_anew(instance: dg.DagsterInstance, database: str, keeper: str) -> None:
    if keeper == "ui":
        instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=100, max_overflow=2)
    assert instance.get_runs() == []
    with create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as other:
        assert other.execute(text(CUT_OTHERS)).all() != []
    with instance.run_storage.connect() as connection:
        connection.execute(InstanceInfo.insert().values(run_storage_id="another"))  # a row more: never sent twice
    assert instance.get_runs() == []


def test_a_run_keeps_its_connections(instance: dg.DagsterInstance, database: str) -> None:
    def connected(most: int) -> list[tuple[Any, ...]] | None:
        found = rows(database, CONNECTED)
        return found if len(found) <= most else None

    instance.add_dynamic_partitions("groups", ["x"])
    (first,) = until(lambda: connected(1), SECONDS)
    assert dg.materialize([made], instance=instance, partition_key="x").success
    assert first in until(lambda: connected(KEPT), SECONDS)
    instance.dispose()
    until(lambda: connected(0) == [], SECONDS)


def test_what_is_wrong_with_a_statement_is_told_at_once(instance: dg.DagsterInstance, database: str) -> None:
    with create_engine(database, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
        connection.execute(text("drop table event_logs"))
    with pytest.raises(Exception, match='relation "event_logs" does not exist'):
        instance.report_runless_asset_event(dg.AssetMaterialization("table"))


@pytest.mark.slow  # Dagster itself tries for eleven seconds
def test_a_server_that_refuses_is_told(postgres: str) -> None:
    with pytest.raises(ServiceError, match="cannot be reached: .*password authentication failed.*mend AUTOML_DATABASE"):
        PatientStorage(postgres.replace("s3cret", "no"))
