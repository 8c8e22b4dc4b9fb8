"""The sensor that keeps partitions in step with the data: each group once, whatever happens between two looks."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from automl_assets.component import definitions_of
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.experiment.retraining import Retrain
from automl_assets.resources.partitions import keys_of
from automl_assets.sensors.new_groups import new_groups
from automl_assets.steps.detect_changes import REST_SECONDS
from tests.clocks import Clock

CLOCK = Clock()


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr("automl_assets.sensors.poll_source.time", CLOCK)
    return parse(
        {
            "task": "forecasting",
            "source": str(tmp_path / "rows.csv"),
            "target": "sold",
            "time_column": "month",
            "forecasting": {"series_id_columns": "shop", "partition_by": "shop", "horizon": 2},
        },
        "shops",
    )


def _write(experiment: Experiment, *names: str) -> None:
    months = pl.date_range(pl.date(2020, 1, 1), pl.date(2022, 12, 1), "1mo", eager=True)
    rows = [pl.DataFrame({"shop": name, "month": months, "sold": range(len(months))}) for name in names]
    pl.concat(rows).write_csv(experiment.source.options.path)


def _look(experiment: Experiment, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One tick, with what the daemon would do after it."""
    result = new_groups(experiment)(dg.build_sensor_context(instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return result


def _look_twice(experiment: Experiment, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """Notices what there is, lets it rest, and looks again."""
    first = _look(experiment, instance, cursor)
    assert "rested" in str(first.skip_reason) and not first.dynamic_partitions_requests
    CLOCK.move(REST_SECONDS * 1.5)
    return _look(experiment, instance, first.cursor)


def test_groups_are_added_when_they_come_and_have_rested(shops: Experiment) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        _write(shops, "a", "b")
        first = _look_twice(shops, instance)
        assert "2 partitions were added, no run is asked for: a, b" in str(first.skip_reason)
        assert keys_of(instance, shops) == ["a", "b"]
        again = _look(shops, instance, first.cursor)
        assert "nothing has changed" in str(again.skip_reason) and not again.dynamic_partitions_requests
        _write(shops, "b", "c/d")
        _look_twice(shops, instance, again.cursor)
        assert len(keys_of(instance, shops)) == 3 and keys_of(instance, shops)[:2] == ["a", "b"]


def test_a_lost_cursor_adds_nothing_twice(shops: Experiment) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        _write(shops, "a", "b")
        _look_twice(shops, instance)
        assert not _look_twice(shops, instance).dynamic_partitions_requests
        assert keys_of(instance, shops) == ["a", "b"]


def test_an_unreadable_source_is_told_and_tried_again(shops: Experiment) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = _look(shops, instance, cursor="before")
        assert result.cursor == "before" and "cannot be read" in str(result.skip_reason)
        _write(shops, "a")
        _look_twice(shops, instance, result.cursor)
        assert keys_of(instance, shops) == ["a"]


def _running(experiment: Experiment) -> list[str]:
    sensors = [sensor for sensor in definitions_of(experiment).sensors or () if isinstance(sensor, dg.SensorDefinition)]
    return [sensor.name for sensor in sensors if sensor.default_status == dg.DefaultSensorStatus.RUNNING]


def test_every_forecast_has_one_that_adds_its_groups(shops: Experiment) -> None:
    _write(shops, "a")
    assert _running(shops) == ["shops__new_groups"]
    assert _running(shops.model_copy(update={"retrain": Retrain(on_new_data=True)})) == ["shops__new_data"]
