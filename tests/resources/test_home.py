"""A home is made once, is accepted by Dagster, and keeps one secret however many processes ask for it first."""

import fcntl
import importlib
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from automl_assets.errors import SettingError
from automl_assets.former_names import MODULES
from automl_assets.resources.home import NAMED, command, installation_key, open_instance, prepare, use_home
from automl_assets.resources.home import home as current_home
from automl_assets.resources.run_launcher import LocalRunLauncher

Patch = pytest.MonkeyPatch
N_PROCESSES = 8
PRINT_KEY = """
import sys
from pathlib import Path
from automl_assets.resources.home import installation_key
print("ready", flush=True)
sys.stdin.readline()
print(installation_key().hex())
"""


def test_without_a_setting_the_home_lies_in_the_current_folder(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert current_home() == tmp_path / ".automl"


def test_settings_are_written_once_and_then_left_alone(home: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}  # mine\n")
    assert prepare() == home
    assert "# mine" in (home / "dagster.yaml").read_text()


@pytest.mark.parametrize(("then", "now"), MODULES.items())
def test_settings_of_an_earlier_version_follow_our_modules_and_are_left_alone_else(
    home: Path, then: str, now: str
) -> None:
    file = home / "dagster.yaml"
    today = f"{file.read_text()}\n# mine, not {then}\nrun_storage:\n  module: {now}\n"
    file.write_text(today.replace(f"module: {now}", f"module: {then}"))
    prepare()
    assert file.read_text() == today
    assert importlib.import_module(now)


def test_dagster_accepts_the_settings(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert Path(instance.root_directory) == home
        assert isinstance(instance.run_launcher, LocalRunLauncher)
        assert instance.telemetry_enabled is False
        assert instance.run_monitoring_enabled and instance.run_retries_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


def test_dagster_accepts_the_settings_of_a_database(tmp_path: Path, database: str) -> None:
    prepare(tmp_path / "home")
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage).__name__ == "PatientEventLog"
        assert isinstance(instance.run_launcher, LocalRunLauncher)
        assert instance.event_log_storage.postgres_url == database


def test_a_database_that_dagster_would_not_use_is_told(home: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("AUTOML_DATABASE", "postgresql://ann:s3cret@host/automl")
    with pytest.raises(
        SettingError, match=r"AUTOML_DATABASE is set, but .*dagster\.yaml names no PostgreSQL"
    ) as caught:
        prepare()
    assert "s3cret" not in str(caught.value)


def test_a_home_of_a_database_that_is_not_named_is_told(home: Path, database: str, monkeypatch: Patch) -> None:
    (home / "dagster.yaml").unlink()
    prepare()
    monkeypatch.delenv("AUTOML_DATABASE")
    with pytest.raises(SettingError, match=r"dagster\.yaml names AUTOML_DATABASE, which is not set; set it, or remove"):
        prepare()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("AUTOML_DATABASE", "mysql://ann:s3cret@host/automl", "got an address of 'mysql'; possible: postgresql://"),
        ("AUTOML_ARTIFACTS", "nosuch://bucket", "AUTOML_ARTIFACTS: .*'nosuch'. Possible: a folder, or a URL"),
        ("AUTOML_ARTIFACTS", "gs://bucket", "AUTOML_ARTIFACTS: Please install gcsfs"),
    ],
)
def test_a_service_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: Patch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=complaint) as caught:
        prepare(tmp_path / "home")
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "home").exists()


def test_the_key_of_the_environment_comes_first(home: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("AUTOML_KEY", "5e" * 32)
    assert installation_key() == b"\x5e" * 32
    assert not (home / "installation.key").exists()


@pytest.mark.parametrize("key", ["s3cret", "5e" * 31, "zz" * 32])
def test_what_is_no_key_is_told_without_showing_it(monkeypatch: Patch, key: str) -> None:
    monkeypatch.setenv("AUTOML_KEY", key)
    with pytest.raises(
        SettingError, match=f"AUTOML_KEY: got {len(key)} characters that are no key; .*openssl rand"
    ) as caught:
        installation_key()
    assert key not in str(caught.value)


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
    keys = {process.communicate(timeout=200)[0].strip() for process in processes}
    assert keys == {installation_key().hex()}
    assert [path.name for path in home.glob(".installation*")] == [], "temporary files are left"


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="the home .*file/home cannot be made, or written to: Not a directory"):
        prepare(tmp_path / "file" / "home")


def test_a_home_without_room_for_a_lock_is_told(home: Path) -> None:
    (home / "dagster.lock").unlink(missing_ok=True)
    (home / "dagster.lock").mkdir()
    with pytest.raises(SettingError, match="cannot be made, or written to: Is a directory"):
        open_instance()


def test_a_command_names_the_home_that_it_needs(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv(NAMED, "")
    assert command("automl ui") == "automl ui"
    prepare(".automl")
    assert command("automl ui") == "automl ui"
    prepare(tmp_path / "my home")
    prepare()
    assert command("automl ui") == f"automl ui --home '{tmp_path}/my home'"
    with use_home(tmp_path / "other"):
        assert command("automl ui") == f"automl ui --home {tmp_path}/other"


def test_one_process_at_a_time_makes_the_databases(bare_home: Path) -> None:
    home = bare_home
    with ThreadPoolExecutor() as threads:
        with (home / "dagster.lock").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            opened = threads.submit(open_instance)
            with pytest.raises(TimeoutError):
                opened.result(0.5)
            assert not (home / "schedules").exists()
        opened.result(60).dispose()
    assert (home / "schedules").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds 0 hexadecimal digits; a key is 64"),
        ("5e" * 31, "holds 62 hexadecimal digits; a key is 64"),
        ("no key at all", "holds no key; it is 64 hexadecimal digits"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_a_key_that_is_none_is_refused(home: Path, content: str | None, told: str) -> None:
    """An empty one would sign models in a way that everybody can."""
    home.mkdir(parents=True, exist_ok=True)
    if content is None:
        (home / "installation.key").mkdir()
    else:
        (home / "installation.key").write_text(content)
    with pytest.raises(SettingError, match=rf"installation\.key {told}.*Bring the file back from a copy"):
        installation_key()


@pytest.mark.parametrize("address", ["s3://key:secret@bucket/models", "az://models?sig=abc"])
def test_a_place_for_artifacts_holds_no_secret(home: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow would note it with every model."""
    monkeypatch.setenv("AUTOML_ARTIFACTS", address)
    with pytest.raises(
        SettingError, match="AUTOML_ARTIFACTS: got an address with a user, a password or a query"
    ) as caught:
        prepare(home)
    assert "secret" not in str(caught.value) and "abc" not in str(caught.value)
