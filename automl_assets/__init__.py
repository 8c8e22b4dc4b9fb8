"""AutoML that lives in Dagster. `run` answers one experiment from Python; the rest is reached through Dagster.

Names are loaded when first used: a process that only fits models must not pay for loading Dagster.
"""

import importlib
from typing import Any

from automl_assets.telemetry import stay_silent

_HOMES = {
    "Experiment": "automl_assets.component",
    "ExperimentFolder": "automl_assets.component",
    "Result": "automl_assets.api.table_result",
    "run": "automl_assets.api.run",
}

stay_silent()  # before any other import: libraries look when they are loaded

__all__ = ["Experiment", "ExperimentFolder", "Result", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
