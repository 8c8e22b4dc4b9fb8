"""Changes of a source that the sensor `new_data` sees, through the daemon's own code, while the daemon is killed.

A daemon process ticks without pause; its source changes at every tenth tick, every tenth time back to what it was
before; five times it is killed (-9) at a random moment after a change and another one takes over. Runs are launched by
a launcher that ends them at once, so that ticks alone are measured. Bar: every change one run, none lost, none doubled.

python benchmarks/ticks.py [ticks] [kills]
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._serdes import ConfigurableClass

TICKS_PER_CHANGE = 10
MEMORY = "/dev/shm"  # ticks are measured, not the disk
FOLDER = "TICKS_FOLDER"  # environment variable: where the experiment and its home lie
BECAUSE = "new data "
EXPERIMENT = """\
task: classification
source: rows.csv
target: y
algorithms: [logistic_regression]
explain: false
onnx: false
report: false
training_code: false
retrain: {on_new_data: true, debounce_seconds: 0}
"""  # as few assets as there can be: nothing is made of them, and each costs an event when a run is asked for
HOME = """\
telemetry: {enabled: false}
run_launcher: {module: ticks, class: EndsAtOnce}
event_log_storage: {module: automl_assets.resources.event_log, class: SteadyEventLog}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""


class EndsAtOnce(RunLauncher, ConfigurableClass):
    """Launches nothing: a run has ended well as soon as it is asked for."""

    def __init__(self, inst_data: Any = None):
        self._inst_data = inst_data
        super().__init__()

    inst_data = property(lambda self: self._inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        self._instance.handle_run_event(run.run_id, dg.DagsterEvent("PIPELINE_SUCCESS", run.job_name))

    def terminate(self, run_id: str) -> bool:
        return False


@dg.definitions
def definitions() -> dg.Definitions:
    """The code location that the daemon loads: the experiment, looked at without a pause between two looks."""
    from automl_assets.component import definitions_of
    from automl_assets.definitions import shared
    from automl_assets.sensors import look, new_data

    look.REST_SECONDS, new_data.INTERVAL_SECONDS = 0, -1  # Dagster takes 0 for its own 30
    return dg.Definitions.merge(definitions_of(_experiment()), shared())


def _experiment() -> Any:
    from automl_assets.experiment import load

    return load(Path(os.environ[FOLDER]) / "watched.yaml")


def daemon() -> None:
    """Ticks until it is killed, and says so after each."""
    import logging

    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
    from dagster._daemon.sensor import execute_sensor_iteration

    from automl_assets.resources.versions import UNDER_WAY

    target = LoadableTargetOrigin(python_file=__file__, attribute="definitions", executable_path=sys.executable)
    location = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(target, location_name="automl"))
    with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, location) as workspace:
        for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):  # as run monitoring does
            instance.report_run_failed(run, "its launcher was killed")
        while True:
            list(execute_sensor_iteration(workspace, logging.getLogger("ticks"), None, None))
            print("tick", flush=True)


class Killable:
    """A daemon process, and the next one after it was killed."""

    def __init__(self) -> None:
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        log = (Path(os.environ[FOLDER]) / "daemon.log").open("a")
        return subprocess.Popen([sys.executable, __file__, "daemon"], stdout=subprocess.PIPE, stderr=log, text=True)

    def tick(self) -> None:
        """Waits for the next one; raises RuntimeError where the daemon ended by itself."""
        if not self.process.stdout or not self.process.stdout.readline():
            raise RuntimeError((Path(os.environ[FOLDER]) / "daemon.log").read_text()[-3000:])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.process = self._start()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").write_text(HOME)
        (folder / "watched.yaml").write_text(EXPERIMENT)
        paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ |= {FOLDER: name, "DAGSTER_HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(paths)}
        yield folder


def _change(file: Path, number: int) -> str:
    """Writes other rows, as careful people do: in one step. Returns their fingerprint."""
    from automl_assets.steps.load import fingerprint

    content = number - 2 if number % 10 == 9 else number
    file.with_suffix(".new").write_text(f"x,y\n{content},a\n2,b\n")
    file.with_suffix(".new").replace(file)
    return fingerprint(_experiment())


def _watched(folder: Path, n_ticks: int, n_kills: int) -> Counter[str]:
    """Lets the daemon tick and the source change. Returns how often each content came."""
    chance, changes = random.Random(0), Counter[str]()
    n_changes = n_ticks // TICKS_PER_CHANGE
    killed_after = set(chance.sample(range(n_changes), n_kills))
    changes[_change(folder / "rows.csv", 0)] += 1
    watched = Killable()
    for number in range(n_changes):
        if number:
            changes[_change(folder / "rows.csv", number)] += 1
        for tick in range(TICKS_PER_CHANGE):
            watched.tick()
            if number in killed_after and tick == 0:
                time.sleep(chance.uniform(0, 0.5))
                watched.kill()
    watched.process.kill()
    watched.process.communicate()
    return changes


def main() -> None:
    n_ticks, n_kills = (int(text) for text in (*sys.argv[1:], "1000", "5")[:2])
    with _folder() as folder:
        started = time.perf_counter()
        changes = _watched(folder, n_ticks, n_kills)
        seconds = time.perf_counter() - started
        with dg.DagsterInstance.get() as instance:
            told = [run.tags["automl/because"] for run in instance.get_runs()]
    runs = Counter(text.removeprefix(BECAUSE) for text in told)
    lost, doubled = (changes - runs).total(), (runs - changes).total()
    print(
        "| ticks | changes | kills | seen | lost | doubled | s per tick, restarts included |\n|---|---|---|---|---|---|---|"
    )
    seen = changes.total() - lost
    print(f"| {n_ticks} | {changes.total()} | {n_kills} | {seen} | {lost} | {doubled} | {seconds / n_ticks:.2f} |")


if __name__ == "__main__":
    daemon() if sys.argv[1:] == ["daemon"] else main()
