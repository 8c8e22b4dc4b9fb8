"""Who may import whom: down only, parts never their siblings, Dagster at the edge, heavy packages when needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "automl_assets"
FOLDERS = ("automl_assets", "resources", "sensors")  # the last two are installed below the first

# From top to bottom. A module may import those of its own line and of the lines below it.
LAYERS = (
    ("cli", "printing", "progress"),
    ("runner", "drafting"),
    ("results",),
    ("definitions", "defs"),
    ("component", "experiments"),
    ("assets", "sensors"),
    ("resources",),
    ("preload", "preload_forecasters"),
    ("steps",),
    ("experiment", "feature_settings", "forecast_settings", "retrain_settings", "frozen"),
    ("tasks", "algorithms", "sources", "labels"),
    ("featurizer_graph", "forests", "lagged_graph", "sight_graph", "margins", "pictures"),
    ("cohorts", "dependence", "groups", "forecast_metrics", "hierarchies", "shapley"),
    ("lookback",),
    ("arma", "innovations", "symbols", "calendar_features", "decomposition", "design", "lagged", "lag_plan", "sight"),
    ("additions", "identities"),
    ("featurizer", "embedding", "texts", "fitting", "linear", "trees", "onnx_graph", "tables", "metrics", "grid"),
    (
        "bundle",
        "descent",
        "isolation",
        "latency",
        "places",
        "preparation",
        "problems",
        "encodings",
        "registry",
        "summands",
        "wishes",
        "slugs",
    ),
    ("parts",),
    ("series",),
    ("records",),
    ("errors", "terminal"),
)
PARTS = ("tasks", "algorithms", "sources", "labels")
KNOW_DAGSTER = ("definitions", "component", "assets", "sensors", "resources", "runner", "results", "cli")
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


def _room(module: str) -> str:
    """The file or folder right inside the package."""
    return module.split(".")[1]


def _layer(module: str) -> int:
    found = [position for position, names in enumerate(LAYERS) if _room(module) in names]
    assert found, f"{module} is on no line of LAYERS"
    return found[0]


def test_imports_point_down() -> None:
    climbing = [
        f"{module} imports {name}"
        for module in MODULES
        for name in _imports(module)
        if name.startswith(f"{PACKAGE}.") and _layer(name) < _layer(module)
    ]
    assert climbing == []


def test_parts_never_import_siblings() -> None:
    siblings = [
        f"{module} imports {name}"
        for module in MODULES
        for name in _imports(module)
        if _room(module) in PARTS and name.startswith(f"{PACKAGE}.") and _room(name) in PARTS
    ]
    assert siblings == []


def test_dagster_stays_at_the_edge() -> None:
    inside = {module for module in MODULES for name in _imports(module) if name.split(".")[0].startswith("dagster")}
    assert {_room(module) for module in inside} - set(KNOW_DAGSTER) == set()


def _loaded_by(code: str) -> list[str]:
    shown = f"import sys\n{code}\nprint(*sorted(set({HEAVY}) & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", shown], cwd=ROOT, capture_output=True, text=True, check=True)
    return answer.stdout.split()


def test_definitions_load_no_heavy_package() -> None:
    """Every step process pays for what `definitions` loads."""
    assert _loaded_by("import automl_assets.definitions\nautoml_assets.definitions.defs()") == []


def test_command_line_loads_no_heavy_package() -> None:
    assert _loaded_by("import automl_assets.cli") == []


def test_a_heavy_import_would_be_seen() -> None:
    assert "onnx" in _loaded_by("import onnx")
