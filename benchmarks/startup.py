"""CPU seconds until a process can begin: the command line, the process of a run, a code server, and Dagster by itself.

Each in a process of its own, least of the repeats, with so many experiments (half tables, half series) beside the shipped
ones. `plain Dagster` is a code server of as many assets and jobs that do nothing: what no definitions can go below.

python benchmarks/startup.py [experiments] [repeats]
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

AUTOML = str(Path(sys.executable).parent / "automl")
N_ASSETS = 31  # of an experiment, about
SERVE = """
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import LoadedRepositories
from dagster._core.remote_representation.external_data import RepositorySnap
{definitions}
loaded = LoadedRepositories(LoadableTargetOrigin({target}), None, [], None)
for repository in loaded.definitions_by_name.values():
    RepositorySnap.from_def(repository)
"""
RUN = """
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.reconstruct import ReconstructableRepository
repository = ReconstructableRepository(ModuleCodePointer("automl_assets.definitions", "defs"))
repository.get_reconstructable_job("breast_cancer").get_definition()
"""
PLAIN = """
import dagster as dg
def asset(i, j):
    @dg.asset(name=f"asset_{{j}}", key_prefix=[f"job_{{i}}"], deps=[[f"job_{{i}}", f"asset_{{j - 1}}"]] if j else [])
    def made() -> None: ...
    return made
def job(i): return dg.define_asset_job(f"job_{{i}}", dg.AssetSelection.key_prefixes(f"job_{{i}}"))
defs = dg.Definitions([asset(i, j) for i in range({n}) for j in range({n_assets})], jobs=[job(i) for i in range({n})])
"""


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder:
        _write_experiments(Path(folder), n)
        plain = Path(folder) / "plain.py"
        plain.write_text(PLAIN.format(n=n, n_assets=N_ASSETS))
        commands = {
            "import dagster": [sys.executable, "-c", "import dagster"],
            "automl --help": [AUTOML, "--help"],
            "automl list": [AUTOML, "list"],
            "the process of a run": [sys.executable, "-c", RUN],
            "code server": _serve("import automl_assets.definitions", 'module_name="automl_assets.definitions"'),
            "code server, plain Dagster": _serve("", f'python_file="{plain}"'),
        }
        print(f"| {n} experiments | CPU s |\n|---|---|")
        for name, command in commands.items():
            print(f"| {name} | {min(_seconds(command, folder) for _ in range(repeats)):.1f} |", flush=True)


def _serve(definitions: str, target: str) -> list[str]:
    return [sys.executable, "-c", SERVE.format(definitions=definitions, target=target)]


def _write_experiments(folder: Path, n: int) -> None:
    for i in range(n):
        series = "{task: forecasting, source: series.csv, target: y, time_column: day, forecasting: {horizon: 7}}"
        table = "{task: classification, source: table.csv, target: y}"
        (folder / f"experiment_{i:03d}.yaml").write_text(series if i % 2 else table)


def _seconds(command: list[str], folder: str) -> float:
    """Of the process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"AUTOML_EXPERIMENTS": folder, "DAGSTER_HOME": folder}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
