"""At the times of `cron` everything is made again, one run a time, unless one is still under way."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from automl_assets.component import definitions_of
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.sensors.schedule import schedule
from tests.conftest import Ask

DUE = datetime(2026, 1, 5, 3, tzinfo=UTC)
ROWS = pl.DataFrame({"x": range(30), "y": ["a", "b", "c"] * 10})
CRON = {"cron": "0 3 * * mon", "timezone": "Europe/Berlin"}


def _tick(experiment: Experiment, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    context = dg.build_schedule_context(instance, scheduled_execution_time=DUE)
    (told,) = [schedule(experiment, "0 3 * * mon")(context)]
    return told


def test_a_schedule_is_there_when_asked_for(ask: Ask) -> None:
    assert not definitions_of(ask(ROWS)).schedules
    (made,) = definitions_of(ask(ROWS, retrain=CRON)).schedules or ()
    assert isinstance(made, dg.ScheduleDefinition) and made.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (made.name, made.cron_schedule, made.execution_timezone) == ("asked__cron", "0 3 * * mon", "Europe/Berlin")


def test_a_time_is_a_run(ask: Ask, home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        request = _tick(ask(ROWS), instance)
    assert isinstance(request, dg.RunRequest) and request.run_key == "asked:2026-01-05T03:00:00+00:00"


def test_a_run_under_way_is_enough(ask: Ask, home: Path) -> None:
    @dg.asset(key_prefix=["asked"])
    def dataset() -> None: ...

    assets = dg.Definitions(assets=[dataset], jobs=[dg.define_asset_job("asked")])
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(assets.resolve_job_def("asked"), status=dg.DagsterRunStatus.STARTED)
        told = _tick(ask(ROWS), instance)
        assert isinstance(told, dg.SkipReason) and f"the run {run.run_id} is still under way" in str(told.skip_message)


def test_groups_of_a_forecast_get_their_partitions_first(tmp_path: Path, home: Path) -> None:
    months = pl.date_range(pl.date(2020, 1, 1), pl.date(2022, 12, 1), "1mo", eager=True)
    rows = [pl.DataFrame({"shop": name, "month": months, "sold": range(len(months))}) for name in "ab"]
    pl.concat(rows).write_csv(tmp_path / "rows.csv")
    settings = {"series_id_columns": "shop", "partition_by": "shop"}
    given = {"task": "forecasting", "source": str(tmp_path / "rows.csv"), "target": "sold", "time_column": "month"}
    shops = parse(given | {"forecasting": settings}, "shops")
    with dg.DagsterInstance.get() as instance:
        request = _tick(shops, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dagster/asset_partition_range_end"] == "b"


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path, home: Path) -> None:
    given = {"task": "forecasting", "source": str(tmp_path / "no.csv"), "target": "sold", "time_column": "month"}
    with dg.DagsterInstance.get() as instance:
        told = _tick(parse(given, "shops"), instance)
    assert isinstance(told, dg.SkipReason) and "shops: the data cannot be read" in str(told.skip_message)
