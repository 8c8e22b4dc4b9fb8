"""The bank marketing story with everything real: train, drop a file with new rows, let the daemon see it and train again.

Prints both models' scores on the same test rows, which of them answers and why, and the seconds from the file to that.

python benchmarks/retraining.py [minutes]
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from runs import AUTOML, TABULAR

MINUTES = 5.0
LOOK_SECONDS = 1.0
NAME = "bank"
DATA = Path(os.environ["AUTOML_DATA"]).resolve() / "tabular" / "bank_marketing"


def main() -> None:
    minutes = float(sys.argv[1]) if sys.argv[1:] else MINUTES
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAGSTER_HOME"] = home = str(Path(folder) / "home")
        rows = Path(folder) / "rows"
        rows.mkdir()
        shutil.copy(DATA / "train.csv", rows)
        _write(Path(home) / "experiments" / f"{NAME}.yaml", rows, minutes)
        subprocess.run([AUTOML, "run", NAME, "--home", home], check=True, capture_output=True)
        first = _registered()
        with _daemon(home) as daemon:
            _until_looked(daemon)
            shutil.copy(DATA / "retrain.csv", rows)
            dropped = time.time()
            run = _run_started_by_sensor(daemon)
        _print(first, _registered(), run, dropped)


def _write(file: Path, rows: Path, minutes: float) -> None:
    settings = {
        "task": "classification",
        "source": f"{rows}/*.csv",
        "test": str(DATA / "test.csv"),
        **TABULAR["bank_marketing"],
        "limits": {"timeout_minutes": minutes},
        "retrain": {"on_new_data": True, "debounce_seconds": 0},
    }
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(settings))


@contextmanager
def _daemon(home: str) -> Iterator[subprocess.Popen]:
    """What `automl ui` starts, the sensors' daemon among it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with (Path(home) / "ui.log").open("w") as log:
        child = subprocess.Popen([AUTOML, "ui", "--home", home, "--port", port], stdout=log, stderr=log)
        try:
            yield child
        finally:
            child.terminate()
            child.wait()


def _rest(daemon: subprocess.Popen) -> None:
    """Waits a moment. Raises RuntimeError where there is nothing left to wait for."""
    if daemon.poll() is not None:
        raise RuntimeError(f"the daemon has ended with {daemon.returncode}; see ui.log in the home")
    time.sleep(LOOK_SECONDS)


def _until_looked(daemon: subprocess.Popen) -> None:
    """Until the sensor has seen the source as it was learnt."""
    with dg.DagsterInstance.get() as instance:
        while not any(state.instigator_data.cursor for state in instance.all_instigator_state() if _looks(state)):
            _rest(daemon)


def _looks(state: Any) -> bool:
    return state.instigator_name == f"{NAME}__new_data" and state.instigator_data is not None


def _run_started_by_sensor(daemon: subprocess.Popen) -> dg.RunRecord:
    with dg.DagsterInstance.get() as instance:
        while True:
            records = instance.get_run_records(dg.RunsFilter(tags={"dagster/sensor_name": f"{NAME}__new_data"}))
            if records and records[0].dagster_run.is_finished:
                return records[0]
            _rest(daemon)


def _registered() -> Any:
    from automl_assets.resources.store import RecordStore

    return RecordStore().load(NAME, "registered_model")


def _print(first: Any, second: Any, run: dg.RunRecord, dropped: float) -> None:
    found = second.comparison
    print(
        f"run {run.dagster_run.status.value}; asked for {run.create_timestamp.timestamp() - dropped:.0f} s after the file"
    )
    print(f"{(run.end_time or 0) - dropped:.0f} s from the file to the model that answers")
    print(
        f"champion {found.champion_score:.5f}, challenger {found.challenger_score:.5f} on {found.n_rows} rows: {second.reason}"
    )
    print(f"promoted: {second.is_champion} (version {second.version} after {first.version})")


if __name__ == "__main__":
    main()
