"""The command line, each call in a process of its own as people use it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_assets.cli.app import main, ui
from automl_assets.experiment.experiment import load
from tests import command_line

AUTOML = Path(sys.executable).with_name("automl")
WIDE = {"COLUMNS": "300"}


def automl(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    """The command in `folder`, where it makes its home."""
    surroundings = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | {"COLUMNS": "300"}
    return subprocess.run(
        [AUTOML, *map(str, arguments)],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def message(framed: str) -> str:
    """The one message of a command that failed, without its frame."""
    assert "Traceback" not in framed
    return " ".join(line.strip("│╭╮╰╯─ ") for line in framed.splitlines())


def test_help_lists_the_commands(tmp_path: Path) -> None:
    told = automl(tmp_path, "--help").stdout
    for name in ("new", "run", "list", "leaderboard", "code", "report", "predict", "explain", "ui"):
        assert name in told
    assert not list(tmp_path.iterdir()), "help should leave nothing behind"


def test_the_ui_finds_its_databases_made(bare_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = bare_home
    begun: list[bool] = []
    monkeypatch.setattr("signal.signal", lambda *about: None)
    monkeypatch.setattr("os.execv", lambda *command: begun.append((home / "schedules").exists()))
    assert not (home / "schedules").exists()
    ui(home)
    assert begun == [True]


def test_new_writes_a_yaml_that_loads(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    tiny(tmp_path).unlink()
    answer = automl(tmp_path, "new", "tiny.csv", "--target", "bill")
    assert answer.returncode == 0, answer.stderr
    drafted = load(tmp_path / "tiny.yaml")
    assert (drafted.task, drafted.target, drafted.test.fraction) == ("regression", "bill", 0.2)
    again = command_line.automl("new", "tiny.csv", "--target", "answer", cwd=tmp_path, env=WIDE)
    assert "tiny.yaml is there already; give another name with -o, or replace it with --force" in message(again.stderr)
    assert again.returncode == 1
    assert load(tmp_path / "tiny.yaml").target == "bill"


def test_list_shows_every_experiment_and_the_broken_ones(tmp_path: Path, tiny: Callable[..., Path]) -> None:
    tiny(tmp_path / "home" / "experiments")
    (tmp_path / "home" / "experiments" / "mistaken.yaml").write_text("task: dance")
    answer = automl(tmp_path, "list", "--home", "home")
    lines = {line.split()[0]: line for line in answer.stdout.splitlines() if line.strip()}
    assert {"breast_cancer", "wine", "tiny", "mistaken"} <= set(lines)
    assert "classification" in lines["tiny"] and "home/experiments/tiny.yaml" in lines["tiny"]
    assert "broken" in lines["mistaken"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "absent.yaml"), "no such file: .*absent.yaml"),
        (("leaderboard", "wine"), "nothing has run here: there is no home .*/home. Run it first: automl run wine"),
        (("models", "wine"), "nothing has run here: there is no home"),
        (("predict", "wine", "rows.csv", "-o", "rows.xlsx"), "-o: got 'rows.xlsx'; possible endings: .csv"),
        (("explain", "wine", "rows.csv", "-o", "rows.xlsx"), "-o: got 'rows.xlsx'; possible endings: .csv"),
        (("run", "wine", "--resume"), "nothing to resume: wine has never run here"),
        (("new", "absent.csv", "--target", "y"), "absent.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_message(
    tmp_path: Path,
    arguments: tuple[str, ...],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(sys, "argv", ["automl", *arguments])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert re.search(told, message(capsys.readouterr().err))
    assert (tmp_path / "home").exists() == (arguments[0] == "run"), "who only looks makes no home"


def test_an_unknown_name_is_told_in_one_message(tmp_path: Path) -> None:
    answer = command_line.automl("run", "breast_cancr", "--home", tmp_path / "home", env=WIDE)
    assert answer.returncode == 1
    text = message(answer.stderr)
    assert "no experiment is called 'breast_cancr'; there are " in text and 'Did you mean "breast_cancer"' in text
