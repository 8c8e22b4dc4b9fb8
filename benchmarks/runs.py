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


def run(name: str, settings: dict[str, Any], minutes: float, home: str, executor: str = "in_process") -> dict[str, Any]:
    """One run by the command line in a process of its own: its JSON, with `wall_seconds` of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        file, answer = Path(folder) / f"{name}.yaml", Path(folder) / "result.json"
        file.write_text(yaml.safe_dump(settings))
        command = [AUTOML, "run", str(file), "--timeout-minutes", str(minutes), "--home", home, "--json", str(answer)]
        started = time.monotonic()
        done = subprocess.run(
            command, env={**os.environ, "AUTOML_EXECUTOR": executor}, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - started
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return {**json.loads(answer.read_text()), "wall_seconds": seconds}


def learning_seconds(result: dict[str, Any]) -> float:
    """Seconds in which candidates learnt."""
    return sum(s for asset, s in result["seconds_per_asset"].items() if asset.startswith("candidate_"))
