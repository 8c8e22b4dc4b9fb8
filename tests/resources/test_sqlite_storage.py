"""The event log keeps its connections, and is otherwise Dagster's own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from automl_assets.resources.home import prepare
from automl_assets.resources.sqlite_storage import FOLDER, MOST_OPEN, SteadyEventLog

RUNS_AND_IS_KILLED = """
import os, signal, sys
import dagster as dg
from automl_assets.resources.home import prepare

prepare(sys.argv[1])
with dg.DagsterInstance.get() as instance:
    for i in range(3):
        instance.report_runless_asset_event(dg.AssetMaterialization("table", metadata={"i": i}))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    prepare(tmp_path)
    with dg.DagsterInstance.get() as opened:
        yield opened


def _materialised(log: SqliteEventLogStorage) -> int:
    return len(log.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)))


def test_a_home_uses_it(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.event_log_storage, SteadyEventLog)


def test_dagsters_own_storage_reads_what_it_wrote(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for _ in range(2):
        instance.report_runless_asset_event(dg.AssetMaterialization("table"))
    assert _materialised(SqliteEventLogStorage(str(tmp_path / FOLDER))) == 2


def test_who_watches_a_run_sees_its_events_at_once(instance: dg.DagsterInstance) -> None:
    log, seen = instance.event_log_storage, threading.Event()
    run = instance.create_run_for_job(dg.GraphDefinition("empty").to_job())
    instance.report_engine_event("begun", run)
    instance.watch_event_logs(run.run_id, None, lambda event, _: seen.set() if event.message == "later" else None)
    instance.report_engine_event("later", run)
    assert seen.wait(120)
    log.dispose()


def test_few_databases_stay_open(instance: dg.DagsterInstance) -> None:
    log = instance.event_log_storage
    for i in range(MOST_OPEN + 3):
        with log.run_connection(f"run{i}"):
            pass
    assert len(log._engines) == MOST_OPEN


def test_events_outlive_a_killed_process(tmp_path: Path) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", RUNS_AND_IS_KILLED, str(tmp_path)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert _materialised(SqliteEventLogStorage(str(tmp_path / FOLDER))) == 3
