"""Changes of a source that the sensor `new_data` sees, in a real `dagster-daemon`, while that is killed.

The daemon asks the sensor over gRPC, without a pause between two ticks. The source changes at every tenth tick at the
earliest and when no run is under way, every tenth time back to what it was before; five times the daemon is killed (-9)
at a random moment after a change and another one takes over. Runs are launched by a launcher that ends them at once, so
that ticks alone are measured. Bar: every change one run that succeeds, none lost, none doubled.

python benchmarks/ticks.py [changes] [kills]
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
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._serdes import ConfigurableClass

TICKS_PER_CHANGE = 10
MEMORY = "/dev/shm"  # ticks are measured, not the disk
FOLDER = "TICKS_FOLDER"  # environment variable: where the experiment and its home lie
BECAUSE = "new data "
SENSOR, TICK = "watched__new_data", "tick\n"
UNDER_WAY = [status for status in dg.DagsterRunStatus if status not in FINISHED_STATUSES]
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
event_log_storage: {module: automl_assets.resources.sqlite_storage, class: SteadyEventLog}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
run_monitoring: {enabled: true, start_timeout_seconds: 2, poll_interval_seconds: 1}
run_retries: {enabled: true, max_retries: 2}
"""
WORKSPACE = f"""\
load_from:
  - python_file: {{relative_path: {__file__}, attribute: definitions, location_name: automl}}
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
    from automl_assets.sensors import new_data, poll_source

    poll_source.REST_SECONDS, new_data.INTERVAL_SECONDS = 0, -1  # Dagster takes 0 for its own 30
    return dg.Definitions.merge(definitions_of(_experiment()), shared())


def _experiment() -> Any:
    from automl_assets.experiment.experiment import load

    return load(Path(os.environ[FOLDER]) / "watched.yaml")


def daemon() -> None:
    """Dagster's own, which tells of every tick of the sensor that has ended."""
    from dagster._daemon import sensor
    from dagster._daemon.cli import cli

    write_state = dg.DagsterInstance.update_instigator_state

    def told(instance: dg.DagsterInstance, state: Any) -> Any:
        written = write_state(instance, state)
        if state.instigator_name == SENSOR and state.instigator_data.last_tick_success_timestamp:
            print(TICK, end="", flush=True)
        return written

    dg.DagsterInstance.update_instigator_state = told  # type: ignore[method-assign,assignment]
    sensor.MIN_INTERVAL_LOOP_TIME = 0
    cli(["run", "-w", str(Path(os.environ[FOLDER]) / "workspace.yaml")])


class Killable:
    """A daemon process, and the next one after it was killed."""

    def __init__(self) -> None:
        self.process, self.n_ticks = self._start(), 0

    def _start(self) -> subprocess.Popen[str]:
        log = (Path(os.environ[FOLDER]) / "daemon.log").open("a")
        return subprocess.Popen([sys.executable, __file__, "daemon"], stdout=subprocess.PIPE, stderr=log, text=True)

    def tick(self) -> None:
        """Waits for the next one; raises RuntimeError where the daemon ended by itself."""
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()) != TICK:
            if not line:
                raise RuntimeError((Path(os.environ[FOLDER]) / "daemon.log").read_text()[-3000:])
        self.n_ticks += 1

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def kill(self) -> None:
        self.end()
        self.process = self._start()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").write_text(HOME)
        (folder / "workspace.yaml").write_text(WORKSPACE)
        (folder / "watched.yaml").write_text(EXPERIMENT)
        paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ |= {FOLDER: name, "DAGSTER_HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(paths)}
        os.environ["DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS"] = "1"  # in which it begins runs again
        yield folder


def _change(file: Path, number: int) -> str:
    """Writes other rows, as careful people do: in one step. Returns their fingerprint."""
    from automl_assets.steps.read_source import fingerprint

    content = number - 2 if number % 10 == 9 else number
    file.with_suffix(".new").write_text(f"x,y\n{content},a\n2,b\n")
    file.with_suffix(".new").replace(file)
    return fingerprint(_experiment())


def _watched(folder: Path, instance: dg.DagsterInstance, n_changes: int, n_kills: int) -> tuple[Counter[str], int]:
    """Lets the daemon tick and the source change. Returns how often each content came, and how many ticks there were."""
    chance, changes = random.Random(0), Counter[str]()
    killed_after = set(chance.sample(range(n_changes), n_kills))
    watched = Killable()
    for number in range(n_changes):
        changes[_change(folder / "rows.csv", number)] += 1
        watched.tick()
        if number in killed_after:
            time.sleep(chance.uniform(0, 0.5))
            watched.kill()
        for _ in range(TICKS_PER_CHANGE - 1):
            watched.tick()
        while instance.get_runs_count(dg.RunsFilter(statuses=UNDER_WAY)):
            watched.tick()
    watched.end()
    return changes, watched.n_ticks


def main() -> None:
    n_changes, n_kills = (int(text) for text in (*sys.argv[1:], "100", "5")[:2])
    with _folder() as folder, dg.DagsterInstance.get() as instance:
        started = time.perf_counter()
        changes, n_ticks = _watched(folder, instance, n_changes, n_kills)
        seconds = time.perf_counter() - started
        ended = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    runs = Counter(run.tags["automl/because"].removeprefix(BECAUSE) for run in ended)
    lost, doubled = (changes - runs).total(), (runs - changes).total()
    print(
        "| ticks | changes | kills | seen | lost | doubled | s per tick, restarts included |\n|---|---|---|---|---|---|---|"
    )
    seen = changes.total() - lost
    print(f"| {n_ticks} | {changes.total()} | {n_kills} | {seen} | {lost} | {doubled} | {seconds / n_ticks:.2f} |")


if __name__ == "__main__":
    daemon() if sys.argv[1:] == ["daemon"] else main()
