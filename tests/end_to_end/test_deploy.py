"""What `deploy/` says is what works: each service of the compose file by its own command, and the pods of Kubernetes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from automl_assets.resources.store import RecordStore
from tests.processes import is_making, until
from tests.servers import free_port, post, wait
from tests.services import Postgres, new_bucket, new_database, s3_settings, started

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
BIN = Path(sys.executable).parent
SECONDS = 600  # at most, for a run of 120 rows on a machine that does much else
SELECTOR = {"repositoryLocationName": "automl", "repositoryName": "__repository__", "jobName": "tiny"}
LAUNCH = """mutation($selector: JobOrPipelineSelector!) { launchRun(executionParams: {selector: $selector, mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def test_the_compose_file_is_one() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    compose = compose_spec.PyOptions(apply_merge=True).from_yaml(COMPOSE)
    compose.validate()
    services = yaml.safe_load(COMPOSE)["services"]
    assert set(compose.service_names()) == set(services)
    assert {name for service in services.values() for name in service.get("depends_on", {})} <= set(services)


def test_a_misspelt_compose_file_would_be_seen() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    with pytest.raises(ValueError, match="prots"):
        compose_spec.PyOptions(apply_merge=True).from_yaml(COMPOSE.replace("ports:", "prots:"))


def test_nothing_is_reached_from_other_machines() -> None:
    ports = [port for service in yaml.safe_load(COMPOSE)["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_pods_of_kubernetes_are_what_dagster_accepts() -> None:
    context = pytest.importorskip("dagster_k8s.container_context")
    values = yaml.safe_load((DEPLOY / "values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    made = context.K8sContainerContext.create_from_config(
        {
            "k8s": {
                "env_secrets": [secret["name"] for secret in deployment["envSecrets"]],
                "env_vars": [f"{name}={value}" for name, value in deployment["env"].items()],
                "volumes": deployment["volumes"],
                "volume_mounts": deployment["volumeMounts"],
                "run_k8s_config": _snake(values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]),
            }
        }
    )
    claims = [
        volume["persistent_volume_claim"]["claim_name"] for volume in made.run_k8s_config.pod_spec_config["volumes"]
    ]
    assert claims == ["automl"]


def _snake(config: dict[str, Any]) -> dict[str, Any]:
    return {"container_config": config["containerConfig"]}


@dataclass(frozen=True)
class Composed:
    """What the compose file would start, on this machine; ports are others, and so are the folders."""

    folder: Path
    settings: dict[str, str]
    code: int
    webserver: int

    def command(self, service: str) -> list[str]:
        return self._here(yaml.safe_load(COMPOSE)["services"][service]["command"])

    def wait_until_healthy(self, service: str) -> None:
        kind, *check = yaml.safe_load(COMPOSE)["services"][service]["healthcheck"]["test"]
        assert kind == "CMD"
        until = time.monotonic() + SECONDS
        while subprocess.run(self._here(check), env=os.environ | self.settings, check=False).returncode:
            assert time.monotonic() < until, (self.folder / "log").read_text()

    def _here(self, command: list[str]) -> list[str]:
        own = {"0.0.0.0": "127.0.0.1", "4000": str(self.code), "3000": str(self.webserver)}
        own |= {"/opt/automl/deploy/workspace.yaml": str(self.folder / "workspace.yaml")}
        own |= {"/opt/automl/deploy/setup.py": str(DEPLOY / "setup.py")}
        program, *arguments = command
        return [str(BIN / program), *(own.get(argument, argument) for argument in arguments)]

    def ask(self, query: str, **variables: Any) -> Any:
        return post(f"http://127.0.0.1:{self.webserver}/graphql", {"query": query, "variables": variables})[1]["data"]


@pytest.fixture
def composed(postgres: str, s3: str, tiny: Callable[..., Path], tmp_path: Path) -> Composed:
    code = free_port()
    workspace = (DEPLOY / "workspace.yaml").read_text().replace("code\n", "127.0.0.1\n").replace("4000", str(code))
    (tmp_path / "workspace.yaml").write_text(workspace)
    tiny(tmp_path / "experiments")
    settings = yaml.safe_load(COMPOSE)["x-automl"]["environment"] | s3_settings(s3)
    settings |= {
        "AUTOML_DATABASE": new_database(postgres),
        "AUTOML_KEY": "5e" * 32,
        "DAGSTER_HOME": str(tmp_path / "home"),
    }
    settings |= {"AUTOML_EXPERIMENTS": str(tmp_path / "experiments"), "AUTOML_ARTIFACTS": f"{new_bucket(s3)}-made"}
    return Composed(tmp_path, settings, code, free_port())


@pytest.mark.slow
def test_the_services_of_the_compose_file_run_an_experiment_though_the_database_is_restarted(
    composed: Composed, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # it may run again, as it does whenever the services are started
        subprocess.run(composed.command("setup"), env=os.environ | composed.settings, check=True, timeout=SECONDS)
    with ExitStack() as stack:
        log = composed.folder / "log"
        for service in ("code", "webserver", "daemon"):
            process = stack.enter_context(started(composed.folder, *composed.command(service), **composed.settings))
            if service == "code":
                composed.wait_until_healthy(service)
            if service == "webserver":
                wait(f"http://127.0.0.1:{composed.webserver}/server_info", process, log)
        launched = composed.ask(LAUNCH, selector=SELECTOR)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        postgres_server.restart()  # the daemon has a run to start
        until(lambda: is_making(Path(composed.settings["DAGSTER_HOME"]), "features"), SECONDS)
        postgres_server.restart()
        assert _ended(composed, launched["run"]["runId"]) == "SUCCESS", log.read_text()
    for name, value in composed.settings.items():
        monkeypatch.setenv(name, value)
    assert RecordStore().load("tiny", "registered_model").version == "1"


def _ended(composed: Composed, run: str) -> str:
    until, status = time.monotonic() + SECONDS, ""
    while time.monotonic() < until and status not in ("SUCCESS", "FAILURE", "CANCELED"):
        time.sleep(1)
        status = composed.ask(STATUS, id=run)["runOrError"]["status"]
    return status
