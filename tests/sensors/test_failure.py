"""A failed run is told: what could not be made and why, in the log and to a real webhook."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.assets.spec import step
from automl_assets.definitions import everything
from automl_assets.errors import DataError
from automl_assets.resources import notifications
from automl_assets.sensors.failure import failed_runs
from tests.servers import Webhook, serving


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Webhook(200)) as server:
        monkeypatch.setenv(notifications.WEBHOOK, server.url)
        yield server


@dg.asset(key_prefix=["churn"])
def broken(context: dg.AssetExecutionContext) -> None:
    with step(context):
        raise DataError("the rows cannot be read")


CHURN = dg.Definitions(assets=[broken], jobs=[dg.define_asset_job("churn")]).resolve_job_def("churn")


def _fail(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return CHURN.execute_in_process(instance=instance, raise_on_error=False).dagster_run


def _tick(instance: dg.DagsterInstance, cursor: str | None) -> str | None:
    """What the daemon does: one look at the failures since the last."""
    with dg.build_sensor_context(instance, cursor=cursor, repository_def=_nothing()) as context:
        return failed_runs.evaluate_tick(context).cursor


def _nothing() -> dg.RepositoryDefinition:
    return dg.Definitions(sensors=[failed_runs]).get_repository_def()


def test_a_failed_run_is_told_once_with_its_reason(home: Path, webhook: Webhook) -> None:
    with dg.DagsterInstance.get() as instance:
        cursor = _tick(instance, None)
        run = _fail(instance)
        cursor = _tick(instance, cursor)
        _tick(instance, cursor)
    ((_, body),) = webhook.posted
    assert (body["kind"], body["experiment"], body["run"]) == ("run_failed", "churn", run.run_id)
    assert body["text"] == "churn: the run failed:\nbroken: the rows cannot be read"


def test_every_failed_run_is_told_also_those_while_nobody_looked(home: Path, webhook: Webhook) -> None:
    with dg.DagsterInstance.get() as instance:
        cursor = _tick(instance, None)
        runs = [_fail(instance).run_id for _ in range(3)]
        for _ in range(4):
            cursor = _tick(instance, cursor)
    assert [body["run"] for _, body in webhook.posted] == runs


def test_a_run_whose_process_is_gone_is_told_with_what_comes_next(home: Path, webhook: Webhook) -> None:
    with dg.DagsterInstance.get() as instance:
        cursor = _tick(instance, None)
        run = instance.create_run_for_job(CHURN, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run, "process 4711 is gone")
        _tick(instance, cursor)
    text = "churn: the run failed: process 4711 is gone\nIt is tried again by itself."
    assert [body["text"] for _, body in webhook.posted] == [text]


def test_it_is_on_for_every_experiment() -> None:
    (sensor,) = [sensor for sensor in everything().sensors or () if sensor.name == "failed_runs"]
    assert isinstance(sensor, dg.SensorDefinition) and sensor.default_status == dg.DefaultSensorStatus.RUNNING
