"""Runs experiments through the command line and reads what came of them; shared by the benchmarks beside it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

SAMPLED_SECONDS = 1.0
AUTOML = str(Path(sys.executable).parent / "automl")

# Folder under AUTOML_DATA/tabular -> what its meta.json (or Azure's own example) asks for.
TABULAR: dict[str, dict[str, Any]] = {
    "bank_marketing": {"target": "y", "metric": "AUC_weighted"},
    "adult": {"target": "income", "metric": "AUC_weighted"},
    "telco_churn": {"target": "Churn", "metric": "AUC_weighted"},
    "credit_g": {"target": "class", "metric": "AUC_weighted"},
    "car": {"target": "class", "metric": "log_loss"},
    "segment": {"target": "class", "metric": "log_loss"},
    "california_housing": {"target": "median_house_value", "metric": "root_mean_squared_error"},
    "abalone": {"target": "rings", "metric": "root_mean_squared_error"},
    "ames_housing": {"target": "price", "metric": "root_mean_squared_log_error"},
    "employee_salaries": {"target": "current_annual_salary", "metric": "r2_score"},
    "hardware_machine": {"target": "ERP", "metric": "r2_score", "test": 0.2},
}
REGRESSIONS = {"california_housing", "abalone", "ames_housing", "employee_salaries", "hardware_machine"}


def experiment(name: str, **more: Any) -> dict[str, Any]:
    """The settings of an experiment on one of the data sets, with its own test file."""
    folder = Path(os.environ["AUTOML_DATA"]).resolve() / "tabular" / name
    task = "regression" if name in REGRESSIONS else "classification"
    files = {part: next(iter(folder.glob(f"{part}.csv*")), None) for part in ("train", "test")}
    settings = {"task": task, "source": str(files["train"]), **TABULAR[name], **more}
    return settings if files["test"] is None else {**settings, "test": str(files["test"])}


def run(
    name: str, settings: dict[str, Any], minutes: float, home: str, surroundings: dict[str, str] | None = None
) -> dict[str, Any]:
    """One run by the command line in a process of its own, with more environment variables: its JSON, with
    `wall_seconds` of the whole command and `peak_megabytes` of all its processes together."""
    with tempfile.TemporaryDirectory() as folder:
        file, answer = Path(folder) / f"{name}.yaml", Path(folder) / "result.json"
        file.write_text(yaml.safe_dump(settings))
        command = [AUTOML, "run", str(file), "--timeout-minutes", str(minutes), "--home", home, "--json", str(answer)]
        started, peak = time.monotonic(), 0
        environment = os.environ | {"AUTOML_EXECUTOR": "in_process"} | (surroundings or {})
        with (Path(folder) / "log").open("w+") as log:
            child = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
            while child.poll() is None:
                peak = max(peak, _kilobytes(child.pid))
                time.sleep(SAMPLED_SECONDS)
            seconds = time.monotonic() - started
            if child.returncode:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)}\n{log.read()[-4000:]}")
        return {**json.loads(answer.read_text()), "wall_seconds": seconds, "peak_megabytes": peak / 1000}


def _kilobytes(session: int) -> int:
    """Memory of all processes of a session; what several share counts once."""
    return sum(_own_kilobytes(process) for process in Path("/proc").glob("[0-9]*") if _session(process) == session)


def _session(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:  # it has ended meanwhile
        return None


def _own_kilobytes(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def learning_seconds(result: dict[str, Any]) -> float:
    """Seconds in which candidates learnt."""
    return sum(s for asset, s in result["seconds_per_asset"].items() if asset.startswith("candidate_"))
