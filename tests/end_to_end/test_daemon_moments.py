"""Dagster's real daemon killed between noticing a change and having its run in the queue: the change is not lost.

The sensor asks once and settles its cursor with the same tick; what Dagster keeps of that tick, and when, is told by what
the next daemon makes of it. No run begins here: it has arrived once it is in the queue.
"""

from collections.abc import Iterator
from signal import SIGKILL

import pytest
from dagster._core.events import JobFailureData, RunFailureReason

from automl_assets.sensors.run_requests import BECAUSE
from tests.daemons import EVENTUALLY, Machine, look_without_pause, machine_in
from tests.processes import until

pytestmark = pytest.mark.slow

YAML = """\
task: classification
source: ../rows.csv
target: y
algorithms: [logistic_regression]
retrain: {on_new_data: true, debounce_seconds: 0}
"""
MOMENTS = {  # in the order in which they come, and the runs there are then
    "RUN_IDS_RESERVED": [],
    "RUN_CREATED": ["NOT_STARTED"],
    "RUN_LAUNCHED": ["QUEUED"],
    "TICK_WRITTEN": ["QUEUED"],
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    home = tmp_path_factory.mktemp("machine")
    look_without_pause(home)
    (home / "experiments").mkdir()
    (home / "experiments" / "watched.yaml").write_text(YAML)
    with machine_in(home, most_runs=0) as found:
        yield found


def change(machine: Machine, number: int) -> None:
    file = machine.home / "rows.csv"
    file.with_suffix(".new").write_text(f"x,y\n{number},a\n2,b\n")
    file.with_suffix(".new").replace(file)


def killed_at(machine: Machine, moment: str) -> None:
    """Starts a daemon and waits until it has come to that moment."""
    machine.start(killed_at=moment)
    assert machine.daemon is not None
    assert machine.daemon.wait(EVENTUALLY) == -SIGKILL, (machine.home / "daemon.log").read_text()[-3000:]


def statuses(machine: Machine) -> list[str]:
    return [run.status.value for run in machine.instance.get_runs()]


@pytest.mark.long
def test_killed_at_every_moment_in_turn_it_submits_one_run(machine: Machine) -> None:
    """The last of them has the sensor ask again, under a key that Dagster knows, once the run has ended."""
    change(machine, 1)
    for moment, there in MOMENTS.items():
        killed_at(machine, moment)
        assert (statuses(machine), machine.is_settled("watched")) == (there, False), moment
    (run,) = machine.instance.get_runs()
    machine.instance.report_run_canceled(run)
    machine.start()
    until(lambda: machine.is_settled("watched"), EVENTUALLY)
    machine.kill_daemon()
    assert statuses(machine) == ["CANCELED"]


def test_a_run_that_is_given_up_before_it_is_submitted_is_begun_again(machine: Machine) -> None:
    """With the daemon down for minutes, monitoring gives up a run before the sensor that asked for it comes to it."""
    before = machine.instance.get_runs()
    change(machine, 2)
    killed_at(machine, "RUN_CREATED")
    (given_up,) = [run for run in machine.instance.get_runs() if run.run_id not in {one.run_id for one in before}]
    late = JobFailureData(error=None, failure_reason=RunFailureReason.START_TIMEOUT)
    machine.instance.report_run_failed(given_up, "as run monitoring does", late)
    machine.start()
    again = machine.run(machine.retry_of(given_up.run_id))
    until(lambda: machine.is_settled("watched") and machine.run(again.run_id).status.value == "QUEUED", EVENTUALLY)
    machine.kill_daemon()
    assert again.tags[BECAUSE] == given_up.tags[BECAUSE]
    assert given_up.tags[BECAUSE] not in {run.tags[BECAUSE] for run in before}
    assert sorted(statuses(machine)) == [*["CANCELED"] * len(before), "FAILURE", "QUEUED"]
