"""A home whose parts lie in services: what is noted in PostgreSQL, what is made in an object store."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from tests.command_line import Answer, automl
from tests.services import new_bucket, new_database, s3_settings

SECRETS = "s3cret", "word"  # of the password of the database
KEY = "5e" * 32
LOCAL = {
    "dagster.yaml",
    "workspace.yaml",
    "journals",
    "experiments",
    "storage",
    "history",
    "logs",
    "dagster.lock",
    "mlflow.lock",
}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Deployed:
    """A run that has ended, and where its parts lie."""

    folder: Path
    database: str
    bucket: str
    output: str

    def automl(self, *arguments: str, **environment: str) -> Answer:
        own = {"AUTOML_DATABASE": self.database, "AUTOML_ARTIFACTS": f"{self.bucket}/models", "AUTOML_KEY": KEY}
        return automl(*arguments, cwd=self.folder, env=own | environment)

    def count(self, table: str) -> int:
        with create_engine(self.database, poolclass=NullPool).connect() as connection:
            return connection.execute(text(f"select count(*) from {table}")).scalar_one()


@pytest.fixture(scope="module")
def deployed(
    postgres: str, s3: str, tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """An experiment answered by a machine whose home is the folder `home`."""
    folder = tmp_path_factory.mktemp("deployed")
    tiny(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_settings(s3).items():
            patch.setenv(name, value)
        made = Deployed(folder, new_database(postgres), new_bucket(s3), "")
        done = made.automl("run", "tiny.yaml", "--json", "told.json", "--home", "home")
        assert done.returncode == 0, done.stdout + done.stderr
        yield replace(made, output=done.stdout + done.stderr)


def test_nothing_is_left_in_the_home_that_another_machine_would_miss(deployed: Deployed) -> None:
    told = json.loads((deployed.folder / "told.json").read_text())
    assert told["artifacts"]["onnx_model"].startswith(f"{deployed.bucket}/models/artifacts/tiny/onnx_model/")
    home = deployed.folder / "home"
    assert {path.name for path in home.iterdir()} <= LOCAL
    assert not list(home.rglob("*.db"))
    assert deployed.count("runs") == 1 and deployed.count("mlflow.model_versions") == 1


def test_no_password_is_told(deployed: Deployed) -> None:
    assert not any(secret in deployed.output for secret in SECRETS)


def test_another_machine_answers_from_what_the_first_has_made(deployed: Deployed) -> None:
    arguments = "predict", "tiny.yaml", "unlabelled.csv", "-o", "answers.csv", "--home", "elsewhere"
    done = deployed.automl(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [(deployed.folder / name).read_text().count("\n") for name in ("answers.csv", "unlabelled.csv")]
    assert lines[0] == lines[1]


def test_without_the_key_of_the_installation_no_model_is_unpickled(deployed: Deployed) -> None:
    done = deployed.automl("test", "tiny.yaml", "ensemble", "tiny.csv", "--home", "elsewhere", AUTOML_KEY="0a" * 32)
    assert done.returncode == 1
    assert "was not written by this installation" in " ".join(done.stderr.replace("│", " ").split())


def test_mlflow_serves_the_model_from_the_object_store(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.pyfunc
    import pandas as pd

    from automl_assets.resources.tracker import CHAMPION, Tracker

    monkeypatch.setenv("AUTOML_DATABASE", deployed.database)
    monkeypatch.setenv("DAGSTER_HOME", str(deployed.folder / "home"))
    source = Tracker()._client().get_model_version_by_alias("tiny", CHAMPION).source
    assert source.startswith(f"{deployed.bucket}/models/mlflow_artifacts/tiny/")
    assert len(mlflow.pyfunc.load_model(source).predict(pd.read_csv(deployed.folder / "unlabelled.csv"))) == 12
