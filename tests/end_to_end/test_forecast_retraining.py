"""A forecast that goes on by itself: a file with news of one group and with a new one is dropped, the daemon does the rest."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import mlflow
import numpy as np
import pandas as pd
import pytest

from automl_assets.api import run
from automl_assets.experiment.experiment import load
from automl_assets.model_records import Registration
from automl_assets.resources.asset_keys import asset_name
from automl_assets.resources.partitions import CHANGED_TAG, keys_of
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.sensors.run_requests import BECAUSE
from tests.daemons import EVENTUALLY, Machine, look_without_pause, machine_in
from tests.processes import until

pytestmark = pytest.mark.slow

N_MONTHS, N_NEW, HORIZON = 60, 4, 3
YAML = f"""\
task: forecasting
source: ../rows/*.csv
target: sold
time_column: month
forecasting: {{series_id_columns: shop, partition_by: shop, horizon: {HORIZON}}}
algorithms: [theta]    # and naive forecasts
limits: {{timeout_minutes: 2, max_trials: 2}}
explain: false
retrain: {{on_new_data: true, debounce_seconds: 0}}
"""


def sales(shop: str, first: int, n_months: int) -> pd.DataFrame:
    """Months of a shop, numbered from the first one that there is of any."""
    number = np.arange(first, first + n_months)
    noise = np.random.default_rng([ord(shop), first]).normal(0, 2, n_months)
    sold = 100 + number + 20 * np.sin(number * 2 * np.pi / 12) + noise
    months = pd.date_range("2019-01-01", periods=first + n_months, freq="MS")[first:]
    return pd.DataFrame({"shop": shop, "month": months, "sold": sold})


@dataclass
class Story:
    """What the run that the sensor asked for has made."""

    machine: Machine
    runs: list[dg.DagsterRun]  # the newest first
    registration: Registration

    @property
    def made(self) -> dict[str, set[str | None]]:
        """Asset -> partitions of it."""
        found = defaultdict(set)
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        for entry in self.machine.instance.all_logs(self.runs[0].run_id, of_type=kind):
            event = entry.get_dagster_event()
            found[asset_name(event.asset_key)].add(event.partition)
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Iterator[Story]:
    home = new_home(tmp_path_factory.mktemp("machine"))
    for folder in ("rows", "experiments"):
        (home / folder).mkdir()
    (home / "experiments" / "shops.yaml").write_text(YAML)
    look_without_pause(home)
    drop(home, "known.csv", sales("a", 0, N_MONTHS), sales("b", 0, N_MONTHS))
    with machine_in(home) as machine:
        run.run(home / "experiments" / "shops.yaml", home=home)
        machine.start()
        until(lambda: machine.is_settled("shops"), EVENTUALLY)
        drop(home, "new.csv", sales("b", N_MONTHS, N_NEW), sales("c", 0, N_MONTHS + N_NEW))
        until(lambda: len(machine.instance.get_runs()) == 2, EVENTUALLY)
        machine.end_of(machine.instance.get_runs()[0].run_id)
        until(lambda: machine.is_settled("shops"), EVENTUALLY)
        machine.kill_daemon()
        yield Story(machine, list(machine.instance.get_runs()), RecordStore().load("shops", "registered_model"))


def drop(home: Path, name: str, *parts: pd.DataFrame) -> None:
    pd.concat(parts).to_csv(home / "rows.new", index=False)
    (home / "rows.new").replace(home / "rows" / name)


def test_one_run_was_asked_for(story: Story) -> None:
    assert len(story.runs) == 2 and story.runs[0].status == dg.DagsterRunStatus.SUCCESS
    tags = story.runs[0].tags
    assert tags[BECAUSE].endswith(", new groups: c") and tags[CHANGED_TAG] == "true"


def test_the_new_group_has_its_partition_and_groups_without_news_were_left_alone(story: Story) -> None:
    experiment = load(story.machine.home / "experiments" / "shops.yaml")
    assert keys_of(story.machine.instance, experiment) == ["a", "b", "c"]
    for asset in ("features", "candidate_naive", "candidate_theta", "ensemble", "evaluation", "onnx_model", "forecast"):
        assert story.made[asset] == {"b", "c"}, asset
    assert story.made["registered_model"] == {None}


def test_both_models_are_asked_about_the_newest_stamps_of_the_groups_that_both_know(story: Story) -> None:
    found = story.registration.comparison
    assert story.registration.version == "2" and found is not None and found.champion == "1"
    assert found.unknown == ("c",) and found.rows.startswith("series (") and found.n_rows == 2
    assert np.isfinite([found.champion_score, found.challenger_score]).all()
    assert "against" in story.registration.reason and "of version 1 on" in story.registration.reason


def test_the_champion_answers(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever it is; a forecast of the new group, where that is among what it learnt."""
    monkeypatch.setenv("DAGSTER_HOME", str(story.machine.home))
    address, surroundings = Tracker().champion_address("shops")
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    registration = story.registration
    assert Tracker().champions("shops").current() == (registration.version if registration.is_champion else "1")
    asked = sales("c" if registration.is_champion else "b", 0, N_MONTHS + N_NEW)
    ahead = asked.index >= len(asked) - HORIZON
    answers = mlflow.pyfunc.load_model(address).predict(asked.assign(sold=asked["sold"].mask(ahead)))
    assert answers["forecast"].to_numpy() == pytest.approx(asked["sold"][ahead].to_numpy(), abs=30)
