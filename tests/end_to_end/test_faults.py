"""Processes that are killed: a run begun again makes only what is missing, and a dead fit costs one trial."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from mlflow import MlflowClient

import automl_assets
from automl_assets.api.run import job_of
from automl_assets.errors import SettingError
from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.home import open_instance, prepare
from automl_assets.resources.run_log import read_journal
from tests.command_line import Answer, automl
from tests.processes import AUTOML, children, is_making, journals, kill, slow_experiment, started, until

pytestmark = pytest.mark.slow

EARLIER = {"dataset", "profile", "split", "features", "candidate_baseline", "candidate_logistic_regression"}
LATER = {"candidate_catboost", "leaderboard", "ensemble", "evaluation", "training_code", "report"}


def fits(run: int) -> list[int]:
    """Numbers of the processes that fit models for the run: the grandchildren, by way of the server that forks them."""
    return [fit for server in children(run) for fit in children(server)]


def is_fitting_catboost(home: Path) -> bool:
    return is_making(home, "candidate_catboost")


@dataclass(frozen=True)
class Killed:
    """A run that was killed while its third candidate learnt, and how its processes ended."""

    yaml: Path
    home: Path
    n_fits: int
    seconds_until_fits_ended: float


def _fits_of_catboost(run: subprocess.Popen, home: Path) -> list[int]:
    """Processes that fit its third candidate; none where the run ended before any was seen."""
    found = until(lambda: (is_fitting_catboost(home) and fits(run.pid)) or run.poll() is not None, 300)
    return found if isinstance(found, list) else []


@pytest.fixture(scope="module")
def killed(
    tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path], new_home: Callable[[Path], Path]
) -> Killed:
    folder = tmp_path_factory.mktemp("killed")
    file = slow_experiment(folder, tiny)
    for number in range(3):  # a machine that stalls may miss the seconds in which a run fits
        home = new_home(folder / f"home_{number}")
        with (folder / "output").open("wb") as output:
            run = subprocess.Popen([AUTOML, "run", file, "--home", home], stdout=output, stderr=subprocess.STDOUT)
        if fitting := _fits_of_catboost(run, home):
            break
    run.kill()
    run.wait(120)
    killed_at = time.monotonic()
    until(lambda: not any(Path(f"/proc/{fit}").exists() for fit in fitting), 120)
    return Killed(file, home, len(fitting), time.monotonic() - killed_at)


@pytest.fixture(scope="module")
def resumed(killed: Killed) -> Answer:
    """`automl run --resume` after the kill."""
    return automl("run", killed.yaml, "--home", killed.home, "--resume", "--json", killed.home / "result.json")


def test_fits_end_with_the_run_that_asked_for_them(killed: Killed) -> None:
    assert killed.n_fits >= 1
    assert killed.seconds_until_fits_ended < 60  # a bound, not a wait


def test_a_resumed_run_ends_well(resumed: Answer) -> None:
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "Leaderboard of tiny" in resumed.stdout


def test_only_what_is_missing_is_made_again(killed: Killed, resumed: Answer) -> None:
    first, second = journals(killed.home)
    assert started(killed.home, first) == {*EARLIER, "candidate_catboost"}
    assert started(killed.home, second) == LATER


def test_trials_of_before_are_on_the_leaderboard(killed: Killed, resumed: Answer) -> None:
    for trial in ("baseline_1", "logistic_regression_1", "catboost_1"):
        assert trial in resumed.stdout


def test_the_result_is_told_in_full_as_json(killed: Killed, resumed: Answer) -> None:
    told = json.loads((killed.home / "result.json").read_text())
    assert told["test_metrics"]["accuracy"] > 0.8
    assert {row["trial"] for row in told["leaderboard"]} == {"baseline_1", "logistic_regression_1", *catboost(told)}
    assert set(told["seconds_per_asset"]) == LATER
    assert set(told["artifacts"]) == EARLIER | LATER
    assert told["onnx"] is None and told["rows"] == "test" and told["ensemble"]["members"]


def catboost(told: dict) -> list[str]:
    return [row["trial"] for row in told["leaderboard"] if row["trial"].startswith("catboost_")]


def test_there_is_nothing_to_resume_after_that(
    killed: Killed, resumed: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(killed.home))
    with pytest.raises(SettingError, match="nothing to resume: the last run of tiny ended well"):
        automl_assets.run(killed.yaml, resume=True)


def test_a_lost_by_product_leaves_the_answer(home: Path, tiny: Callable[..., Path]) -> None:
    """The disk, say, has no room for the report alone."""
    file = tiny(home.parent, more="explain: false\nonnx: false\n")
    (home / "artifacts" / "tiny").mkdir(parents=True)
    (home / "artifacts" / "tiny" / "report").write_text("in the way")
    ran = automl("run", file, "--home", home, "--json", home / "told.json")
    assert ran.returncode == 1
    assert "Leaderboard of tiny" in ran.stdout and "report could not be made" in ran.stderr
    told = json.loads((home / "told.json").read_text())
    assert set(told["lost"]) == {"report"}
    assert told["test_metrics"]["accuracy"] > 0.8
    assert "report" not in told["artifacts"] and "evaluation" in told["artifacts"]


def is_told(home: Path) -> bool:
    """Whether a trial of the last candidate has ended, one way or the other."""
    events = read_journal(home, journals(home)[-1])
    return any(event["event"] == "trial" and event["trial"].startswith("catboost_") for event in events)


@contextmanager
def first_fits_killed(home: Path, kills: list[int]) -> Iterator[None]:
    """While the body runs, kills what fits the last candidate until its first trial has ended."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            if is_fitting_catboost(home):
                if is_told(home):
                    return
                for fit in fits(os.getpid()):
                    with suppress(ProcessLookupError):
                        os.kill(fit, signal.SIGKILL)
                        kills.append(fit)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def test_a_fit_that_the_system_kills_fails_its_trial_and_nothing_else(home: Path, tiny: Callable[..., Path]) -> None:
    kills: list[int] = []
    with first_fits_killed(home, kills):
        result = automl_assets.run(slow_experiment(home.parent, tiny))
    assert kills, "no process was killed"
    rows = {standing.trial: standing for standing in result.standings.standings}
    assert rows["catboost_1"].rank is None
    assert rows["catboost_1"].reason == "out of memory: killed by the operating system"
    assert rows["logistic_regression_1"].rank == 1
    assert [member.algorithm for member in result.ensemble.members] == ["logistic_regression"]
    assert result.metrics["accuracy"] > 0.8


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of its own in memory, with room for little more than a run."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system to fill it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def test_a_disk_that_is_full_from_the_start_is_told(
    small_disk: Path, tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, home = tiny(small_disk), small_disk / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    prepare(home)
    open_instance().dispose()
    filler = fill(small_disk)
    refused = automl("run", file, "--home", home)
    filler.unlink()
    assert refused.returncode == 1
    assert "full; make room" in " ".join(refused.stderr.replace("│", " ").split())


@pytest.mark.long
def test_a_full_disk_is_told_and_what_was_made_stays(small_disk: Path, tiny: Callable[..., Path]) -> None:
    file, home = slow_experiment(small_disk, tiny), small_disk / "home"
    with subprocess.Popen([AUTOML, "run", file, "--home", home], stderr=subprocess.PIPE, text=True) as run:
        until(lambda: is_fitting_catboost(home), 200)
        filler = fill(small_disk)
        _, told = run.communicate(timeout=400)
    assert run.returncode == 1
    assert "full; make room" in " ".join(told.replace("│", " ").split()) and "Traceback" not in told
    filler.unlink()
    resumed = automl("run", file, "--home", home, "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert started(home, journals(home)[-1]) == LATER


@pytest.mark.long
def test_two_runs_at_once_are_both_whole(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    """Both make the home, the databases and the first version of the model."""
    file, home = tiny(tmp_path, more="explain: false\nreport: false\n"), tmp_path / "home"
    told = [tmp_path / "one.json", tmp_path / "two.json"]
    given = [[AUTOML, "run", file, "--home", home, "--json", path] for path in told]
    runs = [subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for one in given]
    said = [run.communicate(timeout=400)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    first, second = (json.loads(path.read_text()) for path in told)
    assert first["test_metrics"] == second["test_metrics"]
    registry = MlflowClient(*[f"sqlite:///{home / 'mlflow.db'}"] * 2)
    versions = sorted(int(version.version) for version in registry.search_model_versions("name = 'tiny'"))
    assert versions == [1, 2]
    assert int(registry.get_model_version_by_alias("tiny", "champion").version) in versions


def test_a_changed_model_is_refused_and_made_again(
    killed: Killed, resumed: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(killed.home))
    candidate = killed.home / "artifacts" / "tiny" / "candidate_catboost"
    for models in (candidate / (candidate / "current").read_text()).glob("*.models"):
        models.write_bytes(models.read_bytes() + b"!")
    assert "was not written by this installation, or has been changed since" in made(killed.yaml, "ensemble")
    assert made(killed.yaml, "candidate_catboost", "ensemble") == ""


def made(file: Path, *assets: str) -> str:
    """Makes the assets of an experiment again; gives why that failed."""
    keys = [asset_key("tiny", asset) for asset in assets]
    with dg.DagsterInstance.get() as instance:
        done = job_of(str(file)).execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
    failures = done.filter_events(lambda event: event.is_step_failure)
    return " ".join(event.step_failure_data.user_failure_data.description for event in failures)


@pytest.mark.long
def test_a_step_that_is_killed_fails_its_run_and_is_made_again(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    """Where each step has a process of its own."""
    file, home = slow_experiment(tmp_path, tiny), tmp_path / "home"
    own = os.environ | {"AUTOML_EXECUTOR": "forkserver"}
    with subprocess.Popen([AUTOML, "run", file, "--home", home], stderr=subprocess.PIPE, text=True, env=own) as run:
        until(lambda: is_fitting_catboost(home), 200)
        kill([process_making(home, "candidate_catboost")])
        _, told = run.communicate(timeout=400)
    assert run.returncode == 1
    assert "candidate_catboost: " in told and "Traceback" not in told
    resumed = automl("run", file, "--home", home, "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert LATER <= started(home, journals(home)[-1]) <= {*LATER, "candidate_baseline"}


def process_making(home: Path, asset: str) -> int:
    """The process that an asset is made in by the newest run."""
    events = read_journal(home, journals(home)[-1])
    return next(e["process"] for e in events if e["event"] == "asset_started" and e["asset"] == asset)


LASTING = """
import sys, time
import dagster as dg
from automl_assets.assets.spec import step

@dg.asset(key_prefix="tiny")
def lasting(context):
    with step(context):
        time.sleep(300)

def job():
    forking = {"start_method": {"forkserver": {"preload_modules": ["automl_assets.assets.spec"]}}}
    made = dg.define_asset_job("tiny", executor_def=dg.multiprocess_executor.configured(forking))
    return dg.Definitions(assets=[lasting], jobs=[made]).resolve_job_def("tiny")

if __name__ == "__main__":
    dg.execute_job(dg.build_reconstructable_job("lasting", "job"), dg.DagsterInstance.get())
"""


def test_a_step_with_a_process_of_its_own_ends_with_its_run(home: Path) -> None:
    """The run may be begun again, and the step would go on beside it."""
    (home.parent / "lasting.py").write_text(LASTING)
    own = os.environ | {
        "AUTOML_EXECUTOR": "forkserver",
        "PYTHONPATH": f"{home.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    with subprocess.Popen([sys.executable, "lasting.py"], cwd=home.parent, env=own, stderr=subprocess.DEVNULL) as run:
        until(lambda: is_making(home, "lasting"), 200)
        step = process_making(home, "lasting")
        run.kill()
    assert step != run.pid
    until(lambda: not Path(f"/proc/{step}").exists(), 120)


SHOPS = """\
task: forecasting
source: shops.csv
target: sold
time_column: month
forecasting: {series_id_columns: [shop], partition_by: [shop], horizon: 3}
algorithms: [ets]
limits: {timeout_minutes: 2, max_trials: 2}
onnx: false
explain: false
"""
N_SHOPS = 24


@pytest.mark.long
def test_a_forecast_that_is_killed_goes_on_group_by_group(tmp_path: Path) -> None:
    home, ets = tmp_path / "home", tmp_path / "home" / "artifacts" / "shops" / "candidate_ets"
    (tmp_path / "shops.yaml").write_text(SHOPS)
    months = [f"{2021 + n // 12}-{1 + n % 12:02}-01" for n in range(36)]
    rows = [f"s{shop},{month},{9 * shop + n % 12 + n % 5}" for shop in range(N_SHOPS) for n, month in enumerate(months)]
    (tmp_path / "shops.csv").write_text("\n".join(["shop,month,sold", *rows, ""]))
    with subprocess.Popen([AUTOML, "run", tmp_path / "shops.yaml", "--home", home], stdout=subprocess.DEVNULL) as run:
        until(lambda: list(ets.glob("*/current")), 200)
        run.kill()
    before = {pointer: pointer.read_text() for pointer in home.glob("artifacts/shops/*/*/current")}
    resumed = automl("run", tmp_path / "shops.yaml", "--home", home, "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert {pointer: pointer.read_text() for pointer in before} == before
    assert len(list(ets.glob("*/current"))) == N_SHOPS > sum(ets in pointer.parents for pointer in before)
    assert started(home, journals(home)[-1]).isdisjoint({"dataset", "features"})
