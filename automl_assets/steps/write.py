"""write: a program that trains the ensemble again without this system, from public packages alone.

The program is `retrain` and all it reaches, copied as it was run; what was learnt and chosen stands in it as values.
"""

import ast
import importlib.metadata
import platform
import sys
import textwrap
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydantic import BaseModel

from automl_assets import metrics
from automl_assets.bundle import FUTURE, Bundle
from automl_assets.experiment import Experiment, SourceSetting
from automl_assets.parts import Algorithm
from automl_assets.records import SOURCE, TEST_FILE, VALIDATION_FILE, Dataset, Ensemble, Leaderboard, TrainingCode
from automl_assets.steps import retrain
from automl_assets.steps.blend import algorithm_of
from automl_assets.steps.search import FURTHER_METRICS

NAME = "training_code"
OWN_SECTION = "# --- This experiment"
INSTEAD = {(algorithm_of.__module__, algorithm_of.__name__): (retrain.__name__, retrain.learner_of.__name__)}
STEPS = (
    retrain.prepare_data,
    retrain.split_dataset,
    retrain.build_model,
    retrain.train_model,
    retrain.calculate_metrics,
    retrain.save_model,
)
INTRODUCTION = """\
Trains the best model of the experiment {name} again, and tests it on the same rows.

{kind} of {n_members}: {target} by {metric}.
Written by automl_assets, which it does not need; see requirements.txt. Everything above "This experiment" is copied
from that system as it was run, with the same seeds and without a clock: where the run had to cut a fit short for want
of time, that fit goes on to its end here, and figures differ; all others come out the same. To use the model: run this file, then import it where you unpickle `model.pickle`.
"""
MAIN = """\
def main() -> None:
    dataset = {prepare_data}(get_training_dataset(), RECIPE)
    split = {split_dataset}(dataset, RECIPE)
    model = {train_model}({build_model}(RECIPE, LEARNERS_IN_USE), dataset, split, RECIPE)
    print(json.dumps({calculate_metrics}(model, dataset, split, RECIPE), indent=1))
    {save_model}(model, "model.pickle")"""
RUN_SCRIPT = """\
if __name__ == "__main__":
    # By its name, so that what is pickled is found in this file, wherever it is read.
    importlib.import_module(Path(__file__).stem).main()"""


def write(experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard) -> TrainingCode:
    """Script, notebook and requirements. Raises DiscoveryError when a part cannot be copied: a bug of that part."""
    bundle = Bundle(INSTEAD)
    own = _own_code(bundle, experiment, dataset, ensemble, leaderboard)
    return program(bundle, _introduction(experiment, ensemble), own)


def program(bundle: Bundle, introduction: str, own: str) -> TrainingCode:
    """All that the bundle has reached, and below it the experiment's own code, whose function `main` is run."""
    bundle.needs("import importlib", "import json", "from pathlib import Path")
    sections = bundle.sections()
    own = bundle.resolved(own)
    imports = f"{FUTURE}\n\n{bundle.imports()}"
    script = _script(introduction, imports, [*sections, ("This experiment", own)])
    notebook = _notebook(introduction, imports, [*sections, ("This experiment", own)])
    return TrainingCode(script.encode(), notebook.encode(), _requirements(script))


def _introduction(experiment: Experiment, ensemble: Ensemble) -> str:
    n_members = f"{len(ensemble.members)} {'trial' if len(ensemble.members) == 1 else 'trials'}"
    return INTRODUCTION.format(
        name=experiment.name,
        kind=ensemble.kind.capitalize(),
        n_members=n_members,
        target=plain(experiment.target),
        metric=experiment.metric,
    )


def plain(text: str) -> str:
    """A name from data as it may stand in a docstring or in markdown."""
    return "".join(letter if letter.isalnum() or letter in " _-." else "?" for letter in text)


def _own_code(
    bundle: Bundle, experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard
) -> str:
    """What is of this experiment alone: where its rows are, what was learnt and chosen, and the order of steps."""
    learners = {member.algorithm: learner(algorithm_of(member, ensemble.problem)) for member in ensemble.members}
    recipe = _recipe(experiment, dataset, ensemble, leaderboard)
    steps = {step.__name__: bundle.reference(step) for step in STEPS}
    return "\n\n\n".join(
        [
            *readers(experiment),
            f"LEARNERS_IN_USE = {bundle.value(learners)}\n\nRECIPE = {bundle.value(recipe)}",
            MAIN.format(**steps),
        ]
    )


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


def learner(algorithm: Algorithm) -> retrain.Learner:
    """Of an algorithm, what fitting and predicting takes."""
    return retrain.Learner(
        algorithm.name,
        algorithm.fit,
        algorithm.predict,
        algorithm.view,
        algorithm.link,
        algorithm.is_refitted,
        algorithm.max_rows,
    )


def _recipe(experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard) -> retrain.Recipe:
    configs = {standing.trial: standing.config for standing in leaderboard.standings}
    roles = dataset.roles
    used = {*ensemble.featurizer.raw_columns, roles.target, roles.weight, roles.group, roles.time, *roles.folds}
    names = dict.fromkeys((experiment.metric, *FURTHER_METRICS[experiment.task]))
    return retrain.Recipe(
        types={name: dtype for name, dtype in dataset.table.schema.items() if name in used},
        roles=roles,
        settings=_settings(experiment),
        ensemble=replace(ensemble, members=(), predictions=np.empty((0, ensemble.problem.n_outputs))),
        choices=tuple(
            retrain.Choice(m.trial, m.algorithm, m.weight, configs[m.trial], len(m.fitted.models))
            for m in ensemble.members
        ),
        metrics={name: metrics.metric(name, experiment.task).function for name in names},
    )


def _settings(experiment: Experiment) -> Any:
    """Of the experiment, what the split looks at."""
    task = experiment.task_part
    return SimpleNamespace(
        seed=experiment.seed,
        group_column=experiment.group_column,
        test=namespace(experiment.test),
        validation=namespace(experiment.validation),
        task_part=SimpleNamespace(stratify=task.stratify, encode_target=task.encode_target),
    )


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
    owners = importlib.metadata.packages_distributions()
    found = {owner: importlib.metadata.version(owner) for name in names for owner in owners.get(name, [name])[:1]}
    return (f"# Python {platform.python_version()}", *(f"{name}=={version}" for name, version in sorted(found.items())))


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
