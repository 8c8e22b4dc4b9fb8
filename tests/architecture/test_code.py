"""The code stays readable: small functions, few arguments, and every algorithm known to its own file alone."""

import ast
import re
from pathlib import Path

from automl_assets import registry
from automl_assets.families import families

ROOT = Path(__file__).parents[2]
FOLDERS = ("automl_assets", "resources", "sensors")
TREES = {
    str(file.relative_to(ROOT)): ast.parse(file.read_text("utf-8"))
    for folder in FOLDERS
    for file in sorted((ROOT / folder).rglob("*.py"))
}
MOST_LINES, MANY_LINES, MOST_ARGUMENTS = 50, 25, 6

# What every experiment is compared with is part of the system's own language, not one algorithm among others.
EXEMPT_NAMES = {"baseline"}
EXEMPT_PLACES = {
    "automl_assets/text/algorithms/text_boosting.py": "grows the trees of tables over a few numbers of a text",
    "automl_assets/tabular/algorithms/lightgbm.py": "LightGBM has a parameter of its own called extra_trees",
}

FUNCTIONS = {
    f"{place}:{node.lineno} {node.name}": node
    for place, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
}


def _n_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _n_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return sum(name not in ("self", "cls") for name in names)


def test_functions_are_short() -> None:
    assert [where for where, function in FUNCTIONS.items() if _n_lines(function) > MOST_LINES] == []


def test_functions_take_few_arguments() -> None:
    assert [where for where, function in FUNCTIONS.items() if _n_arguments(function) > MOST_ARGUMENTS] == []


def test_most_functions_are_tiny() -> None:
    lines = sorted(_n_lines(function) for function in FUNCTIONS.values())
    assert lines[len(lines) // 2] <= 9
    assert sum(n > MANY_LINES for n in lines) < 0.05 * len(lines)


def test_modules_say_what_belongs_in_them() -> None:
    assert [place for place, tree in TREES.items() if tree.body and not ast.get_docstring(tree)] == []


def test_a_module_that_says_its_name_says_the_right_one() -> None:
    """As steps do: `split_rows: who learns, who validates, who tests`."""
    named = {place: re.match(r"([a-z_]+): ", ast.get_docstring(tree) or "") for place, tree in TREES.items()}
    found = {place: match[1] for place, match in named.items() if match}
    assert len(found) > 30
    assert {place: name for place, name in found.items() if name != Path(place).stem} == {}


def _names() -> set[str]:
    """Of the algorithms whose rows stand for themselves, of all families."""
    return {name for family in families() if family.row_steps for name in registry.algorithms(family.name)}


def test_algorithms_are_named_in_their_own_file_alone() -> None:
    names = _names() - EXEMPT_NAMES
    found = [
        f"{place}:{node.lineno} {node.value}"
        for place, tree in TREES.items()
        if place not in EXEMPT_PLACES
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names and Path(place).stem != node.value
    ]
    assert found == []


def test_every_exemption_is_still_needed() -> None:
    names = _names()
    constants = {
        place: {n.value for n in ast.walk(TREES[place]) if isinstance(n, ast.Constant)} for place in EXEMPT_PLACES
    }
    assert all(constants[place] & (names - {Path(place).stem}) for place in EXEMPT_PLACES)
