"""PostgreSQL goes away in the middle of a run: a restart is waited for, a long outage is told, and nothing is lost."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.resources.asset_keys import asset_name
from tests.command_line import automl
from tests.processes import AUTOML, is_making, slow_experiment, until
from tests.services import PASSWORD, Postgres, new_database

pytestmark = pytest.mark.slow

MADE_BEFORE = {"dataset", "profile", "split", "features", "candidate_baseline", "candidate_logistic_regression"}
ASSETS = MADE_BEFORE | {"candidate_catboost", "leaderboard", "ensemble", "evaluation", "training_code", "report"}
WAITING = "waiting up to 120 s for PostgreSQL"


@dataclass(frozen=True)
class Installation:
    """An experiment and a home whose Dagster writes to a database of its own."""

    server: Postgres
    yaml: Path
    home: Path
    output: Path  # what a run says

    def run(self, **environment: str) -> subprocess.Popen:
        given = [AUTOML, "run", self.yaml, "--home", self.home]
        with self.output.open("w") as output:
            return subprocess.Popen(given, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment)

    def said(self) -> str:
        return self.output.read_text()

    def fail(self, mode: str) -> None:
        """The server is away until the run waits for it."""
        n_before = self.said().count(WAITING)
        self.server.stop(mode)
        until(lambda: self.said().count(WAITING) > n_before, 200)
        self.server.start()

    def wait_until(self, asset: str) -> None:
        until(lambda: is_making(self.home, asset), 200)

    def materialised(self) -> dict[dg.DagsterRunStatus, Counter[str]]:
        """How often each asset was made, by how the run ended."""
        with dg.DagsterInstance.get() as instance:
            return {run.status: _materialised(instance, run.run_id) for run in instance.get_runs()}


def _materialised(instance: dg.DagsterInstance, run: str) -> Counter[str]:
    events = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return Counter(asset_name(event.dagster_event.asset_key) for event in events)


@pytest.fixture
def installation(
    postgres_server: Postgres, tiny: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    monkeypatch.setenv("AUTOML_DATABASE", new_database(postgres_server.url))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    yaml = slow_experiment(tmp_path, tiny)
    yield Installation(postgres_server, yaml, tmp_path / "home", tmp_path / "output.txt")
    postgres_server.ensure_started()


def test_a_run_waits_while_the_server_is_restarted_and_while_it_recovers_from_a_crash(
    installation: Installation,
) -> None:
    with installation.run() as run:
        for asset, mode in (("candidate_logistic_regression", "fast"), ("candidate_catboost", "immediate")):
            installation.wait_until(asset)
            installation.fail(mode)
        run.wait(timeout=400)
    assert run.returncode == 0, installation.said()
    assert "Traceback" not in installation.said()
    assert installation.materialised() == {dg.DagsterRunStatus.SUCCESS: Counter(dict.fromkeys(ASSETS, 1))}


@pytest.mark.long
def test_a_run_that_waited_in_vain_says_so_and_is_resumed(installation: Installation) -> None:
    with installation.run(AUTOML_DATABASE_SECONDS="2") as run:
        installation.wait_until("candidate_catboost")
        installation.server.stop("fast")
        run.wait(timeout=400)
    said = installation.said()
    assert run.returncode == 1
    told = " ".join(said.replace("│", " ").split())
    assert "PostgreSQL has been away for 2 s" in told and "go on by `automl run" in told and "--resume" in told
    assert "Traceback" not in said and PASSWORD not in said
    installation.server.start()
    resumed = automl("run", installation.yaml, "--home", installation.home, "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    made = installation.materialised()
    assert made == {
        dg.DagsterRunStatus.FAILURE: Counter(dict.fromkeys(MADE_BEFORE, 1)),
        dg.DagsterRunStatus.SUCCESS: Counter(dict.fromkeys(ASSETS - MADE_BEFORE, 1)),
    }
