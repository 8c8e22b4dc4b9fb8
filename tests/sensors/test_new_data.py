"""One change, one run: noticed, left to rest, asked for once, and never lost, whatever the daemon goes through."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, RUN_KEY_TAG

from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.resources.asked_rows import AS_FOUND_TAG, ASKED_TAG, GAVE_WAY_TAG, rows_of
from automl_assets.resources.partitions import CHANGED_TAG, keys_of
from automl_assets.sensors import new_data as new_data_sensor
from automl_assets.sensors.new_data import new_data
from automl_assets.sensors.run_requests import BECAUSE
from automl_assets.steps.detect_changes import Seen
from automl_assets.steps.read_source import fingerprint
from tests.clocks import Clock

DEBOUNCE_SECONDS = 20.0
AT_ONCE = {"on_new_data": True, "debounce_seconds": 0}
Status = dg.DagsterRunStatus


class Daemon:
    """What the daemon does with a sensor: keeps its cursor, starts no second run of a key, adds partitions first."""

    def __init__(self, experiment: Experiment, instance: dg.DagsterInstance, clock: Clock):
        self.experiment, self.instance, self.clock, self.cursor = experiment, instance, clock, None
        self.runs: list[dg.DagsterRun] = []

    def tick(self, is_killed: bool = False) -> str:
        """One look; what it said. One that is killed has started its runs and not kept its cursor."""
        context = dg.build_sensor_context(self.instance, cursor=self.cursor)
        result = new_data(self.experiment)(context)
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        for run in result.run_requests or ():
            self._start(run)
        self.cursor = self.cursor if is_killed else result.cursor
        return str(result.skip_reason.skip_message if result.skip_reason else result.run_requests[0].tags[BECAUSE])

    def _start(self, request: dg.RunRequest) -> None:
        tags = {**request.tags, RUN_KEY_TAG: str(request.run_key)}
        if not self.instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: tags[RUN_KEY_TAG]})):
            self.runs.append(self.instance.create_run_for_job(watched, status=Status.STARTED, tags=tags))

    def end(self, status: dg.DagsterRunStatus = Status.SUCCESS, learnt: str = "") -> None:
        """The run under way ends; what it read of the data stands in the event log."""
        if learnt:
            self.learn(learnt)
        run = self.runs[-1]
        report = self.instance.report_run_failed if status == Status.FAILURE else self.instance.report_run_canceled
        if status == Status.SUCCESS:
            self.instance.handle_run_event(run.run_id, _success(run))
        else:
            report(run)

    def learn(self, version: str) -> None:
        key = dg.AssetKey([self.experiment.name, "dataset"])
        tags = {"dagster/data_version": version}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, tags=tags))

    def after_a_rest(self) -> str:
        """Notices what there is, lets it rest, and looks again."""
        self.tick()
        self.clock.move(DEBOUNCE_SECONDS * 1.5)
        return self.tick()


@dg.op
def nothing() -> None: ...


@dg.job
def watched() -> None:
    nothing()


def _success(run: dg.DagsterRun) -> dg.DagsterEvent:
    return dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    _write(path, 1)
    return path


@pytest.fixture
def daemon(rows: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    clock = Clock()
    monkeypatch.setattr("automl_assets.sensors.poll_source.time", clock)
    monkeypatch.setattr("automl_assets.sensors.poll_source.REST_SECONDS", DEBOUNCE_SECONDS)
    with dg.DagsterInstance.get() as instance:
        yield Daemon(_experiment(rows), instance, clock)


def _experiment(rows: Path, **more: object) -> Experiment:
    retrain = {"on_new_data": True, "debounce_seconds": DEBOUNCE_SECONDS}
    settings = {"task": "classification", "source": str(rows), "target": "y", "retrain": retrain}
    return parse(settings | more, "watched")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "rows.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("create table rows (x integer, y text); insert into rows values (1, 'a'), (2, 'b');")
    return path


def _table(database: Path) -> dict[str, str]:
    """A source without a watermark."""
    return {"kind": "sql", "url": f"sqlite:///{database}", "table": "rows"}


def _write(path: Path, number: int) -> None:
    path.write_text(f"x,y\n{number},a\n2,b\n")


# --- one change, one run -----------------------------------------------------------------------------------------


def test_what_was_never_learnt_is_new(daemon: Daemon) -> None:
    told = daemon.tick()
    assert "first look" in told and "written to" not in told and "rested" in told and not daemon.runs
    assert daemon.after_a_rest() == f"new data {fingerprint(daemon.experiment)}"
    assert len(daemon.runs) == 1


def test_what_was_learnt_already_is_not(daemon: Daemon) -> None:
    daemon.learn(fingerprint(daemon.experiment))
    assert "holds what was learnt" in daemon.after_a_rest()
    assert "nothing has changed" in daemon.tick() and not daemon.runs


def test_every_change_is_a_run_also_one_back(daemon: Daemon, rows: Path) -> None:
    for number in (1, 2, 1, 2, 3):
        _write(rows, number)
        daemon.after_a_rest()
        assert "nothing has changed" in daemon.tick()
        daemon.end(learnt=fingerprint(daemon.experiment))
    assert len(daemon.runs) == 5


def test_touched_but_not_changed(daemon: Daemon, rows: Path) -> None:
    daemon.after_a_rest()
    os.utime(rows, (1e9, 1e9))
    assert "holds what was learnt" in daemon.after_a_rest()
    assert len(daemon.runs) == 1


def test_a_killed_daemon_asks_for_no_second_run(daemon: Daemon) -> None:
    daemon.tick()
    daemon.clock.move(DEBOUNCE_SECONDS * 1.5)
    daemon.tick(is_killed=True)
    assert len(daemon.runs) == 1
    daemon.end(Status.FAILURE)
    daemon.tick()
    assert len(daemon.runs) == 1
    assert "nothing has changed" in daemon.tick()


def test_a_killed_look_loses_nothing(daemon: Daemon) -> None:
    daemon.tick(is_killed=True)
    daemon.after_a_rest()
    assert len(daemon.runs) == 1


def test_without_debounce_a_file_is_left_alone_while_it_may_be_half_written(daemon: Daemon, rows: Path) -> None:
    daemon.experiment = _experiment(rows, retrain=AT_ONCE)
    assert "rested" in daemon.tick() and "rested" in daemon.tick()
    assert daemon.after_a_rest().startswith("new data")


def test_without_debounce_a_database_is_asked_by_the_next_look(daemon: Daemon, database: Path) -> None:
    """The moment a change was noticed is part of the run's key, and must lie in the cursor."""
    daemon.experiment = _experiment(database, source=_table(database), retrain=AT_ONCE)
    daemon.tick()
    assert not daemon.runs
    daemon.tick()
    assert len(daemon.runs) == 1


def test_a_source_that_is_slow_to_look_at_is_looked_at_less_often(daemon: Daemon, database: Path) -> None:
    daemon.experiment = _experiment(database, source=_table(database), retrain=AT_ONCE)
    daemon.tick()
    seen = replace(Seen.of(daemon.cursor), look_seconds=6.0)
    daemon.cursor = seen.as_cursor()
    assert "to look takes 6 s; it is done again in 120 s" in daemon.tick() and daemon.cursor == seen.as_cursor()
    daemon.cursor = replace(seen, looked_at=seen.looked_at - 120).as_cursor()
    assert daemon.tick().startswith("new data")
    assert Seen.of(daemon.cursor).look_seconds < 6.0


def test_a_failed_run_is_not_tried_over_and_over(daemon: Daemon) -> None:
    daemon.after_a_rest()
    daemon.end(Status.FAILURE)
    daemon.after_a_rest()
    assert len(daemon.runs) == 1


# --- while data is being written ---------------------------------------------------------------------------------


def test_a_file_that_is_being_written_is_not_read(daemon: Daemon, rows: Path) -> None:
    for number in range(4):
        _write(rows, 10 ** (number + 1))
        assert "rested" in daemon.tick()
        daemon.clock.move(DEBOUNCE_SECONDS / 2)
        assert not Seen.of(daemon.cursor).fingerprint
    assert not daemon.runs
    daemon.after_a_rest()
    assert len(daemon.runs) == 1


def test_a_burst_is_one_change(daemon: Daemon, rows: Path) -> None:
    for number in range(5):
        _write(rows, number)
        daemon.tick()
    daemon.after_a_rest()
    assert len(daemon.runs) == 1


def test_files_that_come_into_a_folder(daemon: Daemon, rows: Path) -> None:
    daemon.experiment = _experiment(rows, source={"kind": "csv", "path": str(rows.parent)})
    daemon.after_a_rest()
    daemon.end(learnt=fingerprint(daemon.experiment))
    _write(rows.with_name("more.csv"), 7)
    daemon.after_a_rest()
    assert len(daemon.runs) == 2


# --- while a run is under way ------------------------------------------------------------------------------------


def test_a_change_waits_for_the_run_under_way(daemon: Daemon, rows: Path) -> None:
    daemon.after_a_rest()
    first = fingerprint(daemon.experiment)
    _write(rows, 2)
    assert f"waits until the run {daemon.runs[0].run_id} has ended" in daemon.after_a_rest()
    assert "waits until the run" in daemon.tick()
    daemon.end(learnt=first)
    assert daemon.tick() == f"new data {fingerprint(daemon.experiment)}"
    assert len(daemon.runs) == 2


def test_a_run_that_learnt_the_change_meanwhile_needs_no_second(daemon: Daemon, rows: Path) -> None:
    daemon.after_a_rest()
    _write(rows, 2)
    daemon.after_a_rest()
    daemon.end(learnt=fingerprint(daemon.experiment))
    assert "holds what was learnt" in daemon.tick()
    assert len(daemon.runs) == 1


REACHED_BY = {
    Status.NOT_STARTED: [],
    Status.STARTING: ["PIPELINE_STARTING"],
    Status.STARTED: ["PIPELINE_START"],
    Status.CANCELING: ["PIPELINE_START", "PIPELINE_CANCELING"],
}


@pytest.mark.parametrize("status", REACHED_BY)
def test_a_run_that_was_left_behind_is_not_waited_for(
    daemon: Daemon, status: dg.DagsterRunStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was to begin it, or to go on with it, was killed."""
    run, wall = daemon.instance.create_run_for_job(watched), time.time
    for kind in REACHED_BY[status]:
        daemon.instance.handle_run_event(run.run_id, dg.DagsterEvent(kind, run.job_name))
    assert daemon.instance.get_run_by_id(run.run_id).status == status
    assert f"waits until the run {run.run_id} has ended" in daemon.after_a_rest()
    monkeypatch.setattr(time, "time", lambda: wall() + 3600)
    assert daemon.tick().startswith("new data") and len(daemon.runs) == 1


# --- a run that gave way -----------------------------------------------------------------------------------------


def _give_way(daemon: Daemon) -> None:
    daemon.instance.add_run_tags(daemon.runs[-1].run_id, {GAVE_WAY_TAG: "written to"})
    daemon.end()


def test_a_run_is_asked_for_the_rows_that_were_seen(daemon: Daemon) -> None:
    daemon.after_a_rest()
    assert rows_of(daemon.runs[0].tags[ASKED_TAG]) == fingerprint(daemon.experiment)


def test_what_a_run_gave_way_for_is_asked_for_anew_also_the_same_rows(daemon: Daemon, rows: Path) -> None:
    """Somebody had put the file aside for a while: nothing of it shows, neither in its content nor in its times."""
    daemon.after_a_rest()
    _give_way(daemon)
    assert daemon.after_a_rest() == f"new data {fingerprint(daemon.experiment)}"
    assert len(daemon.runs) == 2 and daemon.runs[0].tags[ASKED_TAG] != daemon.runs[1].tags[ASKED_TAG]
    daemon.end(learnt=fingerprint(daemon.experiment))
    assert "nothing has changed" in daemon.after_a_rest() and len(daemon.runs) == 2


def test_what_a_run_gave_way_for_and_another_has_learnt_is_known(daemon: Daemon) -> None:
    daemon.after_a_rest()
    _give_way(daemon)
    daemon.learn(fingerprint(daemon.experiment))
    assert "holds what was learnt" in daemon.after_a_rest()
    assert "nothing has changed" in daemon.after_a_rest() and len(daemon.runs) == 1


def test_after_three_runs_that_gave_way_one_learns_what_it_finds(daemon: Daemon, rows: Path) -> None:
    for number in range(6):
        _write(rows, number)
        daemon.after_a_rest()
        _give_way(daemon)
    assert [AS_FOUND_TAG in run.tags for run in daemon.runs] == [False, False, False, True, True, True]
    _write(rows, 7)
    daemon.after_a_rest()
    daemon.end(learnt=fingerprint(daemon.experiment))
    _write(rows, 8)
    daemon.after_a_rest()
    assert AS_FOUND_TAG not in daemon.runs[-1].tags


def test_files_written_to_while_groups_are_looked_for_are_left_alone(
    daemon: Daemon, shops: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shops(a=1)
    daemon.tick()
    daemon.clock.move(DEBOUNCE_SECONDS * 1.5)
    monkeypatch.setattr(new_data_sensor, "fresh_groups", lambda *_: shops(a=1, b=1) or ["a"])
    assert "written to while it was read" in daemon.tick() and not keys_of(daemon.instance, daemon.experiment)


# --- trouble -----------------------------------------------------------------------------------------------------


def test_a_deleted_source_is_told_once_and_looked_for_at_every_tick(
    daemon: Daemon, rows: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    daemon.after_a_rest()
    daemon.end(learnt=fingerprint(daemon.experiment))
    rows.unlink()
    for number in range(3):
        rows.with_name(f"beside_{number}").touch()  # an error names what is there instead
        assert "watched: the data cannot be read" in daemon.tick()
    assert capfd.readouterr().err.count("no such file") == 1
    _write(rows, 5)
    daemon.after_a_rest()
    assert len(daemon.runs) == 2 and "can be read again" in capfd.readouterr().err
    rows.unlink()
    daemon.tick()
    assert capfd.readouterr().err.count("no such file") == 1


# --- groups of a forecast ----------------------------------------------------------------------------------------


@pytest.fixture
def shops(daemon: Daemon, rows: Path) -> Callable[..., None]:
    """Writes months of sales of each named shop, and has the daemon watch them."""
    settings = {"series_id_columns": "shop", "partition_by": "shop", "horizon": 2}
    daemon.experiment = _experiment(rows, task="forecasting", target="sold", time_column="month", forecasting=settings)

    def write(**shops: int) -> None:
        months = pl.date_range(pl.date(2020, 1, 1), pl.date(2022, 12, 1), "1mo", eager=True)
        parts = [
            pl.DataFrame({"shop": name, "month": months, "sold": range(first, first + len(months))})
            for name, first in shops.items()
        ]
        pl.concat(parts).write_csv(rows)

    return write


def test_new_groups_come_first_and_one_run_makes_what_changed(daemon: Daemon, shops: Callable[..., None]) -> None:
    shops(a=1, b=1)
    daemon.after_a_rest()
    daemon.end(learnt=fingerprint(daemon.experiment))
    shops(a=1, b=2, c=1)
    assert "new groups: c" in daemon.after_a_rest()
    assert keys_of(daemon.instance, daemon.experiment) == ["a", "b", "c"]
    tags = daemon.runs[1].tags
    assert (tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG]) == ("a", "c")
    assert tags[CHANGED_TAG] == "true" and len(daemon.runs) == 2


def test_groups_that_came_during_a_run_are_made_by_the_next(daemon: Daemon, shops: Callable[..., None]) -> None:
    """The run read them, but was asked for the others alone."""
    shops(a=1)
    daemon.after_a_rest()
    shops(a=1, b=1)
    daemon.end(learnt=fingerprint(daemon.experiment))
    assert "new groups: b" in daemon.after_a_rest()
    assert len(daemon.runs) == 2
