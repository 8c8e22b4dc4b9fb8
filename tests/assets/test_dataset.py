"""A run reads the rows that it was asked for, or makes nothing: whatever happens to files while it waits in the queue."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from automl_assets.assets.dataset import _metadata, _types_before, dataset
from automl_assets.assets.profile import profile
from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.asked_rows import AS_FOUND_TAG, ASKED_TAG, has_given_way, learnt_meanwhile, new_request
from automl_assets.resources.store import RecordStore
from automl_assets.sensors.run_requests import learnt
from automl_assets.steps.load import load
from automl_assets.steps.read_source import fingerprint
from tests.conftest import Ask

ROWS = pl.DataFrame({"x": range(40), "y": ["a", "b"] * 20})


class Queued:
    """An experiment whose runs were asked for by a sensor."""

    def __init__(self, experiment: Experiment, instance: dg.DagsterInstance):
        self.experiment, self.instance = experiment, instance
        self.file, self.request = Path(experiment.source.options.path), new_request(fingerprint(experiment), 1.0)

    @property
    def job(self) -> dg.JobDefinition:
        assets = [dataset(self.experiment), profile(self.experiment)]
        jobs = [dg.define_asset_job(self.experiment.name)]
        return dg.Definitions(assets, jobs=jobs, resources={"records": RecordStore()}).resolve_job_def(
            self.experiment.name
        )

    def run(self, **more: str) -> dg.ExecuteInProcessResult:
        tags = {ASKED_TAG: self.request, **more}
        return self.job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)

    def made(self, found: dg.ExecuteInProcessResult) -> list[str]:
        return [event.asset_key.path[-1] for event in found.get_asset_materialization_events() if event.asset_key]


@pytest.fixture
def queued(ask: Ask, home: Path) -> Queued:
    return Queued(ask(ROWS), dg.DagsterInstance.get())


def test_the_rows_that_were_asked_for_are_learnt(queued: Queued) -> None:
    assert queued.made(queued.run()) == ["dataset", "profile"]
    assert not has_given_way(queued.instance, queued.experiment.name, queued.request)


@pytest.mark.parametrize("left", ["other rows", "half a file", "no file"])
def test_other_rows_are_left_to_the_next_look(queued: Queued, left: str) -> None:
    """No failure: nobody is told of a wrong file that was merely being written."""
    whole = queued.file.read_bytes()
    queued.file.unlink()
    if left != "no file":
        queued.file.write_bytes(whole[: len(whole) // 2])
    if left == "other rows":
        ROWS.with_columns(pl.col("x") * 2).write_parquet(queued.file)
    found = queued.run()
    assert found.success and not queued.made(found)
    assert has_given_way(queued.instance, queued.experiment.name, queued.request)
    assert learnt(queued.instance, queued.experiment) == ""
    (told,) = {check.description for check in found.get_asset_check_evaluations()}
    assert told and "the source was written to after the sensor had looked at it" in told


def test_rows_that_cannot_be_used_fail_where_they_are_those_asked_for(queued: Queued) -> None:
    queued.file.write_bytes(b"no Parquet")
    queued.request = new_request(fingerprint(queued.experiment), 1.0)
    assert not queued.run().success


def test_a_run_that_is_to_learn_what_it_finds_does(queued: Queued) -> None:
    ROWS.with_columns(pl.col("x") * 2).write_parquet(queued.file)
    assert queued.made(queued.run(**{AS_FOUND_TAG: "true"})) == ["dataset", "profile"]


def test_a_run_that_is_tried_again_leaves_alone_what_another_has_learnt_since(queued: Queued) -> None:
    """The daemon was killed as a run began; somebody had the rows learnt by hand before Dagster tried it again."""
    key = dg.AssetKey([queued.experiment.name, "dataset"])
    before = queued.job.execute_in_process(instance=queued.instance)
    killed = queued.instance.create_run_for_job(queued.job, tags={ASKED_TAG: queued.request})
    lineage = {"parent_run_id": killed.run_id, "root_run_id": killed.run_id}
    again = queued.instance.create_run_for_job(queued.job, tags=killed.tags, **lineage)
    assert learnt_meanwhile(queued.instance, again, key) == "", f"{before.run_id} came before it"
    other = queued.job.execute_in_process(instance=queued.instance)
    assert learnt_meanwhile(queued.instance, again, key) == other.run_id
    assert learnt_meanwhile(queued.instance, killed, key) == "", "it is no second attempt"


def test_types_of_very_many_columns_are_compared_and_few_are_shown(ask: Ask) -> None:
    """Every later step of a run reads again what is told of the rows: of ten thousand columns that took half a second."""
    table = pl.DataFrame({f"x{i}": [i, 1, 2, 3] * 10 for i in range(700)} | {"y": ["a", "b"] * 20})
    rows, key = load(ask(table)), dg.AssetKey(["wide", "dataset"])
    told = _metadata(rows)
    assert len(told["dagster/column_schema"].columns) == 500
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=told))
        assert _types_before(instance, key) == {f"x{i}": "integer" for i in range(700)} | {"y": "text"}
