"""What Dagster keeps to itself is used through one module, so that a new version of Dagster is met in one place."""

import ast
from collections.abc import Iterator

import dagster
import pytest

from automl_assets.resources import dagster_internals
from tests.architecture.test_code import TREES

ADAPTER = "resources/dagster_internals.py"
PRIVATE = "dagster._"


def _private_names(tree: ast.AST) -> Iterator[str]:
    """Imports of private parts, and their paths as text, by which they could be imported as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith(PRIVATE):
            yield str(node.value)


def test_private_parts_of_dagster_are_used_through_one_module() -> None:
    using = {place for place, tree in TREES.items() if any(name.startswith(PRIVATE) for name in _private_names(tree))}
    assert using == {ADAPTER}


@pytest.mark.parametrize(
    "line", ["import dagster._core", "from dagster._core import x", "from dagster import _core", "a = 'dagster._core'"]
)
def test_a_private_import_would_be_seen(line: str) -> None:
    assert any(name.startswith(PRIVATE) for name in _private_names(ast.parse(line)))


@pytest.mark.parametrize("name", dagster_internals.__all__)
def test_every_private_name_is_there_used_and_not_public(name: str) -> None:
    assert getattr(dagster_internals, name) is not None
    assert not hasattr(dagster, name), f"use dagster.{name}"
    names = {alias.name for tree in TREES.values() for node in ast.walk(tree) for alias in _aliases(node)}
    assert name in names


def _aliases(node: ast.AST) -> list[ast.alias]:
    is_ours = isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".dagster_internals")
    return node.names if is_ours else []
