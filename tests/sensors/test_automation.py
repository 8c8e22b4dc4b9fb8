"""Declarative automation: a data set that was made anew is followed by everything, in one go; `cron` makes it."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from automl_assets.component import definitions_of
from automl_assets.definitions import shared
from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.asset_keys import asset_key, asset_name
from tests.conftest import Ask

ROWS = pl.DataFrame({"x": range(30), "y": ["a", "b", "c"] * 10})


def _followed(
    experiment: Experiment, instance: dg.DagsterInstance, cursor: Any, time: datetime | None = None
) -> tuple[Any, set[str]]:
    """One evaluation: the cursor after it, and the assets it asks for."""
    definitions = dg.Definitions.merge(definitions_of(experiment), shared())
    result = dg.evaluate_automation_conditions(definitions, instance, evaluation_time=time, cursor=cursor)
    return result.cursor, {name for name in _every(experiment) if result.get_num_requested(asset_key("asked", name))}


def _every(experiment: Experiment) -> set[str]:
    return {asset_name(key) for asset in definitions_of(experiment).assets or () for key in asset.keys}  # type: ignore[union-attr]


def test_what_a_new_data_set_feeds_follows_in_one_go(ask: Ask) -> None:
    experiment = ask(ROWS, retrain={"automation": "eager"})
    with dg.DagsterInstance.ephemeral() as instance:
        cursor, requested = _followed(experiment, instance, None)
        assert requested == set()
        instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["asked", "dataset"])))
        cursor, requested = _followed(experiment, instance, cursor)
        assert requested == _every(experiment) - {"dataset"}


def test_cron_makes_the_data_set_and_no_schedule_everything(ask: Ask) -> None:
    experiment = ask(ROWS, retrain={"automation": "eager", "cron": "0 3 * * *"})
    assert not definitions_of(experiment).schedules
    with dg.DagsterInstance.ephemeral() as instance:
        cursor, _ = _followed(experiment, instance, None, datetime(2026, 1, 5, 2, tzinfo=UTC))
        _, requested = _followed(experiment, instance, cursor, datetime(2026, 1, 5, 4, tzinfo=UTC))
        assert requested == _every(experiment)


def test_its_sensor_is_on(ask: Ask) -> None:
    sensors = definitions_of(ask(ROWS, retrain={"automation": "eager"})).sensors or ()
    on = [s.name for s in sensors if isinstance(s, dg.SensorDefinition) and s.default_status.value == "RUNNING"]
    assert on == ["asked__automation"]


def test_nothing_follows_unless_asked(ask: Ask) -> None:
    for asset in definitions_of(ask(ROWS)).assets or ():
        assert isinstance(asset, dg.AssetsDefinition) and not any(asset.automation_conditions_by_key.values())
