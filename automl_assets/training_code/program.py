"""A program as a script and a notebook that stand alone, with the packages they need."""

import ast
import importlib.metadata
import platform
import sys
import textwrap
from functools import cache
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel

from automl_assets.experiment.experiment import Experiment, SourceSetting
from automl_assets.model_records import TrainingCode
from automl_assets.records import SOURCE, TEST_FILE, VALIDATION_FILE
from automl_assets.telemetry import OFF
from automl_assets.training_code.source_bundle import FUTURE, Bundle

NAME = "training_code"
TALKATIVE = ("onnxruntime", "transformers", "mlflow")  # libraries
RUN_SCRIPT = """\
if __name__ == "__main__":
    # By its name, so that what is pickled is found in this file, wherever it is read.
    importlib.import_module(Path(__file__).stem).main()"""


def program(bundle: Bundle, introduction: str, own: str) -> TrainingCode:
    """All that the bundle has reached, and below it the experiment's own code, whose function `main` is run."""
    bundle.needs("import importlib", "import json", "from pathlib import Path")
    sections = bundle.sections()
    own = bundle.resolved(own)
    imports = f"{FUTURE}\n\n{_silence(own, sections)}{bundle.imports()}"
    script = _script(introduction, imports, [*sections, ("This experiment", own)])
    notebook = _notebook(introduction, imports, [*sections, ("This experiment", own)])
    return TrainingCode(script.encode(), notebook.encode(), _requirements(script))


def _silence(own: str, sections: list[tuple[str, str]]) -> str:
    """Statements that keep the libraries from telephoning home, where the program uses one that would."""
    text = "".join([own, *(section for _, section in sections)])
    if not any(name in text for name in TALKATIVE):
        return ""
    lines = "".join(f'os.environ.setdefault("{name}", "{value}")\n' for name, value in sorted(OFF.items()))
    return f"import os\n\n# Before any other import: no library is to telephone home.\n{lines}\n"


def plain(text: str) -> str:
    """A name from data as it may stand in a docstring or in markdown."""
    return "".join(letter if letter.isalnum() or letter in " _-." else "?" for letter in text)


def readers(experiment: Experiment) -> list[str]:
    """A function for each file, and the one that reads them all."""
    settings = {"source": (SOURCE, experiment.source), "validation": (VALIDATION_FILE, experiment.validation.source)}
    settings["test"] = (TEST_FILE, experiment.test.source)
    given = {name: (mark, setting) for name, (mark, setting) in settings.items() if setting is not None}
    calls = ", ".join(f"{mark}: read_{name}()" for name, (mark, _) in given.items())
    whole = f"""\
def get_training_dataset() -> dict[int, pl.DataFrame]:
    \"\"\"The rows as they come: {SOURCE} of the source, {VALIDATION_FILE} to validate on, {TEST_FILE} to test on.\"\"\"
    return {{{calls}}}"""
    return [*(reader(name, setting) for name, (_, setting) in given.items()), whole]


def reader(name: str, setting: SourceSetting) -> str:
    """A function that reads a source by public packages."""
    body = textwrap.indent(setting.part.code(setting.options).rstrip(), "    ")
    return f"def read_{name}() -> pl.DataFrame:\n{body}"


def namespace(setting: BaseModel) -> Any:
    """A setting's values; of a source, only its kind."""
    values = {name: value.kind if isinstance(value, SourceSetting) else value for name, value in setting}
    return SimpleNamespace(**values)


def _script(introduction: str, imports: str, sections: list[tuple[str, str]]) -> str:
    parts = [f"{_rule(title)}\n\n{text}" for title, text in sections]
    return "\n\n\n".join([f'#!/usr/bin/env python\n"""{introduction}"""\n\n{imports}', *parts, RUN_SCRIPT]) + "\n"


def _rule(title: str) -> str:
    return f"# --- {title} {'-' * max(3, 112 - len(title))}"


def _notebook(introduction: str, imports: str, sections: list[tuple[str, str]]) -> str:
    """The same as cells: a sentence, then the code."""
    from nbformat import v4

    cells = [v4.new_markdown_cell(introduction), v4.new_code_cell(imports)]
    for title, text in sections:
        cells += [v4.new_markdown_cell(f"### {title}"), v4.new_code_cell(text)]
    cells += [v4.new_markdown_cell("### Train and test"), v4.new_code_cell("main()")]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # else by chance, and the same input would give another notebook
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.writes(v4.new_notebook(cells=cells, metadata=kernel))


def _requirements(script: str) -> tuple[str, ...]:
    """The packages that the script imports, anywhere in it, in the versions in use."""
    tree = ast.walk(ast.parse(script))
    names = {name.split(".")[0] for node in tree for name in _imported(node)} - {NAME, *sys.stdlib_module_names}
    found = {owner: _version(owner) for owner in map(_owner, names)}
    return (f"# Python {platform.python_version()}", *(f"{name}=={version}" for name, version in sorted(found.items())))


def _version(package: str) -> str:
    """Without what tells builds of one version apart, as `+cpu`: no index knows those."""
    return importlib.metadata.version(package).partition("+")[0]


@cache
def _owner(package: str) -> str:
    """The distribution that brings a package, by the lists of files that installers leave, which are searched as text:
    `packages_distributions` takes every line of all that is installed apart, for two seconds."""
    for one in importlib.metadata.distributions():
        files = f"\n{one.read_text('RECORD') or ''}"
        if f"\n{package}/__init__.py," in files or f"\n{package}.py," in files:
            return one.name
    return importlib.metadata.packages_distributions().get(package, [package])[0]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


OWN_SECTION = "# --- This experiment"
ENSEMBLES_FILE = "ensembles.json"
