"""Who may import whom: down only, parts never their siblings, Dagster at the edge, heavy packages when needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from automl_assets import registry
from automl_assets.families import packages

ROOT = Path(__file__).parents[2]
PACKAGE = "automl_assets"
FOLDERS = ("automl_assets", "resources", "sensors")  # the last two are installed below the first

# From top to bottom; `*` stands for a family. A module may import those of its own line and of the lines below it.
LAYERS = (
    ("cli",),
    ("*.family", "*.result"),
    ("row_family",),
    ("api",),
    ("definitions", "defs"),
    ("component", "experiments"),
    ("*.sensors",),
    ("sensors",),
    ("*.assets",),
    ("assets",),
    ("*.serving",),
    ("resources",),
    ("serving",),
    ("execution.preload", "*.preload"),
    ("*.steps",),
    ("steps",),
    ("*.settings", "training_code"),
    ("experiment",),
    ("*.algorithms", "*.tasks"),
    ("*.pictures", "*.features", "*.models", "features"),
    ("*.forecaster",),
    ("*.hierarchy", "*.metrics", "*.partition_keys", "*.pooling", "*.records"),
    ("learning",),
    ("encoders", "backbones"),
    ("execution",),
    ("explanation", "pictures", "data", "onnx"),
    ("answer_kinds",),
    ("metrics",),
    ("tagging",),
    ("registry",),
    ("families", "parts", "records", "model_records", "experiment.lag_settings", "experiment.featurizer_options"),
    ("data.schema", "data.column_schema", "data.learn_column", "data.read_column", "data.dates"),
    ("weights",),
    ("boxes",),
    ("stored",),
    ("former_names", "errors"),
    ("masking", "telemetry"),
)
PARTS = ("algorithms", "annotations", "sources", "labels", "tasks")
KNOW_DAGSTER = ("definitions", "component", "assets", "sensors", "resources", "api", "cli")
HEAVY = (
    *("torch", "transformers", "sklearn", "xgboost", "lightgbm", "catboost", "pmdarima"),
    *("statsforecast", "prophet", "holidays"),
    *("mlflow", "matplotlib", "onnx", "onnxruntime"),
    *("dask", "distributed", "celery", "kubernetes", "dagster_postgres", "s3fs", "boto3"),
)


def _module(file: Path) -> str:
    """The name a file is imported by."""
    names = list(file.relative_to(ROOT).with_suffix("").parts)
    names = names if names[0] == PACKAGE else [PACKAGE, *names]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


FILES = {_module(file): file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))}
MODULES = [name for name in FILES if name != PACKAGE]  # the package itself imports lazily, by name


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Everything a module imports, wherever in its text, as full names."""
    return tuple(_imported(ast.parse(FILES[module].read_text("utf-8")), module))


def _imported(tree: ast.AST, module: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}: a relative import hides who is imported"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (name if name in FILES else node.module for name in full)


def _rooms(module: str) -> list[str]:
    """The names below the package, the family's own as `*`."""
    first, *others = module.split(".")[1:]
    return ["*" if first in packages() else first, *others]


def _layer(module: str) -> int:
    """The line of LAYERS that names the module most closely."""
    rooms = _rooms(module)
    for n_names in range(len(rooms), 0, -1):
        found = [line for line, names in enumerate(LAYERS) if ".".join(rooms[:n_names]) in names]
        if found:
            return found[0]
    return 0 if rooms == ["*"] else pytest.fail(f"{module} is on no line of LAYERS")


def _ours() -> Iterator[tuple[str, str]]:
    """Every import of one of our modules by another."""
    for module in MODULES:
        for name in _imports(module):
            if name in FILES and name != PACKAGE:
                yield module, name


def test_imports_point_down() -> None:
    climbing = [f"{module} imports {name}" for module, name in _ours() if _layer(name) < _layer(module)]
    assert climbing == []


def test_families_never_import_each_other_nor_are_imported_by_others() -> None:
    def family(module: str) -> str | None:
        first = module.split(".")[1]
        return first if first in packages() else None

    entered = [f"{module} imports {name}" for module, name in _ours() if family(name) not in (None, family(module))]
    assert entered == []


def test_parts_never_import_siblings() -> None:
    def room(module: str) -> str | None:
        return next((name for name in _rooms(module) if name in PARTS), None)

    siblings = [
        f"{module} imports {name}"
        for module, name in _ours()
        if room(module) and room(module) == room(name) and name.rpartition(".")[0] == module.rpartition(".")[0]
    ]
    assert siblings == []


NAMED_ELSEWHERE = {
    "automl_assets.experiment.row_settings": "`forecasting` is a key of the YAML, which means nothing to single rows",
    "automl_assets.weights.known": "an extra of the package is called as the family that wants it",
    "automl_assets.forecasting.algorithms.regression": "takes the algorithms of tables as they are, by the registry",
}


ALSO_A_KIND = {"text"}  # of column, and of what stands in one


def test_no_code_asks_which_family_an_experiment_is_of() -> None:
    """A family's name stands in its own package alone, as that of an algorithm does in its own file."""
    named = [
        f"{module}:{node.lineno} {node.value!r}"
        for module, file in FILES.items()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in {*packages(), *registry.tasks()} - ALSO_A_KIND
        if module.split(".")[1:2] != [_family_of(str(node.value))]
        if module not in NAMED_ELSEWHERE and ".algorithms." not in module  # an algorithm names the tasks it can answer
    ]
    assert named == []


def _family_of(name: str) -> str:
    return registry.tasks()[name].family if name in registry.tasks() else name


def test_dagster_stays_at_the_edge() -> None:
    inside = {module for module in MODULES for name in _imports(module) if name.split(".")[0].startswith("dagster")}
    assert [module for module in inside if not set(_rooms(module)[:2]) & {*KNOW_DAGSTER, "result"}] == []


def _loaded_by(code: str) -> list[str]:
    shown = f"import sys\n{code}\nprint(*sorted(set({HEAVY}) & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", shown], cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def test_definitions_load_no_heavy_package() -> None:
    """Every step process pays for what `definitions` loads."""
    assert _loaded_by("import automl_assets.definitions\nautoml_assets.definitions.defs()") == []


def test_command_line_loads_no_heavy_package() -> None:
    assert _loaded_by("import automl_assets.cli.app") == []


def test_a_heavy_import_would_be_seen() -> None:
    assert "onnx" in _loaded_by("import onnx")
