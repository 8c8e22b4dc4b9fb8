"""Dagster's own commands work on this project as its documentation says, each in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from automl_assets.experiment.experiment import load
from tests.servers import OTHER_HOST, free_port, listens, post

PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SHIPPED = {
    *("bank_marketing", "breast_cancer", "diabetes", "hardware_machine", "wine"),
    *("bike_share", "electricity_small", "hts_sample", "m4_hourly", "nyc_energy", "us_macro"),
    "newsgroups",
}
WORKSPACE = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError {
        __typename
        ... on PythonError { message }
        ... on RepositoryLocation { repositories { name jobs { name } } }
} } } } }"""
LAUNCH = """mutation($selector: JobOrPipelineSelector!) { launchRun(executionParams: {selector: $selector, mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path]) -> Path:
    """A home with one experiment of its own, shared by the commands."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(PROJECT / "resources" / "dagster.yaml", folder)
    tiny(folder / "experiments")
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that scaffolding changes nothing here."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("automl_assets", "resources", "sensors"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(PROJECT / name, folder)
    return folder


def environment(home: Path, project: Path = PROJECT) -> dict[str, str]:
    own = {
        "DAGSTER_HOME": str(home),
        "PYTHONPATH": str(project),
        "VIRTUAL_ENV": str(BIN.parent),
        "COLUMNS": "200",
        "AUTOML_DATA": str(home),
    }
    return os.environ | own


def command(home: Path, project: Path, name: str, *arguments: str) -> str:
    """Output of a command that has to end well."""
    done = subprocess.run(
        [BIN / name, *arguments],
        cwd=project,
        env=environment(home, project),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.long  # `make check` runs the same command
def test_dagster_definitions_validate(home: Path) -> None:
    told = command(home, PROJECT, "dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert "Validation successful for code location automl" in told


@pytest.fixture(scope="module")
def scaffolded(home: Path, project: Path) -> Path:
    """The project after `dg scaffold defs` of an experiment."""
    command(home, project, "dg", "scaffold", "defs", "automl_assets.Experiment", "churn")
    return project


def test_dg_scaffold_defs_writes_a_complete_experiment(scaffolded: Path) -> None:
    written = yaml.safe_load((scaffolded / "automl_assets" / "defs" / "churn" / "defs.yaml").read_text())
    assert written["type"] == "automl_assets.Experiment"
    assert load(scaffolded / "churn.yaml", yaml.safe_dump(written["attributes"])).task == "classification"


@pytest.mark.long
def test_dg_check_defs(home: Path, scaffolded: Path) -> None:
    told = command(home, scaffolded, "dg", "check", "defs")
    assert "All component YAML validated successfully" in told
    assert "All definitions loaded successfully" in told


def test_dg_list_defs_shows_what_was_scaffolded(home: Path, scaffolded: Path) -> None:
    text = command(home, scaffolded, "dg", "list", "defs", "--json")
    found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert {job["name"] for job in found["jobs"]} == {*SHIPPED, "tiny", "churn"}
    assert {"churn/dataset", "churn/leaderboard", "tiny/dataset"} <= {asset["asset_key"] for asset in found["assets"]}
    assert {check["asset_key"] for check in found["asset_checks"]} >= {"churn/profile", "churn/onnx_model"}


@pytest.mark.long
def test_dg_launch_makes_assets(home: Path) -> None:
    command(home, PROJECT, "dg", "launch", "--assets", "tiny/dataset,tiny/profile")
    for name in ("dataset", "profile"):
        assert (home / "artifacts" / "tiny" / name / "current").exists(), name


def until(condition: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.25)
    raise AssertionError(f"not within {seconds} s")


@dataclass(frozen=True)
class Server:
    """A server of Dagster's UI: its process, its address and what it writes."""

    process: subprocess.Popen
    host: str
    port: int
    log: Path


SERVERS = {"dg": ("dg", "dev"), "ui": ("automl", "ui"), "elsewhere": ("automl", "ui", "--host", OTHER_HOST)}


@pytest.fixture(scope="module")
def servers(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """`dg dev`, and twice `automl ui`, which is `dagster dev`: each with a home of its own, started when asked for."""
    folder = tmp_path_factory.mktemp("servers")
    started: dict[str, Server] = {}

    def server(name: str) -> Server:
        if name not in started:
            started[name] = _start(shutil.copytree(home, folder / name, symlinks=True), SERVERS[name])
        return started[name]

    yield server
    for one in started.values():
        one.process.kill()


def _heed_interrupts() -> None:
    """Dagster stops its services by SIGINT, which a shell lets commands in the background ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _start(home: Path, arguments: tuple[str, ...]) -> Server:
    port, log = free_port(), home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / arguments[0], *arguments[1:], "--port", str(port)],
            cwd=PROJECT,
            env=environment(home),
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - it only resets a signal
        )
    return Server(process, OTHER_HOST if OTHER_HOST in arguments else "127.0.0.1", port, log)


def ask(server: Server, query: str, **variables: Any) -> dict[str, Any]:
    """The server's answer to a GraphQL query."""
    return post(f"http://{server.host}:{server.port}/graphql", {"query": query, "variables": variables})[1]["data"]


def repository(server: Server) -> dict[str, Any]:
    """What the server has loaded, without an error, as soon as it answers."""
    try:
        (entry,) = until(lambda: ask(server, WORKSPACE)["workspaceOrError"]["locationEntries"], 180)
    except AssertionError as error:
        error.add_note(server.log.read_text()[-3000:])
        raise
    assert entry["name"] == "automl"
    assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry
    (found,) = entry["locationOrLoadError"]["repositories"]
    return found


def other(name: str) -> Any:
    """A server that shows once more what `automl ui` shows."""
    return pytest.param(name, marks=pytest.mark.long)


@pytest.mark.parametrize("name", [other("dg"), "ui"])
def test_the_ui_comes_up_with_every_experiment(servers: Callable[[str], Server], name: str) -> None:
    assert {job["name"] for job in repository(servers(name))["jobs"]} >= {*SHIPPED, "tiny"}


@pytest.mark.parametrize("name", ["ui", other("elsewhere")])
def test_the_ui_listens_where_it_is_told_to_and_is_for_this_machine_by_default(
    servers: Callable[[str], Server], name: str
) -> None:
    repository(servers(name))
    assert listens(servers(name).process) == {servers(name).host}


def test_assets_can_be_made_from_the_ui(servers: Callable[[str], Server]) -> None:
    """The way of a click on `Materialize`: through the queue and our launcher into a process of its own."""
    server = servers("ui")
    selector = {
        "repositoryLocationName": "automl",
        "repositoryName": repository(server)["name"],
        "jobName": "tiny",
        "assetSelection": [{"path": ["tiny", "dataset"]}, {"path": ["tiny", "profile"]}],
    }
    launched = ask(server, LAUNCH, selector=selector)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def status() -> str | None:
        found = ask(server, STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
        return found if found in ("SUCCESS", "FAILURE", "CANCELED") else None

    assert until(status, 200) == "SUCCESS"


@pytest.mark.parametrize("name", [other("dg"), "ui", other("elsewhere")])
def test_the_ui_ends_when_told_to(servers: Callable[[str], Server], name: str) -> None:
    repository(servers(name))
    servers(name).process.terminate()
    servers(name).process.wait(120)
