"""What AUTOML_EXECUTOR chooses, and what candidates are told of it."""

import sys

import pytest

from automl_assets.errors import SettingError
from automl_assets.resources.executors import EXECUTORS, chosen

EXPECTED = {  # for three workers: Dagster's name, how many work side by side, how many of them share a machine
    "in_process": ("in_process", 1, 1),
    "forkserver": ("multiprocess", 3, 3),
    "spawn": ("multiprocess", 3, 3),
    "dask": ("dask", 3, 3),
    "celery": ("celery", 3, 1),
    "k8s": ("k8s", 3, 1),
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTOML_EXECUTOR", "AUTOML_WORKERS", "AUTOML_DASK", "AUTOML_CELERY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_can_be_chosen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    dagsters, n_workers, n_sharing = EXPECTED[name]
    pytest.importorskip({"dask": "dagster_dask", "celery": "dagster_celery", "k8s": "dagster_k8s"}.get(name, "dagster"))
    monkeypatch.setenv("AUTOML_EXECUTOR", name)
    monkeypatch.setenv("AUTOML_WORKERS", "3")
    monkeypatch.setenv("AUTOML_CELERY", "redis://localhost:6379/0")
    workplace = chosen()
    assert workplace.executor.name == dagsters
    assert (workplace.n_workers, workplace.n_sharing) == (n_workers, n_sharing)


def test_workers_of_a_dask_cluster_share_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dagster_dask")
    monkeypatch.setenv("AUTOML_EXECUTOR", "dask")
    monkeypatch.setenv("AUTOML_DASK", "tcp://scheduler:8786")
    assert (chosen().n_workers, chosen().n_sharing) == (2, 1)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"AUTOML_EXECUTOR": "dusk"}, r"got 'dusk'; possible: in_process, .*k8s\. Did you mean \"dask\""),
        ({"AUTOML_WORKERS": "0"}, "AUTOML_WORKERS: got '0'; it is a whole number from 1"),
        ({"AUTOML_WORKERS": "many"}, "AUTOML_WORKERS: got 'many'"),
        ({"AUTOML_EXECUTOR": "celery"}, "celery needs AUTOML_CELERY, the address of Redis, such as redis://"),
    ],
)
def test_what_cannot_be_chosen_is_told(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], complaint: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=complaint):
        chosen()


@pytest.mark.parametrize("name", ["dask", "celery", "k8s"])
def test_a_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, f"dagster_{name}", None)
    monkeypatch.setenv("AUTOML_EXECUTOR", name)
    with pytest.raises(SettingError, match=rf"{name} needs a package that is missing .*'automl-assets\[{name}\]'"):
        chosen()
