"""Dagster's own launcher of run processes, with a health check: is the process of a run still there?

Without it a power cut leaves runs STARTED for ever, holding their place in the queue.
"""

import os
import re
from pathlib import Path
from typing import Any, Self

from dagster import DagsterRun
from dagster._core.events import DagsterEventType
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClassData

PROCESS_NUMBER = re.compile(r"\(pid: (\d+)\)")


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as Dagster does by default, and tells when their process has gone."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: dict[str, Any]) -> Self:
        return cls(inst_data=inst_data, **config_value)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        events = self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
        found = [match for event in events if (match := PROCESS_NUMBER.search(event.message or ""))]
        if not found:
            return CheckRunHealthResult(WorkerStatus.RUNNING)  # not started yet: the start timeout watches that
        process = int(found[-1].group(1))
        if is_alive(process):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {process} is gone")


def is_alive(process: int) -> bool:
    """Whether a Python process of that number runs here (numbers are used again after a restart)."""
    if Path("/proc/self").exists():
        try:
            return b"python" in Path(f"/proc/{process}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
