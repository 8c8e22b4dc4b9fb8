"""Homes with databases: Dagster's and MLflow's are made once and copied, since making them takes seconds each time."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVICES = "AUTOML_DATABASE", "AUTOML_ARTIFACTS"  # environment variables of tests that keep parts elsewhere


@pytest.fixture(scope="session")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with Dagster's databases, to be copied."""
    from automl_assets.resources.home import open_instance, prepare

    folder = tmp_path_factory.mktemp("dagster") / "home"
    with _in_use(folder):
        prepare()
        open_instance().dispose()
    return folder


@pytest.fixture(scope="session")
def mlflow_home(dagster_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with MLflow's as well."""
    from automl_assets.resources.tracker import Tracker

    folder = shutil.copytree(dagster_home, tmp_path_factory.mktemp("mlflow") / "home")
    with _in_use(folder):
        Tracker()._client().search_experiments()
    return folder


@pytest.fixture(scope="session")
def new_home(mlflow_home: Path) -> Callable[[Path], Path]:
    """`new_home(folder)` puts a home there in which a whole experiment can run at once."""
    return lambda folder: shutil.copytree(mlflow_home, folder, dirs_exist_ok=True)


@pytest.fixture
def home(dagster_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is ready for Dagster, for one test."""
    folder = shutil.copytree(dagster_home, tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


@pytest.fixture
def bare_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose databases are still to be made."""
    from automl_assets.resources.home import prepare

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return prepare()


@contextmanager
def _in_use(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        for name in SERVICES:
            patch.delenv(name, raising=False)
        yield


__all__ = ["bare_home", "dagster_home", "home", "mlflow_home", "new_home"]
