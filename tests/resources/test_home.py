"""A home is made once, is accepted by Dagster, and keeps one secret however many processes ask for it first."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.resources.home import home as current_home
from automl_assets.resources.home import installation_key, prepare
from automl_assets.resources.run_launcher import LocalRunLauncher

N_PROCESSES = 8
PRINT_KEY = """
import sys
from pathlib import Path
from automl_assets.resources.home import installation_key
print("ready", flush=True)
sys.stdin.readline()
print(installation_key().hex())
"""


def test_without_a_setting_the_home_lies_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert current_home() == tmp_path / ".automl"


def test_settings_are_written_once_and_then_left_alone(home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}  # mine\n")
    assert prepare() == home
    assert "# mine" in (home / "dagster.yaml").read_text()


def test_dagster_accepts_the_settings(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert Path(instance.root_directory) == home
        assert isinstance(instance.run_launcher, LocalRunLauncher)
        assert instance.telemetry_enabled is False
        assert instance.run_monitoring_enabled and instance.run_retries_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


def test_a_folder_that_is_named_becomes_dagsters_home(home: Path, tmp_path: Path) -> None:
    other = prepare(tmp_path / "deep" / "other")
    assert os.environ["DAGSTER_HOME"] == str(other) and (other / "dagster.yaml").exists()


def test_the_key_is_for_its_owner_alone_and_stays(home: Path) -> None:
    key = installation_key()
    assert len(key) == 32 and installation_key() == key
    assert stat.S_IMODE((home / "installation.key").stat().st_mode) == 0o600


def test_every_process_gets_the_same_key(home: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PRINT_KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(N_PROCESSES)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert keys == {installation_key().hex()}
    assert [path.name for path in home.glob(".installation*")] == [], "temporary files are left"
