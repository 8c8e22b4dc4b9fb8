"""Runs whose steps are executed elsewhere: by workers of Dask, one of which is killed, and by workers of Celery."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from automl_assets.resources.asset_keys import asset_key, asset_name
from automl_assets.resources.home import open_instance
from automl_assets.resources.run_log import read_journal
from tests.services import started

BIN = Path(sys.executable).parent
CELERY = Path(__file__).parents[2] / "deploy" / "celery.yaml"
SECONDS = 600  # at most, for a run of 120 rows on a machine that does much else
RUN = BIN / "automl", "run", "tiny.yaml", "--home", "home", "--json", "told.json", "--timeout-minutes", "20"

pytestmark = pytest.mark.slow


def events(folder: Path, event: str) -> list[dict[str, Any]]:
    """What the journal of the only run says so far."""
    names = [path.stem for path in (folder / "home" / "journals").glob("*.jsonl")]
    return [line for name in names for line in read_journal(folder / "home", name) if line["event"] == event]


def test_workers_of_dask_make_the_assets(
    home: Path, tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_dask")
    monkeypatch.setenv("AUTOML_EXECUTOR", "dask")
    job = dg.build_reconstructable_job("automl_assets.api.run", "job_of", (str(tiny(home.parent)),))
    names = {"dataset", "profile"}
    with dg.DagsterInstance.get() as instance:
        done = dg.execute_job(job, instance, asset_selection=[asset_key("tiny", name) for name in names])
        made = done.filter_events(lambda event: event.is_step_materialization)
    assert done.success and {asset_name(event.asset_key) for event in made} == names
    assert os.getpid() not in {event.pid for event in made}


@pytest.mark.long
def test_a_dask_worker_is_killed_in_the_middle_of_a_candidate(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    pytest.importorskip("dagster_dask")
    tiny(tmp_path)
    with started(tmp_path, *RUN, AUTOML_EXECUTOR="dask") as run:
        first = _candidate_started(tmp_path)
        os.kill(first["process"], signal.SIGKILL)
        assert run.wait(SECONDS) == 0, (tmp_path / "log").read_text()
    begun = [event for event in events(tmp_path, "candidate_started") if event["candidate"] == first["candidate"]]
    assert begun[-1]["process"] != first["process"], "another worker should have taken the candidate over"
    told = json.loads((tmp_path / "told.json").read_text())
    assert not told["lost"]
    assert {line["trial"].rpartition("_")[0] for line in told["leaderboard"]} >= {first["candidate"], "baseline"}


def _candidate_started(folder: Path) -> dict[str, Any]:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = [event for event in events(folder, "candidate_started") if event["candidate"] != "baseline"]
        if found:
            return found[0]
        time.sleep(0.01)
    raise AssertionError((folder / "log").read_text())


@pytest.mark.long
def test_celerys_workers_make_the_assets(home: Path, tmp_path: Path, tiny: Callable[..., Path], redis: str) -> None:
    pytest.importorskip("dagster_celery")
    tiny(tmp_path)
    open_instance().dispose()  # or the worker and the run would both make its databases
    settings = {"AUTOML_EXECUTOR": "celery", "AUTOML_CELERY": redis, "DAGSTER_HOME": str(tmp_path / "home")}
    worker = BIN / "dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y", CELERY, "--", "--pool", "solo"
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # dagster-celery starts celery by its name
    with started(tmp_path, *worker, **settings, PATH=path) as crew:
        with started(tmp_path, *RUN, **settings) as run:
            assert run.wait(SECONDS) == 0, (tmp_path / "log").read_text()
        makers = {event["process"] for event in events(tmp_path, "asset_started")}
        assert run.pid not in makers and os.getpgid(makers.pop()) == crew.pid
    assert not json.loads((tmp_path / "told.json").read_text())["lost"]
