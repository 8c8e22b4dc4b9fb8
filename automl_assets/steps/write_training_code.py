"""write_training_code: a program that trains the ensemble again without this system, from public packages alone.

The program is `training_program`, of all families and of one, and all it reaches, copied as it was run; what was learnt and
chosen stands in it as values.
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from automl_assets import metrics, registry
from automl_assets.errors import NotWritableError
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import TrainingCode
from automl_assets.parts import lacks_nothing
from automl_assets.records import Dataset, Ensemble, Leaderboard
from automl_assets.steps import training_program
from automl_assets.steps.combine import algorithm_of
from automl_assets.training_code.learner import learner
from automl_assets.training_code.program import namespace, plain, program, readers
from automl_assets.training_code.source_bundle import Bundle

INSTEAD = {
    (algorithm_of.__module__, algorithm_of.__name__): (training_program.__name__, training_program.learner_of.__name__)
}
STEPS = (
    training_program.prepare_data,
    training_program.split_dataset,
    training_program.build_model,
    training_program.save_model,
)
Steps = tuple[
    Callable[..., Any], ...
]  # train_model and calculate_metrics of a family, and others in the place of STEPS
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


def write_training_code(
    own_steps: Steps, experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard
) -> TrainingCode:
    """Script, notebook and requirements. Raises DiscoveryError when a part cannot be copied: a bug of that part;
    NotWritableError for a model that looks parts up by their names."""
    bundle = Bundle(INSTEAD)
    recipe = _recipe(experiment, dataset, ensemble, leaderboard)
    own = _own_code(bundle, experiment, ensemble, recipe, own_steps)
    if registry.__name__ in bundle.modules:
        names = ", ".join(dict.fromkeys(member.algorithm for member in ensemble.members))
        raise NotWritableError(
            f"no training code: of {names} one is built of parts of this system that it finds by name"
        )
    return program(bundle, _introduction(experiment, ensemble), own)


def check_stands_alone(ensemble: Ensemble) -> None:
    """Raises NotWritableError where a member reads pretrained weights."""
    algorithms = [algorithm_of(member, ensemble.problem) for member in ensemble.members]
    reading = [one.name for one in algorithms if one.lacks is not lacks_nothing]
    if reading:
        raise NotWritableError(
            f"no training code: {reading[0]} reads pretrained weights, which a program that stands alone has not; name it "
            "under algorithms.blocked to get one of the others"
        )


def _introduction(experiment: Experiment, ensemble: Ensemble) -> str:
    n_members = f"{len(ensemble.members)} {'trial' if len(ensemble.members) == 1 else 'trials'}"
    return INTRODUCTION.format(
        name=experiment.name,
        kind=ensemble.kind.capitalize(),
        n_members=n_members,
        target=plain(experiment.target),
        metric=experiment.metric,
    )


def _own_code(
    bundle: Bundle, experiment: Experiment, ensemble: Ensemble, recipe: training_program.Recipe, own_steps: Steps
) -> str:
    """What is of this experiment alone: where its rows are, what was learnt and chosen, and the order of steps."""
    learners = {member.algorithm: learner(algorithm_of(member, ensemble.problem)) for member in ensemble.members}
    steps = {step.__name__: bundle.reference(step) for step in (*STEPS, *own_steps)}
    return "\n\n\n".join(
        [
            *readers(experiment),
            f"LEARNERS_IN_USE = {bundle.value(learners)}\n\nRECIPE = {bundle.value(recipe)}",
            MAIN.format(**steps),
        ]
    )


def _recipe(
    experiment: Experiment, dataset: Dataset, ensemble: Ensemble, leaderboard: Leaderboard
) -> training_program.Recipe:
    configs = {standing.trial: standing.config for standing in leaderboard.standings}
    roles = dataset.roles
    used = {*ensemble.featurizer.raw_columns, roles.target, roles.weight, roles.group, roles.time, *roles.folds}
    names = dict.fromkeys((experiment.metric, *experiment.task_part.further_metrics))
    return training_program.Recipe(
        schema=dataset.schema.only(used),
        roles=roles,
        settings=_settings(experiment),
        ensemble=replace(ensemble, members=(), predictions=np.empty((0, ensemble.problem.n_outputs)), background=None),
        choices=tuple(
            training_program.Choice(m.trial, m.algorithm, m.weight, configs[m.trial], len(m.fitted.models))
            for m in ensemble.members
        ),
        metrics={name: metrics.metric(name, experiment.task).function for name in names},
    )


def _settings(experiment: Experiment) -> Any:
    """Of the experiment, what the split looks at."""
    task = experiment.task_part
    rows_of = task.parts.row_codes if task.parts else task.encode_target
    return SimpleNamespace(
        seed=experiment.seed,
        strict=experiment.strict,
        group_column=experiment.group_column,
        test=namespace(experiment.test),
        validation=namespace(experiment.validation),
        task_part=SimpleNamespace(stratify=task.stratify, encode_target=task.encode_target, encode_rows=rows_of),
    )
