"""Who waits for a process to begin waits for no more than it needs. `benchmarks/startup.py` prints the seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.test_imports import ROOT

N_EXPERIMENTS = 100
HELP = "import sys; sys.argv = ['automl', '--help']; from automl_assets.cli.app import main"
LIST = "import sys; sys.argv = ['automl', 'list']; from automl_assets.cli.app import main"
ENDED = """
try:
    main()
except SystemExit:
    pass
print('LOADED', *sys.modules)
"""
JOB = """
import sys, time
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
import automl_assets.definitions
from automl_assets import component

built, whole = [], component.definitions_of
component.definitions_of = lambda experiment: built.append(experiment.name) or whole(experiment)
repository = ReconstructableRepository(ModuleCodePointer("automl_assets.definitions", "defs"))
begun = time.process_time()
job = repository.get_reconstructable_job("series_07").get_definition()
print("BUILT", *built)
print("SECONDS", time.process_time() - begun)
"""
SERVER = """
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import LoadedRepositories
from automl_assets import component

built, whole = [], component.definitions_of
component.definitions_of = lambda experiment: built.append(experiment.name) or whole(experiment)
loaded = LoadedRepositories(LoadableTargetOrigin(module_name="automl_assets.definitions"), None, [], None)
(repository,) = loaded.definitions_by_name.values()
print("BUILT", *built)
print("JOBS", *repository.job_names)
print("METADATA", *repository.metadata)

from automl_assets.definitions import OnDemand
one = OnDemand()
jobs = "breast_cancer", "us_macro", "__ASSET_JOB"
print("SAME", *(one.get_job(name).get_job_snapshot_id() == repository.get_job(name).get_job_snapshot_id() for name in jobs))
"""


def told(code: str, home: Path, **settings: str) -> dict[str, list[str]]:
    """What a process of its own prints, by the first word of each line."""
    environment = os.environ | {"DAGSTER_HOME": str(home)} | settings
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}


def packages(told: dict[str, list[str]]) -> set[str]:
    return {name.partition(".")[0] for name in told["LOADED"]}


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments on small tables and series, half of each."""
    folder = tmp_path_factory.mktemp("hundred")
    for i in range(N_EXPERIMENTS // 2):
        (folder / f"table_{i:02d}.yaml").write_text("{task: classification, source: table.csv, target: y}")
        series = "{task: forecasting, source: series.csv, target: y, time_column: day, forecasting: {horizon: 7}}"
        (folder / f"series_{i:02d}.yaml").write_text(series)
    return folder


def test_help_loads_nothing_of_what_it_tells_about(tmp_path: Path) -> None:
    loaded = told(HELP + ENDED, tmp_path)
    assert not packages(loaded) & {"dagster", "numpy", "polars", "pydantic", "yaml", "sqlalchemy", "mlflow"}
    ours = {name for name in loaded["LOADED"] if name.startswith("automl_assets.") and ".cli" not in name}
    assert ours == {"automl_assets.errors", "automl_assets.masking", "automl_assets.telemetry"}


def test_the_experiments_are_listed_without_dagster(tmp_path: Path) -> None:
    answer = told(LIST + ENDED, tmp_path)
    assert answer["breast_cancer"][0] == "classification"
    assert not packages(answer) & {"dagster", "sqlalchemy", "mlflow", "sklearn", "torch", "pandas"}


def test_a_run_builds_its_own_experiment_alone(hundred: Path, tmp_path: Path) -> None:
    answer = told(JOB, tmp_path, AUTOML_EXPERIMENTS=str(hundred))
    assert answer["BUILT"] == ["series_07"]
    assert float(answer["SECONDS"][0]) < 9  # three times what it may take where nothing else runs


def test_a_code_server_builds_each_experiment_once(tmp_path: Path) -> None:
    answer = told(SERVER, tmp_path)
    assert sorted(answer["BUILT"]) == sorted({*answer["JOBS"]} - {"__ASSET_JOB"})
    assert answer["METADATA"], "what Dagster tells about components got lost"
    assert answer["SAME"] == ["True"] * 3, "a job built alone is another than among all"


def test_what_every_child_needs_is_no_library_of_some(tmp_path: Path) -> None:
    loaded = packages(told("import sys, automl_assets.execution.preload\nprint('LOADED', *sys.modules)", tmp_path))
    assert "sklearn" in loaded
    assert not loaded & {"torch", "lightgbm", "xgboost", "catboost", "statsforecast", "numba", "matplotlib"}
