"""Dagster's own launcher of run processes, with a health check: is the process of a run still there?

Without it a power cut leaves runs STARTED for ever, holding their place in the queue.
"""

import os
import platform
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DefaultRunLauncher

from automl_assets.resources.dagster_internals import CheckRunHealthResult, ConfigurableClassData, WorkerStatus

PROCESS_NUMBER = re.compile(r"\(pid: (\d+)\)")
ENDED = "ZX"  # states of a process whose parent has not taken note of its end yet
HOST_TAG = "automl/host"  # run tag, of a run that a person began: the machine on which it has its process
CLOCK_SLACK = 2.0  # seconds by which two clocks may differ
_FIRST_SEEN: dict[str, float] = {}  # run without a process -> time.monotonic() when this process first asked for it


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as Dagster does by default, and tells when their process has gone."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        if run.tags.get(HOST_TAG, platform.node()) != platform.node():
            return CheckRunHealthResult(WorkerStatus.RUNNING)  # nobody here sees it: the most it may take watches that
        found = process_of(self._instance, run.run_id)
        if found is None:
            return self._before_its_process(run)
        process, time_seen = found
        if is_alive(process, time_seen):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {process} is gone")

    def _before_its_process(self, run: DagsterRun) -> CheckRunHealthResult:
        """Of a run that has not begun yet, which the start timeout watches; or one that was killed as it began, which is
        waited for since it was first seen so: the clock by which it was written down may have been set."""
        record, most = (
            self._instance.get_run_record_by_id(run.run_id),
            self._instance.run_monitoring_start_timeout_seconds,
        )
        if not (record and record.start_time):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if time.monotonic() - _FIRST_SEEN.setdefault(run.run_id, time.monotonic()) > most:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"no process has told its number within {most} s")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def process_of(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The number of the process that a run has had last, and when that was told (seconds since 1970)."""
    events = instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
    told = [(int(match.group(1)), e.timestamp) for e in events if (match := PROCESS_NUMBER.search(e.message or ""))]
    return told[-1] if told else None


def is_alive(process: int, time_seen: float) -> bool:
    """Whether the process that had this number at `time_seen` (seconds since 1970) still runs here.

    Numbers are used again, after a restart of a container nearly always: a process that began later is another one.
    """
    if sys.platform != "linux":
        return _has_number(process)
    try:
        status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    seconds_after_boot = int(status[19]) / os.sysconf("SC_CLK_TCK")
    began = min(_FIRST_READING, _booted_at()) + seconds_after_boot
    return status[0] not in ENDED and began <= time_seen + CLOCK_SLACK


def _booted_at() -> float:
    """When this machine was started, in seconds since 1970; another moment once its clock has been set."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


_FIRST_READING = _booted_at() if sys.platform == "linux" else 0.0  # of a clock that may be set forward later


def _has_number(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
