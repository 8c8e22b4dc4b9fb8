"""Rows to be predicted are compared with those learnt from, once; what moved is told, and learnt when it can be."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from automl_assets.assets.dataset import dataset
from automl_assets.assets.predictions import predictions
from automl_assets.assets.profile import profile
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.resources.asked_rows import ASKED_TAG, GAVE_WAY_TAG, rows_of
from automl_assets.resources.partitions import CHANGED_TAG
from automl_assets.resources.store import RecordStore
from automl_assets.sensors.triggers import triggers
from automl_assets.steps.read_source import fingerprint


@dg.op
def nothing() -> None: ...


@dg.job(name="watched")
def watched_job() -> None:
    nothing()


def _rows(shift: float, n_rows: int = 500, seed: int = 0) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    return pl.DataFrame({"x": chance.normal(shift, size=n_rows), "y": chance.choice(["a", "b"], n_rows)})


class Watched:
    """An experiment that has learnt its rows, and the daemon that looks at those to be predicted."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, **drift: object):
        self.folder, self.instance, self.cursor = folder, instance, None
        self.write("rows", _rows(0.0))
        self.write("new", _rows(0.0, seed=1).drop("y"))
        given = {"task": "classification", "source": str(folder / "rows.parquet"), "target": "y"}
        more = {"predict_source": str(folder / "new.parquet"), "retrain": {"drift": drift}}
        self.experiment: Experiment = parse(given | more, "watched")

    @property
    def assets(self) -> list[dg.AssetsDefinition]:
        return [dataset(self.experiment), profile(self.experiment)]

    def write(self, name: str, rows: pl.DataFrame) -> None:
        rows.write_parquet(self.folder / f"{name}.parquet")

    def learn(self) -> None:
        assert dg.materialize(self.assets, instance=self.instance, resources={"records": RecordStore()}).success

    def tick(self) -> dg.SensorResult:
        (sensor,) = self.experiment.family.triggers(self.experiment)[-1:]
        resources = {"records": RecordStore()}
        with dg.build_sensor_context(self.instance, cursor=self.cursor, resources=resources) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result


@pytest.fixture
def watched(tmp_path: Path, home: Path) -> Watched:
    return Watched(tmp_path, dg.DagsterInstance.get(), action="retrain")


def _said(result: dg.SensorResult) -> str:
    return str(result.skip_reason.skip_message) if result.skip_reason else ""


def test_nothing_is_compared_before_anything_was_learnt(watched: Watched) -> None:
    assert _said(watched.tick()) == "nothing was learnt yet"


def test_rows_alike_are_compared_once_and_shown_in_the_check(watched: Watched) -> None:
    watched.learn()
    first = watched.tick()
    assert _said(first) == "no column has moved"
    (event,) = first.asset_events
    assert isinstance(event, dg.AssetCheckEvaluation) and event.passed
    assert event.asset_check_key in predictions(watched.experiment, watched.experiment.predict_source).check_keys
    assert _said(watched.tick()) == "neither rows nor model have changed"


def test_what_moved_is_told_and_learnt_once_the_source_has_other_rows(
    watched: Watched, capfd: pytest.CaptureFixture[str]
) -> None:
    watched.learn()
    watched.write("new", _rows(2.0, seed=1).drop("y"))
    result = watched.tick()
    assert "moved: x (wasserstein" in _said(result) and not result.asset_events[0].passed
    assert "watched: rows to be predicted have moved: x" in capfd.readouterr().err
    assert "waits for new rows" in _said(watched.tick())
    watched.write("rows", _rows(2.0, seed=2))
    assert "must rest until the next look" in _said(watched.tick())
    (request,) = watched.tick().run_requests or ()
    assert fingerprint(watched.experiment) in str(request.run_key) and "moved: x" in request.tags["automl/because"]
    assert _said(watched.tick()) == "neither rows nor model have changed"
    watched.learn()
    assert _said(watched.tick()) == "no column has moved"
    assert "moved" not in capfd.readouterr().err


def test_a_run_that_gave_way_is_asked_for_anew(watched: Watched) -> None:
    """Also for the same rows, under a key that Dagster does not know."""
    watched.learn()
    watched.write("new", _rows(2.0, seed=1).drop("y"))
    watched.write("rows", _rows(2.0, seed=2))
    watched.tick()
    watched.tick()
    (first,) = watched.tick().run_requests or ()
    run = watched.instance.create_run_for_job(watched_job, tags={**first.tags, GAVE_WAY_TAG: "written to"})
    watched.instance.report_run_canceled(run)
    assert "must rest until the next look" in _said(watched.tick())
    (second,) = watched.tick().run_requests or ()
    assert rows_of(second.tags[ASKED_TAG]) == fingerprint(watched.experiment) and second.run_key != first.run_key


def test_it_only_tells_where_that_is_asked(tmp_path: Path, home: Path) -> None:
    watched = Watched(tmp_path, dg.DagsterInstance.get(), action="tell")
    watched.learn()
    watched.write("new", _rows(2.0, seed=1).drop("y"))
    watched.write("rows", _rows(2.0, seed=2))
    assert "moved: x" in _said(watched.tick())
    assert [_said(watched.tick()) for _ in range(3)] == ["neither rows nor model have changed"] * 3


def test_as_many_columns_as_asked(tmp_path: Path, home: Path) -> None:
    watched = Watched(tmp_path, dg.DagsterInstance.get(), action="retrain", least_columns=2)
    watched.learn()
    watched.write("new", _rows(2.0, seed=1).drop("y"))
    assert watched.tick().asset_events[0].passed


def test_rows_that_cannot_be_read_are_told_once(watched: Watched, capfd: pytest.CaptureFixture[str]) -> None:
    watched.learn()
    (watched.folder / "new.parquet").unlink()
    capfd.readouterr()
    assert all("cannot be compared" in _said(watched.tick()) for _ in range(3))
    assert capfd.readouterr().err.count("cannot be compared") == 1
    watched.write("new", _rows(0.0, seed=1).drop("y"))
    assert _said(watched.tick()) == "no column has moved"


# What is known ahead of a forecast


def _days(first: int, n_rows: int, shift: float = 0.0) -> pl.DataFrame:
    chance, days = np.random.default_rng(first), np.datetime64("2024-01-01") + np.arange(first, first + n_rows)
    price = chance.normal(shift, size=n_rows)
    return pl.DataFrame({"shop": "a", "day": days.astype("datetime64[us]"), "price": price, "y": price + 1})


class WatchedForecast(Watched):
    """A forecast that has learnt its rows, with prices that are known ahead."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, **more: object):
        self.folder, self.instance, self.cursor = folder, instance, None
        self.write("rows", _days(0, 300))
        self.write("new", _days(300, 60).drop("y"))
        settings = {"series_id_columns": "shop", "partition_by": "shop", "horizon": 60}
        given = {"task": "forecasting", "source": str(folder / "rows.parquet"), "target": "y", "time_column": "day"}
        given |= {"forecasting": settings, "predict_source": str(folder / "new.parquet")}
        self.experiment = parse(given | more, "watched")

    @property
    def assets(self) -> list[dg.AssetsDefinition]:
        return [dataset(self.experiment)]


def test_what_is_known_ahead_of_a_forecast_is_told_when_it_moves_and_learnt_with_new_rows(
    tmp_path: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    watched = WatchedForecast(tmp_path, dg.DagsterInstance.get(), retrain={"drift": "retrain"})
    watched.learn()
    first = watched.tick()
    assert _said(first) == "no column has moved" and first.asset_events[0].asset_key.path == ["watched", "summary"]
    watched.write("new", _days(300, 60, shift=2.0).drop("y"))
    assert "moved: price (wasserstein" in _said(watched.tick())
    assert "watched: rows to be predicted have moved: price" in capfd.readouterr().err
    assert "waits for new rows" in _said(watched.tick())
    watched.write("rows", pl.concat([_days(0, 300), _days(300, 60, shift=2.0)]))
    assert "must rest until the next look" in _said(watched.tick())
    (request,) = watched.tick().run_requests or ()
    assert request.tags[CHANGED_TAG] == "true" and request.tags["dagster/asset_partition_range_end"] == "a"


@pytest.mark.parametrize(
    ("more", "is_there"),
    [
        ({"retrain": {"drift": "tell"}}, True),
        ({}, False),
        ({"retrain": {"drift": "tell"}, "predict_source": None}, False),
    ],
)
def test_it_looks_at_a_forecast_where_that_is_asked(
    tmp_path: Path, home: Path, more: dict[str, object], is_there: bool
) -> None:
    watched = WatchedForecast(tmp_path, dg.DagsterInstance.get(), **more)
    assert ("watched__known_drift" in {one.name for one in triggers(watched.experiment).sensors or ()}) == is_there
