"""The bank marketing story: few calls are known, new ones are dropped into the folder, the sensor asks, a better model answers."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from automl_assets.api.run import run
from automl_assets.experiment.experiment import load
from automl_assets.model_records import Registration
from automl_assets.resources.home import prepare
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.sensors.new_data import new_data

BANK = Path(os.environ.get("AUTOML_DATA", "../shared/data")) / "tabular" / "bank_marketing"
N_KNOWN, N_NEW = 250, 4_000
PATIENCE_SECONDS = 90  # until the sensor takes the new file for whole
YAML = f"""\
task: classification
source: rows/*.csv
target: y
metric: AUC_weighted
test: {BANK.resolve() / "test.csv"}
validation: {{fraction: 0.2}}
algorithms: [logistic_regression]
limits: {{timeout_minutes: 3}}
ensemble: false
explain: false
training_code: false
report: false
retrain: {{on_new_data: true, debounce_seconds: 0}}
"""

pytestmark = pytest.mark.skipif(not BANK.is_dir(), reason=f"no bank marketing data in {BANK}; set AUTOML_DATA")


@dataclass
class Story:
    """What was asked for by the sensor, and what became of the two models."""

    before: Registration
    after: Registration
    said: list[str]  # by the sensor, after the run that it asked for
    run: dg.DagsterRun
    champion: str | None


def _part(name: str, n_rows: int) -> pl.DataFrame:
    """Some rows, the same in every run."""
    return pl.read_csv(BANK / name, infer_schema=False).sample(n_rows, seed=0)


class Watched:
    """The sensor of an experiment, and the daemon that keeps its cursor."""

    def __init__(self, file: Path, instance: dg.DagsterInstance):
        self.file, self.instance, self.cursor = file, instance, None

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        result = new_data(load(self.file))(dg.build_sensor_context(self.instance, cursor=self.cursor))
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        told = result.skip_reason.skip_message if result.skip_reason else ""
        return list(result.run_requests or ()), str(told)

    def asked_for(self) -> dg.RunRequest:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            requests, told = self.tick()
            if requests:
                return requests[0]
            time.sleep(1)
        raise AssertionError(f"the sensor asked for nothing; it said last: {told}")

    def start(self, request: dg.RunRequest) -> dg.JobExecutionResult:
        job = dg.build_reconstructable_job("automl_assets.api.run", "job_of", (str(self.file),))
        return dg.execute_job(job, self.instance, run_config=request.run_config, tags=request.tags)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("bank")
    (folder / "rows").mkdir()
    (folder / "bank.yaml").write_text(YAML)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(new_home(folder / "home")))
        patch.setattr("automl_assets.sensors.poll_source.REST_SECONDS", 1)
        prepare()
        _part("train.csv", N_KNOWN).write_csv(folder / "rows" / "train.csv")
        run(folder / "bank.yaml")
        before = RecordStore().load("bank", "registered_model")
        with dg.DagsterInstance.get() as instance:
            watched = Watched(folder / "bank.yaml", instance)
            watched.tick()
            _part("retrain.csv", N_NEW).write_csv(folder / "rows" / "retrain.csv")
            outcome = watched.start(watched.asked_for())
            assert outcome.success
            said = [watched.tick()[1] for _ in range(2)]
        after = RecordStore().load("bank", "registered_model")
        yield Story(before, after, said, outcome.dagster_run, Tracker().champions("bank").current())


def test_the_new_file_is_learnt_from_once(story: Story) -> None:
    assert story.run.job_name == "bank" and story.run.status == dg.DagsterRunStatus.SUCCESS
    assert all("nothing has changed" in one or "holds what was learnt" in one for one in story.said), story.said


def test_both_models_are_asked_about_the_same_test_file(story: Story) -> None:
    found = story.after.comparison
    assert story.before.comparison is None and story.before.is_champion
    assert found is not None and found.champion == story.before.version
    assert found.n_rows >= 900 and found.rows.startswith("test (of the test file) rows, from which neither learnt")


def test_more_calls_make_a_better_model_and_it_answers(story: Story) -> None:
    found = story.after.comparison
    assert found is not None and found.challenger_score > found.champion_score
    assert story.after.is_champion == (found.share >= 0.95)
    assert story.champion == (story.after if story.after.is_champion else story.before).version
    assert f"AUC_weighted {found.challenger_score:.6g} against {found.champion_score:.6g}" in story.after.reason
