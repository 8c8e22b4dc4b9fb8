"""Child processes find the libraries that their algorithms need, and no others."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

from automl_assets import registry
from automl_assets.execution.processes import Job, run_jobs, wait_until_warm
from automl_assets.experiment.experiment import parse
from automl_assets.families import families

LARGE = {"torch", "lightgbm", "xgboost", "catboost", "interpret", "statsforecast", "pmdarima", "prophet"}


def _preload(*algorithms: str) -> set[str]:
    asked = {"task": "classification", "source": "rows.csv", "target": "y", "algorithms": list(algorithms)}
    return {module.partition(".")[0] for module in parse(asked, "asked").preload}


def test_a_run_loads_the_libraries_of_its_algorithms_alone() -> None:
    assert not _preload("logistic_regression", "random_forest") & LARGE
    assert _preload("mlp", "lightgbm") & LARGE == {"torch", "lightgbm"}


@pytest.mark.parametrize("family", [family.name for family in families()])
def test_what_fits_import_is_preloaded(family: str) -> None:
    """Every child would load it again, else: torch takes three seconds."""
    for module in map(importlib.import_module, registry.algorithm_modules(family)):
        parts = getattr(module, "PARTS", None) or (module.PART,)
        known = {name.partition(".")[0] for part in parts for name in part.preload}
        assert _imported(Path(module.__file__ or "")) & LARGE <= known, module.__name__


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
    return {name.partition(".")[0] for name in names}


def test_a_child_finds_its_family_without_loading_more() -> None:
    """A third of a second at every fit, else."""
    wait_until_warm(*registry.family_modules("tabular"))
    (outcome,) = run_jobs([Job("found", _loaded_for, ("tabular",), float("inf"))], 1)
    assert outcome.value == set()


def _loaded_for(family: str) -> set[str]:
    before = set(sys.modules)
    assert registry.family_of("classification").steps.fit_fold and registry.algorithms(family)
    return set(sys.modules) - before
