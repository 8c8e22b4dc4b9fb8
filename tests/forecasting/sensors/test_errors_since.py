"""What was forecast is held against what came: groups that go astray are told, and they alone are learnt again."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from automl_assets.component import definitions_of
from automl_assets.definitions import shared
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.sensors.errors_since import errors_since
from automl_assets.resources.asset_keys import asset_key, asset_name
from automl_assets.resources.partitions import CHANGED_TAG, CHOSEN_TAG, add_groups, keys_of, range_tags
from automl_assets.resources.store import RecordStore
from automl_assets.steps.load import load

ASSETS = ("dataset", "features", "candidate_naive", "leaderboard", "ensemble", "evaluation", "forecast")
HORIZON, N_MONTHS = 4, 48


class Shops:
    """An experiment of two shops that were learnt, and the daemon that looks at what came since."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance):
        self.folder, self.instance, self.cursor = folder, instance, None

    def experiment(self, action: str = "retrain") -> Experiment:
        retrain = {"debounce_seconds": 0, "drift": action}
        settings = {"series_id_columns": "shop", "partition_by": "shop", "horizon": HORIZON}
        given = {"task": "forecasting", "source": str(self.folder / "rows.parquet"), "target": "sold"}
        return parse(given | {"time_column": "month", "forecasting": settings, "retrain": retrain}, "shops")

    def write(self, n_new: int = 0, **shifts: float) -> None:
        """Months of both shops, with the last ones shifted."""
        parts = [self._rows(shop, n_new, shifts.get(shop, 0.0)) for shop in "ab"]
        pl.concat(parts).write_parquet(self.folder / "rows.parquet")

    def _rows(self, shop: str, n_new: int, shift: float) -> pl.DataFrame:
        number, noise = np.arange(N_MONTHS + n_new), np.random.default_rng(ord(shop)).normal(0, 2, N_MONTHS + HORIZON)
        months = np.datetime64("2020-01") + number
        sold = 100 + 10 * np.sin(number * np.pi / 6) + noise[number] + shift * (number >= N_MONTHS)
        return pl.DataFrame({"shop": shop, "month": months.astype("datetime64[us]"), "sold": sold})

    def learn(self, **tags: str) -> dict[str, set[str]]:
        """Asset -> groups that a run has made."""
        experiment = self.experiment()
        add_groups(self.instance, experiment, load(experiment))
        job = dg.Definitions.merge(definitions_of(experiment), shared()).resolve_job_def("shops")
        tags = range_tags(keys_of(self.instance, experiment), changed=False) | tags
        chosen = [asset_key("shops", asset) for asset in ASSETS]
        done = job.execute_in_process(instance=self.instance, asset_selection=chosen, tags=tags)
        found: dict[str, set[str]] = {}
        for event in done.get_asset_materialization_events():
            found.setdefault(asset_name(event.asset_key), set()).add(event.partition or "")
        return found

    def tick(self, action: str = "retrain") -> dg.SensorResult:
        resources = {"records": RecordStore()}
        with dg.build_sensor_context(self.instance, cursor=self.cursor, resources=resources) as context:
            result = errors_since(self.experiment(action))(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def after_a_rest(self, action: str = "retrain") -> dg.SensorResult:
        self.tick(action)
        return self.tick(action)


@pytest.fixture
def shops(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shops]:
    monkeypatch.setattr("automl_assets.sensors.poll_source.REST_SECONDS", 0)
    with dg.DagsterInstance.get() as instance:
        found = Shops(home.parent, instance)
        found.write()
        found.learn()
        yield found


def _said(result: dg.SensorResult) -> str:
    return str(result.skip_reason.skip_message) if result.skip_reason else ""


def test_what_came_as_it_was_forecast_is_no_drift(shops: Shops) -> None:
    assert _said(shops.after_a_rest()) == "no group's errors have grown", "nothing has come true yet"
    shops.write(n_new=3)
    found = shops.after_a_rest()
    assert _said(found) == "no group's errors have grown" and not found.run_requests
    (event,) = found.asset_events
    lines = [record.data for record in event.metadata["errors_since"].records]
    assert {line["column"] for line in lines} == {"a", "b"} and not any(line["is_drifted"] for line in lines)
    assert "nothing has changed" in _said(shops.tick())


def test_a_group_that_went_astray_is_told_and_learnt_again_alone(
    shops: Shops, capfd: pytest.CaptureFixture[str]
) -> None:
    shops.write(n_new=3, b=80.0)
    (request,) = shops.after_a_rest().run_requests or ()
    assert "shops: errors have grown: b (by " in capfd.readouterr().err
    assert json.loads(request.tags[CHOSEN_TAG]) == ["b"] and request.tags[CHANGED_TAG] == "true"
    made = shops.learn(**request.tags)
    assert made == {"dataset": {""}} | {asset: {"b"} for asset in ASSETS[1:]}
    assert "nothing has changed" in _said(shops.tick())


def test_it_only_tells_where_that_is_asked(shops: Shops, capfd: pytest.CaptureFixture[str]) -> None:
    shops.write(n_new=3, b=80.0)
    found = shops.after_a_rest("tell")
    assert "errors have grown: b (by " in _said(found) and not found.run_requests
    assert "nothing has changed" in _said(shops.tick("tell"))
    assert capfd.readouterr().err.count("errors have grown") == 1
